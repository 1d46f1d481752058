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
from proxies.probe import depth_percentile, loss, per_sample
from proxies.probe.activations import ActivationPatterns, agreement, distinct, pack
from proxies.probe.layers import weighted_layers
from proxies.probe.per_sample import Moments, SampleGradients, layers_within, moments_of
from proxies.probe.walk import Walk
from tests.proxies.networks import NETWORKS, TinyViT, batches, convolutional, draw, rectifier

DOUBLE = batches(dtype=torch.float64)


def value(name, network, data, seed=0):
    (score,) = proxies.compute([name], network, data, seed=seed).values()
    assert score.status == "ok", score
    return score.value


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


# Per-sample gradients


def looped_gradients(network, images, labels):
    """One backward pass for each sample: its gradients by the weighted layers, (samples, *weight)."""
    weights = [module.weight for module in weighted_layers(network).values()]
    found = [
        torch.autograd.grad(cross_entropy(network(image[None]), label[None]), weights)
        for image, label in zip(images, labels, strict=True)
    ]
    return [torch.stack(layer) for layer in zip(*found, strict=True)]


def collected(network, images, labels, at_once=None):
    everything = frozenset({"sum", "signs", "magnitudes", "moments"})
    collector = SampleGradients(layers_within(network, (0, 9)), len(images), everything)
    taken = Walk(network, images, labels, {"all": collector}, at_once)
    taken.run()
    assert taken.failures == {}
    return {statistic: collector.of(statistic) for statistic in everything}


@pytest.mark.parametrize("build", [*NETWORKS.values(), rectifier], ids=[*NETWORKS, "rectifier"])
@pytest.mark.parametrize("held", [40, 1 << 19], ids=["rows", "whole"])
@pytest.mark.parametrize("at_once", [None, 4, 1])
def test_statistics_of_per_sample_gradients_are_those_of_single_backward_passes(
    build, held, at_once, monkeypatch
):
    monkeypatch.setitem(per_sample._HELD, "cpu", held)
    network = build().double().eval()
    images, labels = DOUBLE[0]
    found = collected(network, images, labels, at_once)
    for index, each in enumerate(looped_gradients(network, images, labels)):
        magnitudes, moments = found["magnitudes"][index][1], found["moments"][index][1]
        for ours, theirs in (
            (found["sum"][index][1], each.mean(dim=0)),
            (found["signs"][index][1], each.sign().sum(dim=0)),
            (magnitudes.mean, each.abs().mean(dim=0)),
            (magnitudes.variance, each.abs().var(dim=0, correction=0)),
            (moments.mean, each.mean(dim=0)),
            (moments.variance, each.var(dim=0, correction=0)),
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-18)
        assert found["sum"][index][0].name == list(weighted_layers(network))[index]


def test_per_sample_variances_do_not_depend_on_the_batch_around():
    """Each sample's loss is its own: doubling every image keeps the variance."""
    images, labels = DOUBLE[0]
    once = collected(TinyViT().double(), images, labels)["magnitudes"]
    twice = collected(TinyViT().double(), images.repeat(2, 1, 1, 1), labels.repeat(2))["magnitudes"]
    for (_, first), (_, second) in zip(once, twice, strict=True):
        torch.testing.assert_close(first.variance, second.variance, rtol=1e-9, atol=1e-20)


def test_with_batch_norm_in_training_mode_a_sample_is_a_batch_of_its_own():
    network, (images, labels) = convolutional().double().train(), DOUBLE[0]
    for (_, moments), each in zip(
        Probe(network, DOUBLE).gradient_moments(),
        looped_gradients(convolutional().double().train(), images, labels),
        strict=True,
    ):
        torch.testing.assert_close(moments.variance, each.var(dim=0, correction=0), rtol=1e-9, atol=1e-20)


def test_gradients_are_those_of_the_batch_also_with_batch_norm_in_training_mode():
    network, (images, labels) = convolutional().double().train(), DOUBLE[0]
    weights = [module.weight for module in weighted_layers(network).values()]
    expected = torch.autograd.grad(cross_entropy(network(images), labels), weights)
    found = Probe(convolutional().double().train(), DOUBLE).gradients()
    for (_, ours), theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-15)


def test_per_sample_variance_of_nearly_equal_gradients_keeps_its_digits():
    images = torch.ones(4, 3, 8, 8, dtype=torch.float64)
    images += 1e-9 * torch.arange(4.0, dtype=torch.float64)[:, None, None, None]
    labels = torch.zeros(4, dtype=torch.int64)
    network = rectifier().double()
    found = collected(network, images, labels)["magnitudes"]
    for (_, moments), each in zip(found, looped_gradients(network, images, labels), strict=True):
        assert (moments.variance >= 0).all()
        by_loop = each.abs().var(dim=0, correction=0)
        torch.testing.assert_close(moments.variance, by_loop, rtol=1e-4, atol=1e-30)


