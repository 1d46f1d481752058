"""The walk: what collectors do to one another, to the graph, and to the network, which is nothing."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import proxies
from proxies.probe import PASSES, Probe
from proxies.probe.layers import samples_are_coupled
from proxies.probe.memory import graph_bytes
from proxies.probe.per_sample import SampleGradients, layers_within
from proxies.probe.walk import Walk
from tests.proxies.networks import NETWORKS, TinyViT, batches, draw

DOUBLE = batches(dtype=torch.float64)
ATTENTION = {name for name in proxies.names() if proxies.get(name).needs == "attention"}


def plain(inplace):
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=inplace)]
    for _ in range(8):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=inplace)]
    network = draw(nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 4)), 0).double()
    network.stages, network.feature_map = ["0", "6", "12"], "16"
    return network


def values(names, network, data=DOUBLE, **options):
    scores = proxies.compute(names, network, data, **options)
    assert {name: s.message for name, s in scores.items() if s.status != "ok"} == {}
    return {name: score.value for name, score in scores.items()}


@pytest.mark.parametrize("name", ["l_swag_lambda[interval=3-7]", "l_swag_lambda_batch[interval=3-7]"])
def test_an_interval_of_layers_that_are_worked_on_in_place(name):
    alone = values([name], plain(inplace=True))[name]
    assert alone == values([name], plain(inplace=False))[name]
    assert alone == values([name, "grad_norm"], plain(inplace=True))[name]


def test_what_works_in_place_changes_no_score():
    apart, in_place = (proxies.compute(proxies.names(), plain(inplace), DOUBLE) for inplace in (False, True))
    assert {name for name, score in apart.items() if score.status != "ok"} <= ATTENTION
    assert {n: s.value for n, s in in_place.items()} == {n: s.value for n, s in apart.items()}


class Reused(nn.Module):
    """One layer between two stages and after them."""

    def __init__(self):
        super().__init__()
        self.first, self.shared, self.second = nn.Linear(192, 8), nn.Linear(8, 8), nn.Identity()
        self.head = nn.Linear(8, 4)
        self.stages = ["first", "second"]

    def forward(self, images):
        x = self.second(self.shared(self.first(images.flatten(1).unsqueeze(1))).tanh())
        return self.head(self.shared(x).tanh().mean(dim=1))


def test_gradients_between_stages_do_not_reach_the_loss():
    network = draw(Reused(), 0).double()
    names = ["grad_norm", "snip", "fisher", "ntk_cond", "gradsign"]
    together = values([*names, "az_trainability"], network)
    assert {name: together[name] for name in names} == {n: values([n], network)[n] for n in names}


class Misnamed(TinyViT):
    """Names a stage that returns no tensor."""

    def __init__(self):
        super().__init__()
        self.pair = Pair()
        self.stages = ["pair", *self.stages]

    def forward(self, images):
        self.pair(images)
        return super().forward(images)


class Pair(nn.Module):
    def forward(self, images):
        return images, images


def test_a_hook_that_fails_takes_no_other_collector_down():
    scores = proxies.compute(
        ["az_expressivity", "az_trainability", "grad_norm", "nwot"], Misnamed(), batches()
    )
    assert [score.status for score in scores.values()] == ["error", "error", "ok", "ok"]
    assert scores["nwot"].value == values(["nwot"], TinyViT(), batches())["nwot"]


class Raising(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)

    def forward(self, images):
        torch.rand(1)
        raise RuntimeError("no such network")


@pytest.mark.parametrize("memory_gib", [None, 1e-6])
def test_a_network_that_raises_fails_its_rows_alone(memory_gib):
    network = Raising()
    before = torch.get_rng_state()
    scores = proxies.compute(["params", "snip"], network, batches(), memory_gib=memory_gib)
    assert torch.equal(torch.get_rng_state(), before)
    assert (scores["params"].status, scores["snip"].message) == ("ok", "RuntimeError: no such network")


class Watched(TinyViT):
    """Keeps a weak reference to a node of every graph."""

    def __init__(self):
        super().__init__()
        self.graphs = []

    def forward(self, images):
        logits = super().forward(images)
        if logits.grad_fn is not None:
            self.graphs.append(weakref.ref(logits))
        return logits


@pytest.mark.parametrize("names", [proxies.names(), ["l_swag_batch[interval=3-7]"]], ids=["all", "interval"])
@pytest.mark.parametrize("fails", [False, True], ids=["ok", "failing"])
def test_no_graph_outlives_its_walk(names, fails):
    network = Watched()
    data = [(images, labels + 100 * fails) for images, labels in batches()]
    gc.disable()  # what only a collector of garbage frees is held too long on a GPU
    try:
        proxies.compute(names, network, data)
        alive = sum(graph() is not None for graph in network.graphs)
    finally:
        gc.enable()
    assert network.graphs and alive == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_images_have_no_condition_number(dtype):
    images, labels = batches(dtype=dtype)[0]
    same = [(images[:1].repeat(6, 1, 1, 1), labels[:1].repeat(6))]
    for memory_gib in (None, 1e-9):
        score = proxies.compute(["ntk_cond"], TinyViT().to(dtype), same, memory_gib=memory_gib)["ntk_cond"]
        assert (score.status, score.value) == ("inf", None)


class LooksAtValues(TinyViT):
    """A network that cannot run on shapes alone."""

    def forward(self, images):
        return super().forward(images) if images.abs().sum() > 0 else None


@pytest.mark.parametrize("network", [TinyViT, LooksAtValues])
def test_memory_is_measured_on_shapes_or_else_on_values(network):
    image = batches()[0][0][:1]
    memory_gib = (graph_bytes(TinyViT(), image.expand(3, -1, -1, -1)) + 1) * 1.5 / 2**30
    assert proxies.Probe(network(), batches(size=9), memory_gib=memory_gib).images_at_once == 3


class Keeps(TinyViT):
    """A network that keeps a tensor it makes at its first call."""

    kept = None

    def forward(self, images):
        if self.kept is None:
            self.kept = torch.ones((), device=images.device)
        return super().forward(images * self.kept)


def test_counting_on_shapes_leaves_nothing_in_the_network():
    network = Keeps()
    scores = proxies.compute(["macs", "snip"], network, batches(), memory_gib=6.0)
    assert {score.status for score in scores.values()} == {"ok"} and not network.kept.is_meta


class Awaited(TorchDispatchMode):
    """Notes every operation whose result, its shape, or the end of its copy the host has to wait for."""

    TAGS = frozenset((torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape))

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        copied = func is torch.ops.aten._to_copy.default and args[0].device != found.device
        if self.TAGS & set(func.tags) or (copied and not kwargs.get("non_blocking")):
            self.names.add(str(func))
        return found


def walk_of_every_collector(network, data):
    probe = Probe(network, data)
    walked = [name for name, found in PASSES.items() if found.stage and found.walks(network)]
    without_heads = () if hasattr(network, "blocks") else ("head_confidence", "head_importance")
    makers = {name: PASSES[name].collector for name in walked if name not in without_heads}
    collectors = {name: make(probe) for name, make in makers.items() if make}
    statistics = frozenset(filter(None, (PASSES[name].statistic for name in walked)))
    collectors["samples"] = SampleGradients(layers_within(network, (0, 9)), len(probe.images), statistics)
    draws = torch.rand(len(probe.images), generator=torch.Generator()).to(probe.device)
    at_once = None if samples_are_coupled(network) else 4
    return Walk(network, *data[0], collectors, at_once, draws)


@pytest.mark.parametrize("device", ["cpu", "meta"])  # what is copied to the other one would be to a GPU
@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_a_walk_waits_for_no_value(build, device):
    data = [(images.to(device), labels.to(device)) for images, labels in batches(size=9)]
    walk = walk_of_every_collector(build().to(device), data)
    with Awaited() as awaited:
        walk.run()
    assert set(walk.prices) == {"forward", "stages", "logits", "classes", "loss"} and walk.failures == {}
    assert awaited.names == set()


def test_what_is_awaited_is_noticed():
    with Awaited() as awaited:
        torch.ones(3)[torch.ones(3) > 0].sum().item()
        torch.ones(3).to("meta", non_blocking=True)
    assert awaited.names == {"aten.index.Tensor", "aten._local_scalar_dense.default"}
    with Awaited() as awaited:
        torch.ones(3).to("meta")
    assert awaited.names == {"aten._to_copy.default"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_a_walk_does_not_wait_for_the_gpu(build):
    data = [(images.cuda(), labels.cuda()) for images, labels in batches(size=9)]
    walk = walk_of_every_collector(build().cuda(), data)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        walk.run()
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert walk.failures == {}
