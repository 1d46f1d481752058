"""Proxies of weight and channel gradients against straightforward computations, in float64."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import proxies
from proxies import ProxyError
from proxies.probe.activations import agreement
from proxies.probe.layers import weighted_layers
from tests.proxies.networks import NETWORKS, TinyViT, batches, convolutional, draw, rectifier

DOUBLE = batches(size=8, dtype=torch.float64)
EVERY_NETWORK = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


def value(name, network, data=DOUBLE):
    (score,) = proxies.compute([name], network, data).values()
    assert score.status == "ok", score
    return score.value


def weights_of(network):
    return [module.weight for module in weighted_layers(network).values()]


def sample_gradients(network, images, labels):
    """The gradients of every sample's own loss by all weights, one flat row a sample."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        found = torch.autograd.grad(cross_entropy(network(image[None]), label[None]), weights_of(network))
        rows.append(torch.cat([gradient.flatten() for gradient in found]))
    return torch.stack(rows)


@EVERY_NETWORK
def test_plain_and_grad_norm(build):
    network = build().double().eval()
    images, labels = DOUBLE[0]
    found = torch.autograd.grad(cross_entropy(network(images), labels), weights_of(network))
    pairs = list(zip(weights_of(network), found, strict=True))
    assert value("plain", network) == pytest.approx(sum((w * g).sum().item() for w, g in pairs), rel=1e-9)
    assert value("grad_norm", network) == pytest.approx(sum(g.norm().item() for g in found), rel=1e-12)


def test_plain_of_a_rectifier_is_the_same_in_every_layer():
    """By Euler's theorem, the loss being a function of a positively homogeneous network."""
    sums = [
        (layer.weight * g).sum().item()
        for layer, g in proxies.Probe(rectifier().double(), DOUBLE).gradients()
    ]
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-9)


@EVERY_NETWORK
def test_gradsign_and_gsnr_are_those_of_single_backward_passes(build):
    network = build().double().eval()
    rows = sample_gradients(network, *DOUBLE[0])
    signs = rows.sign().sum(dim=0).abs()
    assert value("gradsign", network) == signs.sum().item()
    assert value("gradsign[average=true]", network) == pytest.approx(signs.mean().item(), rel=1e-12)
    for floor in (1e-8, 1e-3):
        expected = (rows.mean(dim=0).square() / (rows.var(dim=0, correction=0) + floor)).sum().item()
        assert value(f"gsnr[floor={floor}]", network) == pytest.approx(expected, rel=1e-6)


def test_gradsign_keeps_when_images_are_repeated_or_permuted():
    images, labels = DOUBLE[0]
    once = value("gradsign", TinyViT().double())
    twice = [(images.repeat(2, 1, 1, 1), labels.repeat(2))]
    assert value("gradsign", TinyViT().double(), twice) == 2 * once
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    assert value("gradsign", TinyViT().double(), [(images[order], labels[order])]) == once


@EVERY_NETWORK
@pytest.mark.parametrize("tokens_as_channels", [False, True])
def test_fisher_is_an_explicit_loop(build, tokens_as_channels):
    network = build().double().train()
    images, labels = DOUBLE[0]
    found = {}

    def keep(module):
        def hook(m, i, out):
            found[module] = out
            out.retain_grad()

        return hook

    hooks = [m.register_forward_hook(keep(m)) for m in weighted_layers(network).values()]
    cross_entropy(network(images), labels).backward()
    for hook in hooks:
        hook.remove()
    expected = 0.0
    for module, output in found.items():
        product = output.detach() * output.grad
        if product.ndim == 3 and not tokens_as_channels:
            product = product.transpose(1, 2)
        channels = product.flatten(2).sum(dim=2) if product.ndim > 2 else product
        for k in range(channels.shape[1]):
            expected += module.weight[0].numel() * 0.5 * channels[:, k].square().mean().item()
    network.zero_grad()
    name = "fisher[tokens_as_channels=true]" if tokens_as_channels else "fisher"
    assert value(name, build().double().train()) == pytest.approx(expected, rel=1e-9)


def test_fisher_keeps_when_tokens_are_permuted():
    class Tokens(nn.Module):
        def __init__(self, order):
            super().__init__()
            self.layer, self.head, self.order = nn.Linear(12, 7), nn.Linear(7, 4), order
            draw(self, 0)

        def forward(self, images):
            tokens = images.flatten(1).unflatten(1, (16, 12))[:, self.order]
            return self.head(self.layer(tokens).tanh().mean(dim=1))

    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    straight = value("fisher", Tokens(torch.arange(16)).double())
    assert value("fisher", Tokens(order).double()) == pytest.approx(straight, rel=1e-12)


@pytest.mark.parametrize("calls", [1, 2])
def test_t_cet_of_a_single_layer_is_ratio_times_its_calls_determinants(calls):
    class Repeated(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(192, 192)

        def outputs(self, images):
            found = [images.flatten(1)]
            for _ in range(calls):
                found.append(self.layer(found[-1]))
            return found[1:]

        def forward(self, images):
            return self.outputs(images)[-1]

    network = draw(Repeated(), 0).double()
    images, labels = DOUBLE[0]
    weight, outputs = network.layer.weight, network.outputs(images)
    (gradient,) = torch.autograd.grad(cross_entropy(outputs[-1], labels), weight)
    saliency = (weight * gradient).abs()
    signs = [(output > 0).double() for output in outputs]
    kernels = [on @ on.T + (1 - on) @ (1 - on).T for on in signs]
    determinant = sum(torch.linalg.slogdet(kernel)[1] for kernel in kernels)
    expected = saliency.sum() / saliency.std() * determinant
    assert value("t_cet", network) == pytest.approx(expected.item(), rel=1e-9)


def test_layer_patterns_are_those_of_every_weighted_layer():
    network = convolutional()
    found = proxies.Probe(network, batches()).layer_patterns()
    assert [pattern.name for pattern in found] == list(weighted_layers(network))
    # Channels times places: strided to 4 x 4, dilated in height to 0 + 4 rows, and the logits.
    assert [agreement([pattern])[0, 0].item() for pattern in found] == [8 * 4 * 4, 8 * 4 * 4, 4]


def test_a_batch_of_one_image_has_no_variance_and_the_rest_stays():
    scores = proxies.compute(["gsnr", "l_swag_lambda", "gradsign", "snip"], TinyViT(), batches(1, size=1))
    assert [score.status for score in scores.values()] == ["error", "error", "ok", "ok"]
    with pytest.raises(ProxyError, match="at least 2 images"):
        proxies.Probe(TinyViT(), batches(1, size=1)).gradient_moments()
