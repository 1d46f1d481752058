"""Proxies of perturbed and of trained copies, and of the graph of channels, against plain computations."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, cosine_similarity, cross_entropy

import proxies
import spaces
from proxies import Probe, ProxyError
from proxies.errors import NothingCollected
from proxies.gradient_based.croze import croze
from proxies.gradient_based.gennas import as_map, gennas, regression_losses, signals
from proxies.gradient_based.sigeo import sigeo
from proxies.gradient_free.nasgraph import nasgraph
from proxies.probe.layers import weighted_layers
from tests.proxies.networks import NETWORKS, TinyViT, batches, draw, rectifier

DOUBLE = batches(dtype=torch.float64)
EVERY_NETWORK = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


def score(name, network, data):
    (found,) = proxies.compute([name], network, data).values()
    return found


def weights_of(network):
    return {name: module.weight for name, module in weighted_layers(network).items()}


def backward(network, images, labels):
    """The loss, and the gradients of the weights by layer name, of a network's own backward pass."""
    network.zero_grad()
    loss = cross_entropy(network(images), labels)
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in weights_of(network).items()}


# CRoZe


def recorded(network, images, labels):
    """What each layer gives, and the gradients of its weight."""
    outputs = {}

    def keep(name):
        def hook(module, inputs, output):
            outputs[name] = output.detach().clone()

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in weighted_layers(network).items()]
    _, gradients = backward(network, images, labels)
    for hook in hooks:
        hook.remove()
    return outputs, gradients


def alike(first, second):
    return cosine_similarity(first.flatten(), second.flatten(), dim=0).item()


@EVERY_NETWORK
@pytest.mark.parametrize("sizes", [{}, {"weight_step": 0.3, "image_step": 0.2, "learning_rate": 2.0}])
def test_croze_is_that_of_two_networks_side_by_side(build, sizes):
    clean = build().double()
    perturbed = copy.deepcopy(clean)
    images, labels = DOUBLE[0][0].clone().requires_grad_(), DOUBLE[0][1]
    weight_step, image_step, rate = (
        {"weight_step": 0.01, "image_step": 8 / 255, "learning_rate": 0.1} | sizes
    ).values()
    outputs, gradients = recorded(clean, images, labels)
    with torch.no_grad():
        for name, weight in weights_of(perturbed).items():
            weight += weight_step * weight.norm() * gradients[name] / gradients[name].norm()
        moved = images + image_step * images.grad.sign()
    other_outputs, other_gradients = recorded(perturbed, moved, labels)
    expected = 0
    for name, weight in weights_of(clean).items():
        features = alike(outputs[name], other_outputs[name])
        slopes = alike(gradients[name], other_gradients[name])
        stepped = weight - rate * gradients[name]
        other_stepped = weights_of(perturbed)[name] - rate * other_gradients[name]
        expected += (1 + features) * (1 + alike(stepped, other_stepped)) * abs(slopes)
    assert croze(Probe(build().double(), DOUBLE), **sizes) == pytest.approx(expected, rel=1e-9)
    assert expected < 3.999 * len(outputs)


@EVERY_NETWORK
def test_croze_of_an_unperturbed_pair_is_four_a_layer(build):
    found = score("croze[weight_step=0.0,image_step=0.0]", build().double(), DOUBLE)
    assert found.value == pytest.approx(4 * len(weighted_layers(build())), rel=1e-12)


def test_croze_in_parts_of_the_batch_is_the_same():
    probe = Probe(TinyViT().double(), batches(1, size=7, dtype=torch.float64))
    whole = croze(probe)
    probe.images_at_once = 3
    assert croze(probe) == pytest.approx(whole, rel=1e-10)


def test_croze_leaves_out_a_layer_that_is_not_called():
    network = TinyViT().double()
    network.spare = nn.Linear(3, 3).double()
    assert croze(Probe(network, DOUBLE)) == croze(Probe(TinyViT().double(), DOUBLE))


