"""Proxies of the weights alone, of the |weight| network, and of noise through Gaussian weights."""

import copy
import itertools
import math
import re

import pytest
import torch
from torch import nn

import proxies
import spaces
from proxies import Probe, ProxyError
from proxies.gradient_free.zen import zen_statistic
from proxies.probe.gaussian import gaussian_weights
from proxies.probe.layers import weighted_layers
from proxies.probe.nuclear_norms import nuclear_norm
from tests.proxies import oracle
from tests.proxies.networks import IMAGE, NETWORKS, TinyViT, batches, convolutional, draw, rectifier

EVERY_NETWORK = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


def score(name, network, data=(), seed=0):
    return proxies.compute([name], network, data, seed=seed)[name]


def value(name, network, data=(), seed=0):
    found = score(name, network, data, seed)
    assert found.status == "ok", found
    return found.value


# Weights alone


@EVERY_NETWORK
def test_l2_norm_sums_the_norms_of_convolutions_and_linear_layers(build):
    network = build()
    squares = [
        sum(number**2 for number in parameter.flatten().tolist())
        for name, parameter in network.named_parameters()
        if parameter.ndim in (2, 4) and "norm" not in name
    ]
    assert value("l2_norm", network) == pytest.approx(sum(map(math.sqrt, squares)), rel=1e-12)


