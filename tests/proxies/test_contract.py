"""What every proxy promises, whatever it computes."""

import ctypes
import gc
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import proxies
from proxies import ProxyError, registry
from proxies.probe import PASSES
from proxies.probe.layers import on_meta
from proxies.probe.memory import graph_bytes
from tests.proxies.networks import NETWORKS, TinyViT, batches

ALL = proxies.names()
EVERY_PROXY = pytest.mark.parametrize("name", ALL)
EVERY_NETWORK = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def values(names, network, data, seed=0):
    """Values of the scores; None where the network has nothing for a proxy to measure, attention for one."""
    scores = proxies.compute(names, network, data, seed=seed)
    failed = {name: (s.status, s.message) for name, s in scores.items() if s.status != "ok"}
    attention = "attention" in getattr(network, "roles", {}).values()
    assert {n: m for n, (status, m) in failed.items() if attention or status != "empty"} == {}
    return {name: score.value for name, score in scores.items()}


@EVERY_NETWORK
def test_finite_and_bit_equal_when_repeated(network):
    first = values(ALL, network(), batches())
    assert first == values(ALL, network(), batches())
    assert list(first) == ALL


@EVERY_NETWORK
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alone_equals_together_in_any_order(network, dtype):
    network, data = network().to(dtype), batches(dtype=dtype)
    together = values(ALL, network, data)
    assert {name: values([name], network, data)[name] for name in ALL} == together
    shuffled = random.Random(0).sample(ALL, len(ALL))
    assert values(shuffled, network, data) == together


@EVERY_NETWORK
def test_memory_changes_no_score(network):
    network, data = network().double(), batches(size=9, dtype=torch.float64)
    whole = values(ALL, network, data)
    parts = (
        (graph_bytes(on_meta(network), data[0][0][:4].to("meta")) + 1) * 1.5 / 2**30
    )  # four at a time, so that parts differ
    for memory_gib in (parts, 1e-9):
        scores = proxies.compute(ALL, network, data, memory_gib=memory_gib)
        found = {name: score.value for name, score in scores.items() if whole[name] is not None}
        assert found == pytest.approx({name: whole[name] for name in found}, rel=1e-7)


def test_memory_bounds_the_images_at_once():
    seen = []
    network = TinyViT()
    network.embed.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    data = batches(size=9)
    memory_gib = (graph_bytes(on_meta(network), data[0][0][:3].to("meta")) + 1) * 1.5 / 2**30
    seen.clear()
    proxies.compute(["snip"], network, data, memory_gib=memory_gib)
    assert seen == [9, 1, 2, 3, 3, 3]  # all, which is stopped; one image and two, to measure; the parts


class AllocatorState(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_ = [
        (field, ctypes.c_size_t)
        for field in (
            *("arena", "free_chunks", "fast_chunks", "mapped_chunks", "mapped"),
            *("unused", "fast_free", "allocated", "free", "top"),
        )
    ]


@EVERY_NETWORK
def test_no_memory_is_kept(network):
    """What a graph holds of itself no garbage collector of Python finds: the allocator is asked."""
    state = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if state is None:
        pytest.skip("only glibc says how much is allocated")
    state.restype = AllocatorState

    def allocated():
        gc.collect()
        found = state()
        return found.allocated + found.mapped

    network, data, rounds = network(), batches(), 4
    for _ in range(2):
        proxies.compute(ALL, network, data, memory_gib=1.0)
    before = allocated()
    for _ in range(rounds):
        proxies.compute(ALL, network, data, memory_gib=1.0)
    assert allocated() - before < rounds * graph_bytes(network, data[0][0][:1])


def test_no_pass_runs_again_only_to_be_priced():
    seen = []
    network = TinyViT()
    network.embed.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    scores = proxies.compute(["l_swag_batch", "snip", "zico"], network, batches(size=6))
    assert seen == [6, 6]  # the two batches; snip was the last to read the first one's gradients
    assert scores["zico"].seconds > scores["snip"].seconds


def snapshot(network):
    modules, parameters, state = list(network.modules()), list(network.parameters()), network.state_dict()
    tensors = [*state.values(), *(p.grad for p in parameters if p.grad is not None), torch.get_rng_state()]
    facts = (
        [tensor._version for tensor in state.values()],
        [(p.grad is None, p.requires_grad) for p in parameters],
        [(module.training, "forward" in vars(module)) for module in modules],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules],
        [backend.fp32_precision for backend in (torch.backends.cuda.matmul, torch.backends.cudnn.conv)],
        torch.is_grad_enabled(),
    )
    return [tensor.clone() for tensor in tensors], facts


@EVERY_NETWORK
@pytest.mark.parametrize("fails", [False, True], ids=["ok", "failing"])
def test_network_and_generators_are_left_as_they_were(network, fails):
    network = network().train()
    next(network.children()).eval()
    parameters = list(network.parameters())
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.ones_like(parameters[1])
    data = batches()
    kept = [images.clone() for images, _ in data]
    if fails:
        data = [(images, labels + 100) for images, labels in data]
    tensors, facts = snapshot(network)
    proxies.compute(ALL, network, data)
    tensors_after, facts_after = snapshot(network)
    assert facts_after == facts
    assert all(torch.equal(new, old) for new, old in zip(tensors_after, tensors, strict=True))
    assert all(torch.equal(images, old) for (images, _), old in zip(data, kept, strict=True))
    assert not any(images.requires_grad or images.grad is not None for images, _ in data)


