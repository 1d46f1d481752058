"""A failure is one row with its reason; the other rows keep their values."""

import gc
import math
import re
import weakref

import pytest
import torch
from torch import nn

import proxies
from proxies import ProxyError, registry
from proxies.probe import PASSES
from proxies.probe.walk import Walk
from tests.proxies.networks import Block, TinyViT, batches, draw, rectifier

ALL = proxies.names()
REDRAWN = {"zen"}  # measured on weights of its own drawing
OF_ACTIVATIONS = {"activations", "agreement", "hidden_rows", "hidden_variances"}
NO_IMAGES = {name for name in ALL if proxies.get(name).data in ("none", "shape")}


def drawn_scores(seed):
    scores = proxies.compute(NO_IMAGES, draw(TinyViT(), seed), [])
    return {(name, score.value) for name, score in scores.items()}


COUNTED = {name for name, _ in drawn_scores(0) & drawn_scores(1)}  # whatever the weights


def statuses(network, data, names=ALL):
    scores = proxies.compute(names, network, data)
    for score in scores.values():
        assert (score.value is None) == (score.status != "ok") == (score.message is not None)
        assert score.message is None or (score.message and "\n" not in score.message)
        assert score.seconds >= score.marginal_seconds >= 0
    return {name: score.status for name, score in scores.items()}


def expected(**failed):
    return {name: failed.get(name, "ok") for name in ALL}


def test_nan_weights_are_nan_in_every_score_that_reads_them():
    network = TinyViT()
    with torch.no_grad():
        network.blocks[0].fc1.weight[0, 0] = math.nan
    assert statuses(network, batches()) == {
        name: "ok" if name in COUNTED | REDRAWN else "nan" for name in ALL
    }


def test_infinite_activations_are_not_scores():
    network = TinyViT()
    with torch.no_grad():
        network.embed.weight.fill_(1e38)
    found = statuses(network, batches())
    assert {name for name in ALL if found[name] == "ok"} <= NO_IMAGES | REDRAWN


def test_dead_activations():
    network = rectifier(bias=True)
    with torch.no_grad():
        for layer in (network[0], network[3]):
            layer.weight.zero_()
            layer.bias.fill_(-1.0)
    found = statuses(network, batches())
    measured = ("nwot", "swap", "swap_reg", "l_swag_psi", "linear_regions", "near", "v_pca", "w_pca")
    assert {found[name] for name in measured} == {"empty"}
    # Nothing but biases is learned, so that no weight's gradient varies.
    assert {found["zico"], found["l_swag"], found["l_swag_batch"]} == {"empty"}


def test_identical_images():
    images, labels = batches()[0]
    same = [(images[:1].repeat(6, 1, 1, 1), labels[:1].repeat(6))] * 2
    spread = [name for name in ALL if "zico" in name or ("l_swag" in name and "psi" not in name)]
    found = statuses(TinyViT(), same)
    assert {found[name] for name in spread} == {"empty"}
    assert (found["nwot"], found["ntk_cond"], found["jacov"]) == ("inf", "inf", "ok")
    assert (found["snip"], found["swap"], found["gsnr"]) == ("ok", "ok", "ok")


def test_one_repeated_image_makes_the_kernel_singular():
    images, labels = batches()[0]
    images[3] = images[0]
    score = proxies.compute(["nwot"], TinyViT(), [(images, labels)])["nwot"]
    assert (score.status, score.value, score.message) == ("inf", None, "nwot is -inf")


def test_activations_that_are_functions_are_not_found():
    network = draw(nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.LayerNorm(8), nn.Linear(8, 4)), 0)
    found = statuses(network, batches())
    assert {found[name] for name in ("nwot", "swap", "linear_regions", "l_swag", "near", "w_pca")} == {
        "empty"
    }
    assert {found[name] for name in ("snip", "zico", "l_swag_lambda", "jacov")} == {"ok"}


def test_activation_modules_that_are_not_called():
    network = TinyViT()
    for block in network.blocks:
        block.act.forward, block.act = None, nn.Identity()
    network.spare = nn.GELU()
    score = proxies.compute(["nwot"], network, batches())["nwot"]
    assert (score.status, score.value) == ("empty", None)
    assert "called no activation module" in score.message


class FunctionalAttention(Block):
    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        x = self.attended(x + self.proj(out.transpose(1, 2).flatten(2)))
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class NoAttention(Block):
    def forward(self, x):
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (FunctionalAttention, r"The softmax of 'blocks\.\d\.proj' was not called"),
        (NoAttention, "No attention"),
    ],
)
def test_attention_whose_modules_are_not_called(block, message):
    network = TinyViT()
    for one in network.blocks:
        one.__class__ = block
    names = ["softmax_confidence", "attn_confidence", "head_importance"]
    scores = proxies.compute(names, network, batches())
    assert {(score.status, score.value) for score in scores.values()} == {("empty", None)}
    assert re.match(message, scores["softmax_confidence"].message)


