"""What each proxy must equal, or keep, by its own definition."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import proxies
from proxies import Probe, ProxyError
from proxies.gradient_based.l_swag_lambda import lambda_statistic
from proxies.probe import depth_percentile, loss
from proxies.probe.layers import weighted_layers
from proxies.probe.per_sample import Moments, moments_of
from tests.proxies.networks import NETWORKS, TinyViT, batches, convolutional, draw, rectifier

DOUBLE = batches(dtype=torch.float64)


def value(name, network, data, seed=0):
    (score,) = proxies.compute([name], network, data, seed=seed).values()
    assert score.status == "ok", score
    return score.value


def looped_gradients(network, images, labels):
    """One backward pass for each sample: its gradients by the weighted layers, (samples, *weight)."""
    weights = [module.weight for module in weighted_layers(network).values()]
    found = [
        torch.autograd.grad(cross_entropy(network(image[None]), label[None]), weights)
        for image, label in zip(images, labels, strict=True)
    ]
    return [torch.stack(layer) for layer in zip(*found, strict=True)]


# Baselines


def test_params_depth_and_width():
    network = rectifier(bias=True)
    assert value("params", network, []) == 3 * 9 * 6 + 6 + 384 * 12 + 12 + 12 * 4 + 4
    assert (value("depth", network, []), value("width", network, [])) == (3, 12)
    assert (value("depth", TinyViT(), []), value("width", TinyViT(width=24), [])) == (4 * 2 + 2, 24)


def test_width_reads_the_layer_of_the_role_head():
    network = nn.ModuleDict({"head": nn.Linear(7, 2), "later": nn.Linear(9, 2)})
    assert value("width", network, []) == 9
    network.roles = {"head": "head", "later": "mlp"}
    assert value("width", network, []) == 7


def test_macs_of_networks_counted_by_hand():
    assert value("macs", rectifier(), batches()) == 64 * 27 * 6 + 384 * 12 + 12 * 4
    block = 5 * 16 * (3 * 16 + 16 + 2 * 32) + 2 * 5 * 5 * 16
    assert value("macs", TinyViT(), []) == 4 * 48 * 16 + 2 * block + 16 * 4
    grouped = 16 * 27 * 8 + 4 * 4 * 18 * 8 + 32 * 4
    assert value("macs", convolutional(), batches()) == grouped


def test_random_depends_on_the_seed_alone():
    draws = [value("random", TinyViT(), [], seed=seed) for seed in range(200)]
    assert draws == [value("random", rectifier(), DOUBLE[:0], seed=seed) for seed in range(200)]
    assert min(draws) >= 0 and max(draws) < 1 and len(set(draws)) == 200
    assert abs(sum(draws) / 200 - 0.5) < 0.1


# Gradients


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_snip_is_the_gradient_of_a_mask(build):
    network = build().double()
    weights = {f"{name}.weight": module.weight.detach() for name, module in weighted_layers(network).items()}
    masks = {name: torch.ones_like(weight, requires_grad=True) for name, weight in weights.items()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    masked = {name: weight * masks[name] for name, weight in weights.items()}
    images, labels = DOUBLE[0]
    cross_entropy(functional_call(network, {**masked, **buffers}, (images,)), labels).backward()
    expected = sum(mask.grad.abs().sum().item() for mask in masks.values())
    assert value("snip", network, DOUBLE) == pytest.approx(expected, rel=1e-12)


def test_snip_of_zeroed_weights_is_zero():
    network = rectifier()
    with torch.no_grad():
        network[3].weight.zero_()
    assert value("snip", network, batches()) == 0


def lambda_of(network, data):
    return value("l_swag_lambda", network, data)


def test_under_a_loss_three_times_as_large(monkeypatch):
    names = ("grad_norm", "snip", "zico", "gradsign")
    before = {name: value(name, TinyViT().double(), DOUBLE) for name in names}
    before_lambda = lambda_of(TinyViT().double(), DOUBLE)

    def thrice(outputs, labels):
        return 3 * cross_entropy(outputs, labels, reduction="sum")

    monkeypatch.setitem(loss._LOSSES, "cross_entropy", thrice)
    after = {name: value(name, TinyViT().double(), DOUBLE) for name in before}
    assert after["grad_norm"] == pytest.approx(3 * before["grad_norm"], rel=1e-12)
    assert after["snip"] == pytest.approx(3 * before["snip"], rel=1e-12)
    assert after["zico"] == pytest.approx(before["zico"], rel=1e-9)
    assert after["gradsign"] == before["gradsign"]
    layers = value("depth", TinyViT(), [])
    assert lambda_of(TinyViT().double(), DOUBLE) == pytest.approx(
        before_lambda - layers * math.log(3), rel=1e-9
    )


def test_zico_of_a_written_out_case():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2, bias=False)).double()
    with torch.no_grad():
        network[1].weight.zero_()
    # Logits of zero: the loss's gradient is -x / 2 by the weights of the first class, x / 2 by the other's.
    data = [(torch.zeros(1, 3, 8, 8, dtype=torch.float64), torch.tensor([0])) for _ in range(2)]
    for (images, _), pixels in zip(data, ((2.0, 2.0, 10.0), (-6.0, 6.0, 10.0)), strict=True):
        images[0, 0, 0, :3] = torch.tensor(pixels)
    # |g| is 2 on average at the first two pixels; g spreads by 2 at the first, by 1 at the second, and not at
    # all at the others, which are dropped. Two classes have the same.
    assert value("zico", network, data) == pytest.approx(math.log(2 * (2 / 2 + 2 / 1)), abs=1e-15)


# L-SWAG


def with_variances(*layers):
    moments = [Moments(torch.full((len(v),), 3.0).double(), torch.tensor(v).double()) for v in layers]
    return list(enumerate([one] for one in moments))


def test_lambda_of_a_written_out_case():
    first, second = [4.0, 0.0, 1.0], [0.25]
    assert lambda_statistic(with_variances(first, second), 2) == pytest.approx(
        math.log(0.5 + 1) + math.log(2)
    )
    assert lambda_statistic(with_variances(first, [0.0]), 2) == pytest.approx(math.log(1.5))
    assert lambda_statistic(with_variances(first), 2, mean=True) == pytest.approx(math.log(3 * 1.5))
    assert math.isnan(lambda_statistic(with_variances([1.0, math.nan]), 2))
    with pytest.raises(ProxyError, match="tenths 0 to 9"):
        lambda_statistic(with_variances([0.0]), 2)


def test_lambda_of_an_interval():
    layers = with_variances(
        *(torch.rand(5, generator=torch.Generator().manual_seed(i)).tolist() for i in range(50))
    )
    parts = [lambda_statistic(layers, 50, interval=tenths) for tenths in ((0, 2), (3, 3), (4, 9))]
    assert sum(parts) == pytest.approx(lambda_statistic(layers, 50))
    assert parts[1] == pytest.approx(lambda_statistic(layers[15:20], 50))


@pytest.mark.parametrize("proxy", ["l_swag_lambda", "l_swag_lambda_batch"])
def test_lambda_adds_up_over_intervals_that_are_walked_alone(proxy):
    whole = value(proxy, TinyViT().double(), DOUBLE)
    parts = [value(f"{proxy}[interval={t}]", TinyViT().double(), DOUBLE) for t in ("0-3", "4-6", "7-9")]
    assert sum(parts) == pytest.approx(whole, rel=1e-9)


def test_an_interval_is_not_walked_below_its_first_layer():
    """Going back stops at the interval: layers before it see no gradient."""
    network, reached = TinyViT(), []

    def watch(name):
        def hook(module, inputs, output):
            if output.requires_grad:
                output.register_hook(lambda gradient: reached.append(name))

        return hook

    hooks = [module.register_forward_hook(watch(n)) for n, module in weighted_layers(network).items()]
    value("l_swag_batch[interval=6-9]", network, batches())
    for hook in hooks:
        hook.remove()
    layers = list(weighted_layers(network))
    assert sorted(set(reached)) == sorted(n for i, n in enumerate(layers) if depth_percentile(i, 10) >= 6)


@pytest.mark.parametrize("name", ["zico", "l_swag_lambda_batch"])
def test_a_variance_over_more_batches_spreads_less_from_seed_to_seed(name):
    """Two batches make a poor variance; sixty-four make one that hardly moves with their draw."""

    def spread(number):
        found = [value(name, rectifier(), batches(number, seed=seed)) for seed in range(8)]
        return torch.tensor(found).std().item()

    assert spread(64) < spread(2) / 2


@pytest.mark.parametrize("depth", [10, 12, 48, 50, 58])
def test_depth_percentiles_are_ten_equal_bins(depth):
    bins = [depth_percentile(index, depth) for index in range(depth)]
    counts = [bins.count(tenth) for tenth in range(10)]
    assert bins == sorted(bins) and sum(counts) == depth
    assert max(counts) - min(counts) <= 1


def test_l_swag_is_lambda_times_psi():
    network, (images, labels) = TinyViT().double(), DOUBLE[0]
    inputs = []
    for block in network.blocks:
        block.act.register_forward_hook(
            lambda module, arguments, output: inputs.append(output.flatten(1) > 0)
        )
    network(images)
    for block in network.blocks:
        block.act._forward_hooks.clear()
    psi = len(torch.cat(inputs, dim=1).unique(dim=1).T)
    each = looped_gradients(network, images, labels)
    expected = sum(layer.abs().std(dim=0, correction=0).pow(-1).sum().log().item() for layer in each) * psi
    assert value("l_swag", network, DOUBLE) == pytest.approx(expected, rel=1e-9)


def test_lambda_over_batches_of_one_image_is_lambda_over_samples():
    (images, labels) = DOUBLE[0]
    singles = list(zip(images.split(1), labels.split(1), strict=True))
    by_sample = lambda_of(TinyViT().double(), DOUBLE)
    by_batch = value("l_swag_lambda_batch", TinyViT().double(), singles)
    assert by_batch == pytest.approx(by_sample, rel=1e-9)


# SynFlow


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_synflow_keeps_when_signs_flip(build):
    network = build()
    first = value("synflow", network, batches())
    with torch.no_grad():
        for parameter, sign in zip(network.parameters(), itertools.cycle((-1, 1)), strict=False):
            parameter *= sign
    assert value("synflow", network, batches()) == first


def test_synflow_layers_of_a_rectifier_without_biases_each_sum_to_the_logits():
    network = rectifier()
    sums = [(layer.weight * g).sum().item() for layer, g in Probe(network, batches()).data_free()]
    magnitudes = {name: weight.double().abs() for name, weight in network.state_dict().items()}
    logits = functional_call(network.double(), magnitudes, (torch.ones(1, 3, 8, 8, dtype=torch.float64),))
    assert sums == pytest.approx([logits.sum().item()] * 3, rel=1e-12)
    assert value("synflow", rectifier(), batches()) == pytest.approx(3 * logits.sum().item(), rel=1e-12)


def test_synflow_bypasses_batch_norm():
    bare = nn.Sequential(*(nn.Identity() if isinstance(m, nn.BatchNorm2d) else m for m in convolutional()))
    assert value("synflow", convolutional(), batches()) == value("synflow", bare, batches())


def test_architectures_of_other_weights_get_other_scores():
    names = [name for name in proxies.names() if not proxies.get(name).control]
    first, second = (proxies.compute(names, draw(TinyViT(), seed), batches(size=16)) for seed in (0, 1))
    same = {name for name in names if first[name].value == second[name].value}
    # Counts may be the same.
    assert {name for name in same if first[name].value != int(first[name].value)} == set()


def test_moments_of_two_batches_are_those_of_any_number():
    two = [torch.tensor([[1.0, -3.0, math.inf]]), torch.tensor([[2.0, 1.0, 1.0]])]
    (found,) = moments_of(two, magnitudes=True)
    (twice,) = moments_of(two * 2, magnitudes=True)
    assert found.mean[0, :2].tolist() == twice.mean[0, :2].tolist() == [1.5, 2.0]
    assert found.variance[0, :2].tolist() == twice.variance[0, :2].tolist() == [0.25, 1.0]
    assert found.variance[0, 2].isnan() and twice.variance[0, 2].isnan()  # a score of it fails