def test_croze_of_a_loss_that_no_weight_changes_is_empty():
    network = rectifier(bias=True)
    with torch.no_grad():
        for layer in (network[0], network[3]):
            layer.weight.zero_()
            layer.bias.fill_(-1.0)
    found = score("croze", network, batches())
    assert (found.status, found.message) == (
        "empty",
        "The loss depends on the weight of no layer that is called.",
    )


@pytest.mark.parametrize("name", ["croze", "sigeo", "gennas"])
def test_activations_that_work_in_place_change_nothing(name):
    found = []
    for inplace in (False, True):
        network = nn.Sequential(nn.ReLU(inplace=inplace), *rectifier(bias=True))
        network[2], network.feature_map = nn.ReLU(inplace=inplace), "1"
        data = batches()
        found.append(score(name, network, data).value)
        assert all(torch.equal(images, kept) for (images, _), (kept, _) in zip(data, batches(), strict=True))
    assert found[0] == found[1] is not None


# SiGeo


@EVERY_NETWORK
def test_sigeo_is_that_of_a_warmed_up_copy(build):
    rate, factors = 0.3, (0.7, 20.0, 3.0)
    network, (images, labels) = build().double(), DOUBLE[1]
    backward(network, *DOUBLE[0])
    torch.optim.SGD(weights_of(network).values(), lr=rate).step()
    halves = [backward(network, images[part], labels[part]) for part in (slice(0, 3), slice(3, 6))]
    ratio, slopes = 0, [0, 0]
    for name, weight in weights_of(network).items():
        pair = torch.stack([gradients[name] for _, gradients in halves])
        spread = pair.std(dim=0, correction=0)
        ratio += (pair.abs().mean(dim=0) / spread)[spread > 0].sum().log().item()
        slopes = [slope + (weight * g).sum().item() for slope, g in zip(slopes, pair, strict=True)]
    norm = math.sqrt((slopes[0] ** 2 + slopes[1] ** 2) / 2)
    loss = (halves[0][0] + halves[1][0]) / 2
    names = ("ratio_factor", "norm_factor", "loss_factor")
    options = {"learning_rate": rate, **dict(zip(names, factors, strict=True))}
    expected = factors[0] * ratio + factors[1] * norm - factors[2] * loss
    assert sigeo(Probe(build().double(), DOUBLE), **options) == pytest.approx(expected, rel=1e-9)


def test_sigeo_without_warm_up_norm_and_loss_is_zico_of_the_halves():
    images, labels = DOUBLE[1]
    halves = list(zip(images.split(3), labels.split(3), strict=True))
    found = score("sigeo[learning_rate=0.0,norm_factor=0.0,loss_factor=0.0]", TinyViT().double(), DOUBLE)
    assert found.value == pytest.approx(score("zico", TinyViT().double(), halves).value, rel=1e-9)


def test_sigeo_warms_up_downhill():
    losses = [
        -score(
            f"sigeo[learning_rate={rate},ratio_factor=0.0,norm_factor=0.0]", TinyViT(), batches(1) * 2
        ).value
        for rate in (0.0, 0.01, 0.1)
    ]
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[2]


def test_sigeo_in_parts_of_the_batch_is_the_same():
    probe = Probe(TinyViT().double(), batches(size=7, dtype=torch.float64))
    whole = sigeo(probe)
    probe.images_at_once = 2
    assert sigeo(probe) == pytest.approx(whole, rel=1e-8)


def test_sigeo_needs_two_images_in_a_second_batch_and_a_spread():
    first, (images, labels) = batches()
    assert score("sigeo", TinyViT(), [first]).message == "This needs at least 2 batches; got 1."
    found = score("sigeo", TinyViT(), [first, (images[:1], labels[:1])])
    assert found.message == "Two halves need at least 2 images in the second batch; got 1."
    same = (images[:1].repeat(4, 1, 1, 1), labels[:1].repeat(4))
    assert score("sigeo", TinyViT(), [first, same]).status == "empty"