def test_frozen_weights_grad_mode_and_autocast_do_not_matter():
    expected = values(ALL, TinyViT(), batches())
    frozen = TinyViT().requires_grad_(False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert values(ALL, frozen, batches()) == expected


@EVERY_NETWORK
@pytest.mark.parametrize(("size", "classes"), [(2, 4), (5, 3)])
def test_two_images_and_three_classes(network, size, classes):
    data = [(images, labels.clamp(max=size // 3)) for images, labels in batches(size=size)]
    values(ALL, network(classes=classes), data)


def test_double_precision():
    single = values(ALL, TinyViT(), batches(size=16))
    double = values(ALL, TinyViT().double(), batches(size=16, dtype=torch.float64))
    assert single == pytest.approx(double, rel=2e-2)


@EVERY_PROXY
def test_declared_passes_are_those_it_runs(name):
    probe = proxies.Probe(TinyViT(), batches())
    proxies.get(name).function(probe)
    declared = set(proxies.get(name).passes)
    read = {needed for pass_ in declared for needed in PASSES[pass_].needs}
    assert declared <= set(probe.outcomes) <= declared | read


@EVERY_PROXY
def test_declared_data_are_all_it_needs(name):
    proxy = proxies.get(name)
    full = batches(proxies.batches_needed([name]))
    assert proxies.compute([name], TinyViT(), full)[name].status == "ok"
    if proxy.data in ("none", "shape"):
        assert proxy.batches == 0
        assert values([name], TinyViT(), []) == values([name], TinyViT(), batches())
    elif proxy.data in ("noise", "images"):
        values([name], TinyViT(), [(images, None) for images, _ in full])
    else:
        score = proxies.compute([name], TinyViT(), [(images, None) for images, _ in full])[name]
        assert (score.value, score.status) == (None, "error")
        assert "labels" in score.message
    if proxy.batches:
        score = proxies.compute([name], TinyViT(), full[:-1])[name]
        assert score.status == "error"
        assert re.match(rf"This needs at least {proxy.batches} batch.*; got ", score.message)


@EVERY_PROXY
def test_documentation_is_complete(name):
    proxy = proxies.get(name)
    for part in ("Formula: ", "Range and direction: ", "higher is better", "Source: ", "Deviations: "):
        assert part in proxy.doc
    assert proxy.source
    assert proxy.principle in ("complexity", "trainability", "expressivity", "saliency", "chance")


def test_one_file_a_proxy_of_the_same_name():
    folder = Path(registry.__file__).parent
    files = [p.stem for f in registry._FOLDERS for p in (folder / f).glob("*.py") if p.stem != "__init__"]
    assert sorted(files) == ALL
    controls = [name for name in ALL if proxies.get(name).control]
    assert controls == ["depth", "macs", "params", "random", "width"]


def test_unknown_and_duplicate_names(monkeypatch):
    monkeypatch.setattr(registry, "_PROXIES", dict(registry._PROXIES))
    with pytest.raises(ProxyError, match=r"Unknown proxy 'snp'\. Did you mean 'snip'\?"):
        proxies.get("snp")
    with pytest.raises(ProxyError, match="Unknown proxy 'snp'"):
        proxies.compute(["params", "snp"], TinyViT(), batches())
    with pytest.raises(ProxyError, match="Unknown proxy 'qqqq'. Known: "):
        proxies.batches_needed(["qqqq"])
    with pytest.raises(ProxyError, match="'snip' is already registered"):
        proxies.proxy("snip", principle="chance", source="", data="none")(len)
    with pytest.raises(ProxyError, match="Unknown pass 'gradient'. Did you mean 'gradients'"):
        proxies.proxy("new", principle="chance", source="", data="none", passes=("gradient",))(len)
    with pytest.raises(ProxyError, match="expected one of none, shape, noise, images, labels"):
        proxies.proxy("new", principle="chance", source="", data="image")(len)


def test_batches_needed():
    assert [proxies.batches_needed(names) for names in ([], ["macs"], ["macs", "snip"], ["zico"])] == [
        0,
        0,
        1,
        2,
    ]


def test_package_is_importable_without_torch():
    code = "import sys; sys.modules['torch'] = None; import proxies; assert 'names' in proxies.__all__"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_passes_are_paid_once():
    scores = proxies.compute(["grad_norm", "snip", "params"], TinyViT(), batches())
    first, second = scores["grad_norm"], scores["snip"]
    assert first.marginal_seconds == first.seconds
    assert second.marginal_seconds < second.seconds
    assert scores["params"].seconds < first.seconds
    assert all(score.peak_bytes is None for score in scores.values())