def test_gradients_of_shared_padded_and_windowed_layers():
    layer = nn.Linear(192, 192)
    shared = nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer)
    padded = nn.Sequential(nn.Conv2d(3, 4, 4, padding="same"), nn.Flatten(), nn.Linear(256, 4))
    circular = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=2, padding_mode="circular"), nn.Flatten(), nn.Linear(400, 4)
    )
    images, labels = DOUBLE[0]
    for network in (shared, padded, circular):
        network = draw(network, 0).double()
        found = collected(network, images, labels)["moments"]
        for (_, moments), each in zip(found, looped_gradients(network, images, labels), strict=True):
            torch.testing.assert_close(moments.mean, each.mean(dim=0), rtol=1e-9, atol=1e-15)
            torch.testing.assert_close(moments.variance, each.var(dim=0, correction=0), rtol=1e-9, atol=1e-15)


def test_layers_that_do_not_see_the_batch_have_a_sum_and_no_spread():
    windows = nn.Sequential(
        nn.Flatten(2), nn.Flatten(0, 1), nn.Linear(64, 8), nn.Unflatten(0, (-1, 3)), nn.Flatten()
    )
    network, (images, labels) = draw(windows, 0).double(), DOUBLE[0]
    (expected,) = torch.autograd.grad(cross_entropy(network(images), labels), [network[2].weight])
    ((_, found),) = Probe(network, DOUBLE).gradients()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)
    with pytest.raises(ProxyError, match="Layer '2' was given 18 rows for 6 images"):
        Probe(network, DOUBLE).gradient_moments()


def test_an_input_overwritten_in_place_is_noticed():
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(192, 8), nn.Linear(8, 4)

        def forward(self, images):
            hidden = self.first(images.flatten(1)).detach().requires_grad_() * 1 + images.mean()
            logits = self.second(hidden)
            hidden.detach().mul_(2)
            return logits

    with pytest.raises(ProxyError, match="'second' was overwritten in place"):
        Probe(Overwriting(), batches()).gradients()


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


def test_l_swag_batch_over_batches_of_one_image_is_l_swag():
    (images, labels) = DOUBLE[0]
    singles = list(zip(images.split(1), labels.split(1), strict=True))
    by_sample = lambda_of(TinyViT().double(), DOUBLE)
    by_batch = value("l_swag_batch", TinyViT().double(), singles)
    psi = value("l_swag_psi", TinyViT().double(), singles)
    assert by_batch == pytest.approx(by_sample * psi, rel=1e-9)


# Activation patterns


def patterns(active, cut=None):
    halves = active.split(cut or active.shape[1], dim=1)
    rows = -(-len(active) // 8)
    return [
        ActivationPatterns(
            str(i), i, len(active), pack(half, torch.zeros(rows, half.shape[1], dtype=torch.uint8))
        )
        for i, half in enumerate(halves)
    ]


@pytest.mark.parametrize("samples", [1, 5, 8, 9, 16, 17, 63, 64, 65, 130])
def test_packed_patterns_count_and_agree_as_unpacked_ones(samples):
    generator = torch.Generator().manual_seed(samples)
    active = torch.randn(samples, 300, generator=generator) > 0
    active = torch.cat((active, active[:, :40]), dim=1)  # some patterns twice
    found = patterns(active, cut=100)
    assert distinct(found) == active.unique(dim=1).shape[1]
    assert distinct(found[:2]) == active[:, :200].unique(dim=1).shape[1]
    on = active.double()
    assert torch.equal(agreement(found), on @ on.T + (1 - on) @ (1 - on).T)


@pytest.mark.parametrize("first", [1, 3, 8, 11])
def test_patterns_are_the_same_whatever_the_parts(first):
    active = torch.randn(19, 30, generator=torch.Generator().manual_seed(first)) > 0
    packed = torch.zeros(3, 30, dtype=torch.uint8)
    for start, part in ((0, active[:first]), (first, active[first:])):
        pack(part, packed, start)
    assert torch.equal(packed, patterns(active)[0].packed)


def test_psi_is_bounded_and_grows_with_the_interval():
    data = batches(size=3)
    assert [pattern.layers for pattern in Probe(TinyViT(), data).activations()] == [4, 8]
    # Layers 0 to 9, one in each tenth: the activations stand behind the fourth and the eighth.
    counts = [value(f"l_swag_psi[interval=0-{last}]", TinyViT(), data) for last in (3, 6, 7, 9)]
    assert counts[0] == counts[1] <= counts[2] == counts[3] == value("swap", TinyViT(), data) <= 2**3
    score = proxies.compute(["l_swag_psi[interval=0-2]"], TinyViT(), data)["l_swag_psi[interval=0-2]"]
    assert (score.status, score.message) == ("empty", "No activation stands in tenths 0 to 2 of the depth.")


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_so_few_images_have_no_more_patterns_than_there_are(samples):
    assert 1 < value("swap", TinyViT(), batches(size=samples)) <= 2**samples


def test_nwot_keeps_under_a_permuted_batch():
    images, labels = batches(size=8)[0]
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    first = value("nwot", TinyViT(), [(images, labels)])
    assert value("nwot", TinyViT(), [(images[order], labels)]) == pytest.approx(first, rel=1e-12)


def test_nwot_is_the_log_determinant():
    kernel = agreement(Probe(TinyViT(), batches(size=8)).activations())
    assert value("nwot", TinyViT(), batches(size=8)) == pytest.approx(torch.linalg.slogdet(kernel)[1].item())
    assert kernel.diagonal().tolist() == [2 * 5 * 32] * 8


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