# GenNAS


def trained_by_hand(network, noise, generator, steps, rate):
    """The same regression on the network itself, place by place."""
    kept = []
    network.get_submodule(network.feature_map).register_forward_hook(
        lambda module, inputs, output: kept.append(output)
    )
    network(noise)
    found = kept.pop()
    channels = found.shape[-1] if found.ndim == 3 else found.shape[1]
    side = 2 if found.ndim == 3 else found.shape[-1]
    targets = signals(len(noise), side, side, generator).double()
    linear = (torch.randn(48, channels, generator=generator) / math.sqrt(channels)).double().requires_grad_()
    losses = []
    for _ in range(steps + 1):
        network.zero_grad()
        linear.grad = None
        network(noise)
        features = kept.pop()
        misfits = []
        for image in range(len(noise)):
            for row in range(side):
                for column in range(side):
                    at = (image, 1 + side * row + column) if features.ndim == 3 else (image, ..., row, column)
                    misfits.append((linear @ features[at] - targets[image, :, row, column]).square())
        loss = torch.stack(misfits).mean()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            for tensor in (*network.parameters(), linear):
                if tensor.grad is not None:
                    tensor -= rate * tensor.grad
    return losses


@EVERY_NETWORK
def test_gennas_is_the_loss_of_a_network_trained_by_hand(build):
    network = build().double()
    network.input_shape = (3, 8, 8)
    probe = Probe(network, seed=5)
    noise = torch.randn(2, 3, 8, 8, generator=probe.generator("gennas noise")).double()
    expected = trained_by_hand(copy.deepcopy(network), noise, probe.generator("gennas signals"), 4, 0.05)
    losses = regression_losses(network, noise, probe.generator("gennas signals"), 4, 0.05)
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)
    found = gennas(probe, steps=4, images=2, learning_rate=0.05)
    assert found == pytest.approx(-expected[-1], rel=1e-9)


def micro():
    space = spaces.get("autoformer-micro")
    return space.build(space.sample(1, seed=0)[0], seed=0)


@pytest.mark.parametrize("build", [*NETWORKS.values(), micro], ids=[*NETWORKS, "micro"])
def test_gennas_fits_better_from_step_to_step(build):
    network = build()
    shape = getattr(network, "input_shape", (3, 8, 8))
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    losses = regression_losses(network, noise, torch.Generator().manual_seed(1), 10, 0.01)
    assert (losses.diff() < 0).all()
    assert losses.dtype == torch.float64


def test_gennas_follows_the_seed_and_the_steps():
    def found(seed, **options):
        return gennas(Probe(TinyViT(), seed=seed), **options)

    assert found(0) == found(0) != found(1)
    assert found(0, steps=20) > found(0) > found(0, steps=1)


def test_signals_are_waves_dots_and_smooth_noise():
    found = signals(3, 6, 5, torch.Generator().manual_seed(0)).double()
    assert found.shape == (3, 48, 6, 5)
    draws = torch.Generator().manual_seed(0)
    turns = torch.rand(2, 3, 16, 1, 1, generator=draws).flatten(2) / 4
    phases = torch.rand(3, 16, 1, 1, generator=draws).flatten(1)
    for image, wave, row, column in ((0, 0, 0, 0), (1, 7, 5, 2), (2, 15, 3, 4)):
        rows, columns = turns[:, image, wave].tolist()
        angle = 2 * math.pi * (rows * row + columns * column + phases[image, wave].item())
        assert found[image, wave, row, column].item() == pytest.approx(math.sin(angle), abs=1e-5)
    dots = signals(20, 8, 8, draws)[:, 16:32]
    assert dots.unique().tolist() == [-1, 0, 1]
    assert dots.abs().mean().item() == pytest.approx(0.3, abs=0.02)
    assert dots.mean().item() == pytest.approx(0, abs=0.02)
    # One coarse number at every place of a map of two by two.
    smooth = signals(400, 2, 2, draws)[:, 32:]
    assert torch.equal(smooth.amin(dim=(2, 3)), smooth.amax(dim=(2, 3)))
    assert smooth.std().item() == pytest.approx(1, abs=0.05)