class NoBlocks(TinyViT):
    def forward(self, images):
        return self.head(self.norm(self.embed(images).flatten(2).transpose(1, 2)).mean(dim=1))


@pytest.mark.parametrize(
    ("build", "stages", "status", "message"),
    [
        (NoBlocks, ["blocks.0", "blocks.1"], "empty", "No stage was called."),
        (
            TinyViT,
            ["blocks.0", "blocks.2"],
            "error",
            "The network has no module 'blocks.2', which it names as a stage.",
        ),
    ],
)
def test_stages_that_are_not_there(build, stages, status, message):
    network = build()
    network.stages = stages
    scores = proxies.compute(["az_expressivity", "az_progressivity", "az_trainability"], network, batches())
    assert {score.status for score in scores.values()} == {status}
    assert scores["az_expressivity"].message == message


def test_roles_without_an_mlp():
    network = TinyViT()
    network.roles = {name: role for name, role in network.roles.items() if role != "mlp"}
    score = proxies.compute(["synaptic_saliency"], network, [])["synaptic_saliency"]
    assert (score.status, score.message) == ("empty", "The network names no MLP layer in its roles.")


def test_networks_without_weighted_layers():
    class Weightless(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(64))
            self.act = nn.ReLU()

        def forward(self, images):
            return self.act(images.flatten(1)[:, :64]) * self.scale

    found = statuses(Weightless(), batches())
    measured = {name for name in ALL if found[name] == "ok"}
    assert {"params", "random", "nwot", "swap", "jacov"} <= measured
    assert not measured & {
        "macs",
        "depth",
        "snip",
        "synflow",
        "zico",
        "l_swag",
        "gradsign",
        "fisher",
        "ntk_cond",
    }
    assert {found[name] for name in ALL} == {"ok", "empty"}


def test_one_batch_and_one_image():
    two = {name: "error" for name in ALL if proxies.get(name).batches == 2}
    assert {"zico", "l_swag_batch"} <= two.keys()
    assert statuses(TinyViT(), batches(1)) == expected(**two)
    found = proxies.compute(["l_swag", "snip"], TinyViT(), batches(1, size=1))
    assert found["snip"].status == "ok"
    assert (
        found["l_swag"].message
        == "A variance over samples needs at least 2 images in the first batch; got 1."
    )


def dead(network):
    """A ViT whose activations are never above zero."""
    with torch.no_grad():
        for block in network.blocks:
            block.fc1.weight.zero_()
            block.fc1.bias.fill_(-50.0)
    return network


ARCHITECTURES = ({"blocks": 1}, {"blocks": 3}, {"width": 32})


@pytest.mark.parametrize("name", [name for name in ALL if proxies.get(name).principle != "chance"])
def test_a_score_of_one_image_tells_networks_apart_or_is_null(name):
    networks = [TinyViT(**architecture) for architecture in ARCHITECTURES]
    scores = [proxies.compute([name], network, batches(size=1))[name] for network in networks]
    values = [score.value for score in scores if score.status == "ok"]
    assert not values or max(values) - min(values) > 1e-6


@pytest.mark.parametrize("name", [name for name in ALL if {*proxies.get(name).passes} & OF_ACTIVATIONS])
def test_dead_activations_have_no_score(name):
    for architecture in ARCHITECTURES:
        score = proxies.compute([name], dead(TinyViT(**architecture)), batches())[name]
        assert (score.status, score.value) == ("empty", None)


@pytest.mark.parametrize(
    "name", ["jacov", "ntk_cond", "linear_regions", "swap", "swap_reg", "l_swag_psi", "l_swag_batch"]
)
def test_what_compares_images_needs_two(name):
    score = proxies.compute([name], TinyViT(), batches(size=1))[name]
    assert (score.status, score.message) == (
        "error",
        "This needs at least 2 images in the first batch; got 1.",
    )


def test_labels_beyond_the_classes():
    data = [(images, labels + 100) for images, labels in batches()]
    found = proxies.compute(["snip", "nwot"], TinyViT(), data)
    assert (found["snip"].status, found["nwot"].status) == ("error", "ok")
    assert found["snip"].message.startswith("IndexError: Target ")


@pytest.fixture
def more(monkeypatch):
    """Register proxies for one test."""
    monkeypatch.setattr(registry, "_PROXIES", dict(registry._PROXIES))

    def add(name, function):
        registry.proxy(name, principle="chance", source="This test", data="none")(function)

    return add


