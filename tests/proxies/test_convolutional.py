"""Every proxy on the networks of the convolutional spaces, and under every loss of their tasks."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, l1_loss, mse_loss

import proxies
import spaces
from proxies.probe.loss import summed_loss
from spaces.convolutional import ConvolutionalNetwork, ReLUConvBN
from spaces.nasbench101 import NASBench101
from spaces.nasbench201 import NASBench201
from spaces.nasbench301 import NASBench301

SPACES = {
    "nasbench101": (NASBench101("small-101", channels=16, cells=1), {"image_size": 16, "classes": 4}),
    "nasbench201": (NASBench201("small-201", channels=8, cells=1), {"image_size": 16, "classes": 4}),
    "nasbench301": (NASBench301("small-301", channels=8, cells=3), {"image_size": 16, "classes": 4}),
}
TARGETS = ("classes", "probabilities", "values", "permutation", "segments", "image")


def shares(*shape):
    return drawn(*shape).softmax(dim=1)


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def labels_of(target, images=4, classes=4, side=64):
    match target:
        case "probabilities":
            return shares(images, classes)
        case "values":
            return drawn(images, classes)
        case "segments":
            return drawn(images, side, side).gt(0).long()
        case "image":
            return drawn(images, classes, side, side)
    return torch.arange(images) % 2


def scores(network, names, labels, images=4):
    batch = (drawn(images, *network.input_shape), labels)
    shifted = (batch[0].flip(0), labels)
    return proxies.compute(names, network, [batch, shifted], seed=0)


@pytest.mark.parametrize("name", SPACES)
def test_every_proxy_runs_or_declares_what_it_needs(name):
    space, shape = SPACES[name]
    network = space.build(space.sample(2, seed=3)[1], **shape)
    for proxy, score in scores(network, proxies.names(), labels_of("classes")).items():
        if proxies.get(proxy).needs == "attention":
            assert score.status == "empty" and "attention" in score.message
        else:
            assert score.status == "ok" and math.isfinite(score.value), (proxy, score)


class Dense(ConvolutionalNetwork):
    """A network that says numbers of every pixel: the benchmark's decoders are too slow for every proxy."""

    head_at = "head"

    def __init__(self, loss):
        super().__init__()
        self.input_shape, self.loss = (3, 16, 16), loss
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.layers = nn.Sequential(ReLUConvBN(8, 8, 3), ReLUConvBN(8, 8, 3))
        self.head = nn.Conv2d(8, 4, 1)
        self.stages, self.feature_map = ["stem", "layers.0", "layers.1"], "layers.1"

    def forward(self, images):
        return self.head(self.layers(self.stem(images)))


# Of every backward stage one, and those that read a feature map, classes or labels their own way.
MANY_SIDED = [
    "snip",
    "fisher",
    "grasp",
    "zico",
    "jacov",
    "croze",
    "sigeo",
    "synflow",
    "nwot",
    "zen",
    "gennas",
]
CLASSES_ALONE = {"vkdnw": ("classes", "probabilities", "permutation"), "epe_nas": ("classes", "permutation")}


def of_task(target, side):
    space = spaces.get("transnas-macro")
    architecture = space.architecture({"network": "64-1114-basic"})
    return space.build(architecture, image_size=side, classes=4, target=target)


def check_all(found, target):
    for proxy, score in found.items():
        if proxies.get(proxy).needs == "attention":
            assert score.status == "empty"
        elif target in CLASSES_ALONE.get(proxy, TARGETS):
            assert score.status == "ok" and math.isfinite(score.value), (proxy, score)
        else:
            assert score.status == "error" and "one class an image" in score.message


@pytest.mark.parametrize("target", ["probabilities", "values", "permutation"])
def test_every_proxy_runs_under_the_loss_of_every_target_of_an_image(target):
    network = of_task(target, side=32)
    check_all(scores(network, proxies.names(), labels_of(target, images=3), images=3), target)


@pytest.mark.parametrize("target", ["segments", "image"])
def test_every_proxy_runs_under_the_loss_of_every_target_of_a_pixel(target):
    network = Dense(of_task(target, side=32).loss)
    check_all(scores(network, proxies.names(), labels_of(target, side=16)), target)


@pytest.mark.parametrize("target", ["segments", "image"])
def test_proxies_run_on_the_decoders(target):
    network = of_task(target, side=32)
    labels = labels_of(target, images=2, side=32)
    check_all(scores(network, [*MANY_SIDED, *CLASSES_ALONE], labels, images=2), target)


def test_a_network_of_no_named_target_takes_class_numbers():
    space = spaces.get("transnas-macro")
    architecture = space.architecture({"network": "64-1114-basic"})
    network = space.build(architecture, image_size=32, classes=4)  # as a task of classes has it
    assert scores(network, ["snip"], labels_of("classes"))["snip"].status == "ok"


@pytest.mark.parametrize(
    ("name", "outputs", "labels", "expected"),
    [
        ("cross_entropy", (4, 5), labels_of("classes"), cross_entropy),
        ("cross_entropy", (4, 5, 8, 8), labels_of("segments", side=8), cross_entropy),
        ("soft_cross_entropy", (4, 5), shares(4, 5), cross_entropy),
        ("squared_error", (4, 5), drawn(4, 5), mse_loss),
        ("absolute_error", (4, 3, 8, 8), drawn(4, 3, 8, 8), l1_loss),
    ],
)
def test_the_loss_of_a_batch_is_the_mean_of_its_images(name, outputs, labels, expected):
    network = torch.nn.Identity()
    network.loss = name
    outputs = drawn(*outputs)
    whole = summed_loss(network, outputs, labels)
    one_by_one = [summed_loss(network, outputs[i : i + 1], labels[i : i + 1]) for i in range(4)]
    assert whole.item() == pytest.approx(sum(one_by_one).item(), rel=1e-5)
    assert whole.item() / 4 == pytest.approx(expected(outputs, labels).item(), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("crossentropy", torch.arange(4), "Unknown loss 'crossentropy'. Did you mean 'cross_entropy'?"),
        ("squared_error", torch.arange(4), r"expected torch.float32 values of 4 images"),
        ("cross_entropy", drawn(4, 4), r"expected torch.int64 classes of 4 images"),
    ],
)
def test_labels_of_another_loss_are_refused(name, labels, message):
    space, shape = SPACES["nasbench201"]
    network = space.build(space.sample(1, seed=0)[0], **shape)
    network.loss = name
    with pytest.raises(proxies.ProxyError, match=message):
        proxies.Probe(network, [(drawn(4, *network.input_shape), labels)])


def test_labels_of_another_shape_are_that_rows_error():
    space, shape = SPACES["nasbench201"]
    network = space.build(space.sample(1, seed=0)[0], **shape)
    score = scores(network, ["snip"], torch.zeros(4, 2, dtype=torch.int64))["snip"]
    assert score.status == "error" and "cross_entropy expects (4,)" in score.message