def test_patches_become_the_map_they_were_cut_from():
    feature_map = torch.arange(2 * 5 * 9.0).view(2, 5, 3, 3)
    patches = feature_map.flatten(2).transpose(1, 2)
    assert torch.equal(as_map(feature_map), feature_map)
    assert torch.equal(as_map(patches), feature_map)
    assert torch.equal(as_map(torch.cat((torch.zeros(2, 1, 5), patches), dim=1)), feature_map)
    for wrong in (torch.zeros(2, 11, 5), torch.zeros(2, 8, 5), torch.zeros(2, 5)):
        with pytest.raises(ProxyError, match="The feature map is .*; expected"):
            as_map(wrong)


def test_gennas_needs_a_feature_map_steps_and_images():
    network = TinyViT()
    network.feature_map = "nowhere"
    with pytest.raises(ProxyError, match="has no module 'nowhere'"):
        gennas(Probe(network))
    del network.feature_map
    with pytest.raises(NothingCollected, match="feature_map"):
        gennas(Probe(network))
    for options in ({"steps": 0}, {"images": 0}):
        with pytest.raises(ProxyError, match="at least 1 step and 1 image"):
            gennas(Probe(TinyViT()), **options)


def test_gennas_needs_the_feature_map_once():
    network = TinyViT()
    network.spare, network.blocks[1].act = nn.GELU(), network.blocks[0].act
    for name, times in (("spare", 0), ("blocks.0.act", 2)):
        network.feature_map = name
        with pytest.raises(ProxyError, match=f"was called {times} times in one forward pass; expected once"):
            gennas(Probe(network))


# NASGraph


def test_nasgraph_of_a_written_out_case():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 3))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 2.0], [-1.0, -1.0]]))
    assert nasgraph(Probe(network)) == 2 * 2 / 5


@pytest.mark.parametrize("build", [*NETWORKS.values(), rectifier], ids=[*NETWORKS, "rectifier"])
def test_nasgraph_counts_the_responses_to_channels_of_ones(build):
    network = build().double()
    degrees = {}
    for name, module in weighted_layers(network).items():
        if isinstance(module, nn.Linear):
            responses = module.weight @ torch.eye(module.in_features, dtype=torch.float64)  # (out, in)
        else:
            side = [1 + d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
            ones = torch.eye(module.in_channels, dtype=torch.float64)[:, :, None, None].expand(-1, -1, *side)
            responses = conv2d(ones, module.weight, dilation=module.dilation, groups=module.groups)
            responses = responses.flatten(1).T  # (out, in)
        degrees |= {(name, "out", d): 0 for d in range(len(responses))}
        degrees |= {(name, "in", c): 0 for c in range(responses.shape[1])}
        for d, c in (responses > 0).nonzero().tolist():
            degrees[name, "out", d] += 1
            degrees[name, "in", c] += 1
    assert nasgraph(Probe(network)) == pytest.approx(sum(degrees.values()) / len(degrees), rel=1e-12)


def test_nasgraph_grows_with_the_width_and_not_with_the_scale():
    narrow, wide = (nasgraph(Probe(draw(TinyViT(width=width), 0))) for width in (16, 32))
    assert wide > 1.5 * narrow
    network = TinyViT()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 7
    assert nasgraph(Probe(network)) == nasgraph(Probe(TinyViT()))


def test_nasgraph_of_nan_is_nan():
    network = TinyViT()
    with torch.no_grad():
        network.head.weight[0, 0] = math.nan
    assert score("nasgraph", network, []).status == "nan"