def test_out_of_memory_and_errors_fail_alone(more):
    def greedy(probe):
        return torch.empty(1 << 50).sum().item()

    def broken(probe):
        raise KeyError("first line\nsecond line")

    def cuda(probe):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    more("greedy", greedy)
    more("broken", broken)
    more("cuda", cuda)
    alone = proxies.compute(["snip"], TinyViT(), batches())["snip"].value
    scores = proxies.compute(["greedy", "cuda", "broken", "snip"], TinyViT(), batches())
    assert [score.status for score in scores.values()] == ["oom", "oom", "error", "ok"]
    assert scores["snip"].value == alone
    assert scores["broken"].message == r"KeyError: 'first line\nsecond line'"
    assert "greedy" not in ALL


def test_interruptions_are_not_caught(more):
    def interrupted(probe):
        raise KeyboardInterrupt

    more("interrupted", interrupted)
    with pytest.raises(KeyboardInterrupt):
        proxies.compute(["interrupted"], TinyViT(), batches())


class Greedy(TinyViT):
    """Runs out of memory on more than six images; `refused` counts the calls on which it did."""

    def __init__(self):
        super().__init__()
        self.refused = 0

    def forward(self, images):
        if len(images) > 6:
            self.refused += 1
            torch.empty(1 << 50)
        return super().forward(images)


def test_a_failed_pass_runs_once_and_fails_those_that_need_it():
    (small, large), network = (batches(1)[0], batches(1, size=7)[0]), Greedy()
    two = {name: "oom" for name in ALL if any(PASSES[p].batches == 2 for p in proxies.get(name).passes)}
    assert statuses(network, [small, large]) == expected(**two)
    network = Greedy()
    found = statuses(network, [large, small])
    assert found == {name: "ok" if name in NO_IMAGES else "oom" for name in ALL}
    # Each pass that reads images with the others, and then alone, and none of them again for a second proxy.
    assert network.refused <= 2 * len(PASSES)


def test_what_is_walked_alone_has_the_memory_of_the_walk_that_failed(monkeypatch):
    first, alive = [], []
    run = Walk.run

    def greedy(walk):
        alive.append(sum(collector() is not None for collector in first))
        run(walk)
        if not first:
            first.extend(map(weakref.ref, walk.collectors.values()))
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Walk, "run", greedy)
    gc.disable()  # what only a collector of garbage frees is held too long on a GPU
    try:
        scores = proxies.compute(["l_swag", "gsnr", "nwot", "t_cet", "fisher"], TinyViT(), batches())
    finally:
        gc.enable()
    assert {score.status for score in scores.values()} == {"ok"}
    assert len(first) > 1 and set(alive) == {0}


def test_malformed_batches_are_refused():
    images, labels = batches(1)[0]
    for batch, message in (
        ((images[0], labels), r"Images are \(3, 8, 8\); expected \(batch, channels, height, width\)\."),
        (
            (images.double(), labels),
            "Images are torch.float64 on cpu; expected the network's torch.float32 on cpu",
        ),
        ((images, labels[:2]), r"Labels are torch.int64 \(2,\); expected torch.int64 classes of 6 images\."),
        ((images, labels.float()), r"Labels are torch.float32 \(6,\)"),
        ((images, labels - 100), r"Labels are classes, 0 or more; got -100\."),
    ):
        with pytest.raises(ProxyError, match=message):
            proxies.compute(["params"], TinyViT(), [batch])


def test_unknown_image_shape():
    score = proxies.compute(["macs"], rectifier(), [])["macs"]
    assert (score.status, score.message) == (
        "error",
        "The shape of an image is unknown: give a batch, or a network with an input_shape.",
    )


def test_a_network_without_memory_is_counted_and_nothing_else():
    with torch.device("meta"):
        network = rectifier()
    network.input_shape = (3, 8, 8)
    scores = proxies.compute(ALL, network, [])
    assert {name for name in ALL if scores[name].status == "ok"} == COUNTED
    assert scores["macs"].value == 64 * 27 * 6 + 384 * 12 + 12 * 4


def test_one_class_has_no_loss_to_learn_from():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    data = [(images, torch.zeros_like(labels)) for images, labels in batches()]
    labelled = [name for name in proxies.names() if proxies.get(name).data == "labels"]
    scores = proxies.compute([*labelled, "params"], draw(network, 0), data)
    assert scores.pop("params").status == "ok"
    assert {name for name, score in scores.items() if score.value is not None} <= {"epe_nas"}
    assert "one class" in scores["snip"].message and scores["snip"].status == "empty"