def test_l2_norm_is_proportional_to_the_weights_and_blind_to_biases():
    network = TinyViT().double()
    once = value("l2_norm", network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 3 if parameter.ndim > 1 else 100
    assert value("l2_norm", network) == pytest.approx(3 * once, rel=1e-14)


# The |weight| network


def magnitudes_and_gradients(network):
    """By ordinary means: a copy with its weights overwritten, one image of ones, one backward pass."""
    ordinary = copy.deepcopy(network).double()
    for name, module in list(ordinary.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent, _, child = name.rpartition(".")
            setattr(ordinary.get_submodule(parent), child, nn.Identity())
    with torch.no_grad():
        for tensor in ordinary.state_dict().values():
            tensor.copy_(tensor.abs())
    ordinary(torch.ones(1, *IMAGE, dtype=torch.float64)).sum().backward()
    return {name: (m.weight.detach(), m.weight.grad) for name, m in weighted_layers(ordinary).items()}


@EVERY_NETWORK
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_data_free_gradients_are_those_of_a_network_overwritten(build, dtype):
    network = build().to(dtype)
    expected = magnitudes_and_gradients(network)
    found = Probe(network, batches(dtype=dtype)).data_free()
    assert [layer.name for layer, _ in found] == list(expected)
    for layer, gradient in found:
        weight, by_backward = expected[layer.name]
        assert torch.equal(layer.weight, weight) and gradient.dtype == torch.float64
        torch.testing.assert_close(gradient, by_backward, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_data_free_lends_buffers_that_the_state_dict_leaves_out(dtype):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(192, 2)
            self.register_buffer("offset", torch.full((192,), -2.0), persistent=False)

        def forward(self, images):
            self.offset.sub_(1)
            return self.head(images.flatten(1) + self.offset)

    network = Counting().to(dtype)
    ((_, gradient),) = Probe(network, batches(dtype=dtype)).data_free()
    assert gradient.unique().tolist() == [1 - 3]  # the offset has kept its sign, and went down once
    assert network.offset.unique().tolist() == [-2]


def test_dss_of_the_formula():
    network = TinyViT()
    expected = 0.0
    for name, (weight, gradient) in magnitudes_and_gradients(network).items():
        if name.endswith(("qkv", "proj")):
            norms = [torch.linalg.matrix_norm(matrix, "nuc").item() for matrix in (weight, gradient)]
            expected += norms[0] * norms[1]
        elif name != "embed":
            expected += (weight * gradient).abs().sum().item()
    assert value("dss", network) == pytest.approx(expected, rel=1e-9)


def test_auto_prox_of_the_formula():
    network = TinyViT()
    expected = 0.0
    for name, (_, gradient) in magnitudes_and_gradients(network).items():
        if name.endswith(("qkv", "proj")):
            expected += gradient.abs().sum().item()
        elif name != "embed":
            expected += (1 / (1 + (-gradient).exp())).mean().item()
    assert value("auto_prox", network) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["dss", "auto_prox"])
def test_signs_of_weights_do_not_matter_and_their_size_does(name):
    network = TinyViT()
    first = value(name, network)
    with torch.no_grad():
        for parameter, sign in zip(network.parameters(), itertools.cycle((-1, 1)), strict=False):
            parameter *= sign
    assert value(name, network) == first
    with torch.no_grad():
        network.blocks[0].qkv.weight *= 2
    assert value(name, network) != pytest.approx(first, rel=1e-3)


@pytest.mark.parametrize("name", ["dss", "auto_prox"])
def test_networks_that_name_no_attention_are_not_scored(name):
    nameless = TinyViT()
    del nameless.roles
    unattentive = TinyViT()
    unattentive.roles = {module: role for module, role in unattentive.roles.items() if role != "attention"}
    for network in (nameless, unattentive, convolutional()):
        found = score(name, network, batches())
        assert (found.value, found.status) == (None, "empty")
        assert found.message == "This needs attention layers; the network names none in its roles."


def test_weights_that_are_no_numbers_are_no_score():
    network = TinyViT()
    with torch.no_grad():
        network.blocks[1].proj.weight[0, 0] = math.nan
    assert [score(name, network).status for name in ("dss", "auto_prox", "l2_norm")] == ["nan"] * 3


# Nuclear norms


def matrix(rows, columns, values, seed=0):
    """A matrix of these singular values, zeros after them."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (
        torch.linalg.qr(torch.randn(side, len(values), generator=generator).double()).Q
        for side in (rows, columns)
    )
    return left * torch.as_tensor(values, dtype=torch.float64) @ right.T


SPECTRA = {
    "equal": [2.0] * 150,
    "one and noise": [1.0] + [1e-9] * 149,
    "slow": [1 / (k + 1) for k in range(150)],
    "fast": [0.5**k for k in range(150)],
    "two steps": [1.0] * 90 + [1e-7] * 60,
    "rank three": [3.0, 2.0, 1.0],
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("low_rank", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(300, 150), (150, 300), (150, 150)])
def test_nuclear_norms_are_sums_of_singular_values(spectrum, low_rank, rows, columns):
    values = SPECTRA[spectrum]
    found = nuclear_norm(matrix(rows, columns, values), low_rank=low_rank)
    assert found == pytest.approx(sum(values), rel=1e-6)


def decomposed(monkeypatch, *arguments, **keywords):
    """The shapes of which the singular values were computed."""
    shapes = []

    def singular(matrix):
        shapes.append(tuple(matrix.shape))
        return original(matrix)

    original = torch.linalg.svdvals
    monkeypatch.setattr(torch.linalg, "svdvals", singular)
    nuclear_norm(*arguments, **keywords)
    return shapes


def test_nuclear_norms_take_the_short_way_only_where_it_is_exact(monkeypatch):
    full, low = matrix(300, 150, SPECTRA["slow"]), matrix(300, 150, SPECTRA["fast"])
    assert decomposed(monkeypatch, full) == []
    assert decomposed(monkeypatch, low) == [(300, 150)]
    assert decomposed(monkeypatch, low.T, low_rank=True) == [(300, 96)]
    assert decomposed(monkeypatch, full, low_rank=True) == [(300, 96), (300, 150)]


def test_nuclear_norms_of_zero_and_of_what_is_not_finite():
    zero = torch.zeros(5, 3, dtype=torch.float64)
    for low_rank in (False, True):
        assert nuclear_norm(zero, low_rank=low_rank) == 0
        assert math.isnan(nuclear_norm(zero + math.nan, low_rank=low_rank))
        assert nuclear_norm(zero - math.inf, low_rank=low_rank) == math.inf


def test_nuclear_norms_of_a_real_network_are_exact():
    """The gradients of an image of ones, of which one singular value makes up nearly all."""
    space = spaces.get("autoformer-tiny")
    network = space.build(space.sample(1, seed=0)[0], seed=0, image_size=64)
    for layer, gradient in Probe(network).data_free():
        if layer.name.endswith(("qkv", "attn.proj")):
            for found, tensor in (
                (nuclear_norm(gradient, low_rank=True), gradient),
                (nuclear_norm(layer.weight), layer.weight),
            ):
                assert found == pytest.approx(torch.linalg.svdvals(tensor).sum().item(), rel=1e-8)


# Zen


def zen_of(network, images, noise, module, pooled):
    """By ordinary means: a copy that is called twice."""
    copied = copy.deepcopy(network)
    seen = []
    if pooled:
        copied.get_submodule(module).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    else:
        copied.get_submodule(module).register_forward_hook(lambda _, inputs, output: seen.append(output))
    copied(images)
    copied(images + 0.01 * noise)
    first, second = seen
    zen = math.log(sum((a - b).abs().sum().item() for a, b in zip(first, second, strict=True)) / len(images))
    norms = [m for m in copied.modules() if isinstance(m, nn.BatchNorm2d)]
    return zen + sum(math.log(norm.running_var.mean().sqrt().item()) for norm in norms)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("build", "module", "pooled"),
    [
        (TinyViT, "norm", False),
        (TinyViT, "head", True),
        (convolutional, "5", False),
        (convolutional, "9", True),
    ],
)
def test_zen_of_the_formula(build, module, pooled, train):
    network = build().double().train(train)
    (images, _), (noise, _) = batches(dtype=torch.float64)
    expected = zen_of(network, images, noise, module, pooled)
    found = zen_statistic(network, {}, images, noise, pooled)
    assert found == pytest.approx(expected, rel=1e-12)


@EVERY_NETWORK
@pytest.mark.parametrize("option", ["", "[pooled=true]"])
def test_zen_draws_weights_images_and_shift(build, option):
    network, data = build().double(), batches(dtype=torch.float64)
    draws = Probe(network, data, seed=3).generator("zen")
    copied = copy.deepcopy(network)
    copied.load_state_dict(gaussian_weights(network, draws), strict=False)
    images, noise = (torch.randn(data[0][0].shape, generator=draws).double() for _ in range(2))
    place = {TinyViT: ("norm", "head"), convolutional: ("5", "9")}[build][bool(option)]
    expected = zen_of(copied, images, noise, place, bool(option))
    assert value(f"zen{option}", network, data, seed=3) == pytest.approx(expected, rel=1e-12)


@EVERY_NETWORK
def test_gaussian_weights_are_standard_normal_and_all_else_is_as_said(build):
    network = build()
    drawn = gaussian_weights(network, torch.Generator().manual_seed(0))
    weights = {f"{name}.weight" for name in weighted_layers(network)}
    pooled = torch.cat([drawn[name].flatten() for name in weights])
    assert abs(pooled.mean()) < 4 / len(pooled) ** 0.5 and abs(pooled.std() - 1) < 4 / len(pooled) ** 0.5
    for name, parameter in network.named_parameters():
        if name == "token" or "norm" in name:
            assert name not in drawn
        else:
            assert drawn[name].shape == parameter.shape and drawn[name].dtype == parameter.dtype
            if name not in weights:
                assert drawn[name].unique().tolist() == [0.0 if name.endswith("bias") else 1.0]


def test_gaussian_draws_do_not_depend_on_the_dtype_and_do_on_the_seed():
    draws = [
        gaussian_weights(network, torch.Generator().manual_seed(seed))["head.weight"].double()
        for network, seed in ((TinyViT(), 0), (TinyViT().double(), 0), (TinyViT(), 1))
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_zen_sees_neither_the_pixels_nor_the_weights():
    first = value("zen", TinyViT(), batches(seed=1))
    assert value("zen", TinyViT(), batches(seed=2)) == first
    other = TinyViT()
    with torch.no_grad():
        for module in weighted_layers(other).values():
            module.weight.fill_(7.0)
            module.bias.fill_(7.0)
    assert value("zen", other, batches(seed=1)) == first
    assert value("zen", TinyViT(), batches(seed=1), seed=1) != first


def test_zen_at_the_given_weights():
    network, data = TinyViT(), batches()
    draws = Probe(network, data).generator("zen")
    images, noise = (torch.randn(data[0][0].shape, generator=draws) for _ in range(2))
    assert value("zen[redraw=false]", network, data) == zen_statistic(network, {}, images, noise)
    assert value("zen[redraw=false]", draw(TinyViT(), 1), data) != value("zen[redraw=false]", network, data)


def test_zen_averages_over_repeats():
    network, data = TinyViT(), batches()
    draws = Probe(network, data).generator("zen")
    scores = []
    for _ in range(3):
        state = gaussian_weights(network, draws)
        images, noise = (torch.randn(data[0][0].shape, generator=draws) for _ in range(2))
        scores.append(zen_statistic(network, state, images, noise))
    assert len(set(scores)) == 3
    assert value("zen[repeats=3]", network, data) == pytest.approx(sum(scores) / 3, rel=1e-12)
    found = score("zen[repeats=0]", network, data)
    assert found.message == "zen averages over repeats = 0 draws; expected at least 1."


def test_zen_needs_the_network_to_name_its_features():
    network = TinyViT()
    del network.feature_map
    found = score("zen", network, batches())
    assert (found.status, "feature_map" in found.message) == ("empty", True)
    assert score("zen[pooled=true]", network, batches()).status == "ok"
    network.roles, network.feature_map = {}, "norm"
    found = score("zen[pooled=true]", network, batches())
    assert (found.status, "role head" in found.message) == ("empty", True)
    assert score("zen", network, batches()).status == "ok"
    network.feature_map = "nrom"
    found = score("zen", network, batches())
    assert (found.status, "'nrom'" in found.message) == ("error", True)


def test_features_met_more_than_once_or_not_by_image_are_refused():
    twice = draw(nn.Sequential(nn.Conv2d(3, 3, 1), act := nn.ReLU(), nn.Conv2d(3, 3, 1), act), 0)
    folded = nn.Sequential(nn.Flatten(0, 1), nn.Flatten(), nn.Linear(64, 3))
    (images, _), (noise, _) = batches()
    for network, shapes in ((twice, [(6, 3, 8, 8)] * 4), (folded, [(18, 64)] * 2)):
        network.feature_map = "1"
        with pytest.raises(ProxyError, match=re.escape(f"passes over 6 images are {shapes}; expected one")):
            zen_statistic(network, {}, images, noise)


def test_features_that_do_not_move_are_no_score():
    network = rectifier()
    network.feature_map = "4"
    images = batches()[0][0]
    assert zen_statistic(network, {}, images, torch.zeros_like(images)) == -math.inf


def test_vision_transformers_name_what_they_pool():
    space = spaces.get("autoformer-tiny")
    network = space.build(space.sample(1, seed=0)[0], seed=0, image_size=32)
    seen = {}
    network.get_submodule(network.feature_map).register_forward_hook(
        lambda _, inputs, output: seen.update(map=output)
    )
    network.head.register_forward_pre_hook(lambda _, inputs: seen.update(pooled=inputs[0]))
    network(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert seen["map"].shape == (2, 5, network.head.in_features)
    torch.testing.assert_close(seen["map"][:, 1:].mean(dim=1), seen["pooled"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("networks", "record", "pooled"),
    [
        ("vit_small", "autoprox/zen/given(no_reinit,randn->images,noise)", True),
        ("cnn_nb201", "naslib/zen/given(no_reinit,randn->images,noise)", False),
    ],
)
def test_zen_is_that_of_the_authors_code(networks, record, pooled, dtype):
    theirs = oracle.records(networks)[f"{networks}/{record}"]
    data = oracle.batch_of(networks)
    for architecture in oracle.NETWORKS[networks]:
        network = oracle.network_of(networks, architecture).to(dtype)
        images, noise = (data[key].to(dtype) for key in ("images", "noise"))
        expected = theirs[f"{architecture}@float64" if dtype == torch.float64 else architecture]
        tolerance = 1e-9 if dtype == torch.float64 else 1e-5
        assert zen_statistic(network, {}, images, noise, pooled) == pytest.approx(expected, rel=tolerance), (
            architecture
        )


def test_synaptic_parts_add_up_to_dss_but_for_the_head():
    network = TinyViT().double()
    parts = proxies.compute(["dss", "synaptic_diversity", "synaptic_saliency"], network, [])
    dss, diversity, saliency = (score.value for score in parts.values())
    head = sum(
        (layer.weight * gradient).abs().sum().item()
        for layer, gradient in proxies.Probe(network).data_free()
        if layer.name == "head"
    )
    assert diversity + saliency + head == pytest.approx(dss, rel=1e-9)
    assert min(diversity, saliency, head) > 0
