"""The probe: one network with its mini-batches, and every pass over them run at most once."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from proxies.errors import ProxyError
from proxies.probe.activations import ActivationPatterns
from proxies.probe.layers import WHOLE, Interval, WeightedLayer, samples_are_coupled
from proxies.probe.loss import loss_name
from proxies.probe.memory import budget_bytes, images_at_once
from proxies.probe.outcome import Outcome, Price, attempt
from proxies.probe.passes import PASSES
from proxies.probe.per_sample import Moments, SampleGradients, layers_within
from proxies.probe.walk import Collector, Walk

Batch = tuple[Tensor, Tensor | None]


class Probe:
    """One network with its mini-batches, as proxies see it.

    network:    called as network(images) -> logits (batch, classes); never changed. It runs in the mode it
    has.
    batches:    pairs of images (batch, channels, height, width) and labels or None. Labels are (batch,)
                int64, or what else the network's loss takes; see `proxies.probe.loss`. The first is the
                mini-batch of every pass but `batch_gradients`, which takes them all.
    seed:       of everything random in a score.
    wanted:     passes that will be asked for. Those of the walk then share one forward pass, and each of its
                backward passes; each has the value it would have alone.
    interval:   tenths of the depth, first and last, whose layers' loss gradients will be asked for.
    memory_gib: walk over so many images at a time that what a forward pass keeps for the backward passes
                stays below this, where images do not depend on one another; see `images_at_once`. Into how
                many parts a batch is cut then depends on what is asked for together, and a score's rounding
                on that.

    Raises ProxyError when a batch is malformed, or not of the network's dtype and device.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: Sequence[Batch] = (),
        seed: int = 0,
        wanted: Iterable[str] = (),
        interval: Interval = WHOLE,
        memory_gib: float | None = None,
    ) -> None:
        self.network: nn.Module = network
        self.batches = list(batches)
        self.seed = seed
        self.wanted = set(wanted)
        self.interval = interval
        self.memory_gib: float | None = memory_gib
        self.outcomes: dict[str, Outcome[Any]] = {}
        self.spent: dict[str, dict[str, Price]] = {}
        self.walks = 0
        self.kept: int | None = None
        tensor = next(network.parameters(), torch.empty(0))
        self.device: torch.device = tensor.device
        self.dtype: torch.dtype = tensor.dtype
        for images, labels in self.batches:
            self._check(images, labels)

    @property
    def images(self) -> Tensor:
        """Images of the first batch, (batch, channels, height, width); ProxyError when there is no batch."""
        if not self.batches:
            raise ProxyError("This needs at least 1 batch of images; got 0.")
        return self.batches[0][0]

    @property
    def labels(self) -> Tensor:
        """Labels of the first batch, (batch,) int64; ProxyError when it has none, or not one an image."""
        labels = self.labelled()[0][1]
        if (labels.ndim, labels.dtype) != (1, torch.int64):
            raise ProxyError(
                f"Labels are {labels.dtype} {tuple(labels.shape)}; this needs one class an image."
            )
        return labels

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image: of the batch, or else what the network says of itself."""
        if self.batches:
            channels, height, width = self.images.shape[1:]
            return channels, height, width
        if not hasattr(self.network, "input_shape"):
            raise ProxyError(
                "The shape of an image is unknown: give a batch, or a network with an input_shape."
            )
        channels, height, width = self.network.input_shape  # type: ignore[misc]
        return int(channels), int(height), int(width)

    def activations(self) -> list[ActivationPatterns]:
        """Return the sign patterns of every activation module over the first batch."""
        return self.run("activations").unwrap()

    def agreement(self) -> Tensor:
        """Return in how many activations two images are both active or both not, (batch, batch) float64."""
        return self.run("agreement").unwrap()

    def layer_patterns(self) -> list[ActivationPatterns]:
        """Return the sign patterns of every weighted layer's output over the first batch."""
        return self.run("layer_patterns").unwrap()

    def first_image(self) -> list[tuple[Tensor, int]]:
        """Return what modules return for the first image, each with the number of modules that do."""
        return self.run("first_image").unwrap()

    def hidden_variances(self) -> list[Tensor]:
        """Return the principal variances of every activation's input; see `HiddenVariances`."""
        return self.run("hidden_variances").unwrap()

    def hidden_rows(self) -> list[tuple[Tensor, Tensor]]:
        """Return some rows of every activation's input and output, both (rows, channels)."""
        return self.run("hidden_rows").unwrap()

    def head_confidence(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the mean largest attention weight, and output, of every head, both (heads,) a layer."""
        return self.run("head_confidence").unwrap()

    def head_importance(self) -> list[Tensor]:
        """Return how much the summed logits hang on every head's output, (heads,) a layer."""
        return self.run("head_importance").unwrap()

    def stage_variances(self) -> list[Tensor]:
        """Return the principal variances of every stage's features, (channels,) float64 ascending."""
        return self.run("stage_variances").unwrap()

    def stage_jacobians(self) -> list[tuple[Tensor, Tensor]]:
        """Return the alignment of random signs with their gradients a stage before; see `StageJacobians`."""
        return self.run("stage_jacobians").unwrap()

    def input_jacobian(self) -> Tensor:
        """Return the gradient of each image's summed logits, (batch, channels, height, width)."""
        return self.run("input_jacobian").unwrap()

    def image_gradient(self) -> Tensor:
        """Return the gradient of each image's cross-entropy, (batch, channels, height, width)."""
        return self.run("image_gradient").unwrap()

    def tangent_kernel(self) -> Tensor:
        """Return the Gram matrix of the summed logits' gradients by the weights, (batch, batch) float64."""
        return self.run("tangent_kernel").unwrap()

    def class_gradients(self) -> Tensor:
        """Return gradients of drawn classes' log-likelihoods by a weight a layer, (layers, samples)."""
        return self.run("class_gradients").unwrap()

    def channel_saliency(self) -> dict[tuple[str, bool], Tensor]:
        """Return the Fisher saliency of every layer's channels; see `ChannelSaliency`."""
        return self.run("channel_saliency").unwrap()

    def gradients(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each weighted layer with the gradient of the first batch's mean cross-entropy."""
        return self.run("gradients").unwrap()

    def gradient_signs(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each weighted layer with the sum over samples i of sign(dl_i/dw)."""
        return self.run("gradient_signs").unwrap()

    def gradient_magnitudes(self) -> list[tuple[WeightedLayer, Moments]]:
        """Return each weighted layer with mean and variance over samples i of |dl_i/dw|, float64."""
        return self.run("gradient_magnitudes").unwrap()

    def gradient_moments(self) -> list[tuple[WeightedLayer, Moments]]:
        """Return each weighted layer with mean and variance over samples i of dl_i/dw, float64."""
        return self.run("gradient_moments").unwrap()

    def batch_gradients(self) -> list[tuple[WeightedLayer, list[Tensor]]]:
        """Return each weighted layer with its gradient of every batch's loss, each (*weight)."""
        return self.run("batch_gradients").unwrap()

    def data_free(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each layer of the |weight| network with the gradient of its summed logits, float64."""
        return self.run("data_free").unwrap()

    def nuclear_norms(self) -> list[tuple[float, float]]:
        """Return the nuclear norms of gradient and weight of attention's layers in the data-free pass."""
        return self.run("nuclear_norms").unwrap()

    def hessian_gradient(self) -> Tensor:
        """Return the weights times the Hessian's product with the gradient, 0-d float64."""
        return self.run("hessian_gradient").unwrap()

    def operations(self) -> int:
        """Return the floating-point operations of one image's convolutions and matrix products."""
        return self.run("operations").unwrap()

    def run(self, name: str) -> Outcome[Any]:
        """Run a pass unless it has run, and return what came of it, a failure too."""
        if name not in PASSES:
            raise ProxyError(f"Unknown pass '{name}'. Known: {', '.join(PASSES)}.")
        if name not in self.outcomes:
            collect = PASSES[name].collect
            if collect and not self._walks(name):
                self.outcomes[name] = attempt(lambda: collect(self), self.device, name)
            else:
                self._walk(self._beside(name))
        self.spent.setdefault(name, self.outcomes[name].prices)
        return self.outcomes[name]

    def keep(self, passes: Iterable[str]) -> None:
        """Forget what came of all other passes; one that is asked for nevertheless runs again."""
        self.wanted = set(passes)
        needed = self._needed()
        self.outcomes = {name: found for name, found in self.outcomes.items() if name in needed}

    def prices(self, passes: Iterable[str]) -> dict[str, Price]:
        """Return what was paid for passes, and for those they read, by part of the work."""
        found: dict[str, Price] = {}
        for name in passes:
            found |= self.prices(PASSES[name].needs)
            if name not in self.spent:
                self.run(name)
            found |= self.spent[name]
        return found

    def generator(self, stream: str) -> torch.Generator:
        """Return a new CPU generator, seeded by this probe's seed and the name of the stream."""
        digest = hashlib.blake2b(f"{self.seed}\n{stream}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "big"))

    @functools.cached_property
    def images_at_once(self) -> int | None:
        """How many images the memory allows to walk with at a time; None for all."""
        if self.memory_gib is None or samples_are_coupled(self.network):
            return None
        memory_gib = self.memory_gib
        wanted = len(self.images) * max((PASSES[name].graphs for name in self._needed()), default=1)
        if self.kept:
            fit = int(len(self.images) * budget_bytes(memory_gib) / self.kept)
            if fit >= wanted:
                return fit  # more than have been counted keep no more each
        found = attempt(
            lambda: images_at_once(self.network, self.images[:1], memory_gib, wanted), self.device
        )
        # A network that fails on an image fails on all of them, where its proxies' rows say why.
        return 1 if found.value is None else found.value

    def need_two_images(self) -> None:
        """Raise ProxyError when the first batch has no two images to compare."""
        if len(self.images) < 2:
            raise ProxyError("This needs at least 2 images in the first batch; got 1.")

    def labelled(self, least: int = 1) -> list[tuple[Tensor, Tensor]]:
        """Return the batches; ProxyError when they are fewer than `least` or without labels."""
        if len(self.batches) < least:
            raise ProxyError(
                f"This needs at least {least} batch{'es' * (least > 1)}; got {len(self.batches)}."
            )
        labelled = [(images, labels) for images, labels in self.batches if labels is not None]
        if len(labelled) < len(self.batches):
            raise ProxyError("This needs labels, and a batch has none.")
        return labelled

    def _walks(self, name: str) -> bool:
        """Whether a pass is collected on a walk."""
        return PASSES[name].stage is not None and PASSES[name].walks(self.network)

    def _alone(self, name: str) -> bool:
        """Whether a pass sees each image in a batch of its own, so that a sample's loss is its own."""
        return PASSES[name].alone and samples_are_coupled(self.network)

    def _beside(self, name: str) -> list[str]:
        """The passes to walk with for this one: all that are wanted and may see the batch as it does."""
        wanted = self._needed() | {name}
        return [
            other
            for other in PASSES
            if other in wanted
            and other not in self.outcomes
            and self._walks(other)
            and self._alone(other) == self._alone(name)
        ]

    def _needed(self) -> set[str]:
        """The passes that are wanted, and those that they read."""
        run = self.outcomes
        return {
            needed for name in self.wanted for needed in (name, *(() if name in run else PASSES[name].needs))
        }

    def _walk(self, names: list[str]) -> None:
        """Run passes on one walk, and each that ran out of memory beside the others on one of its own."""
        self._walk_with(names)
        failed = [name for name in names if self.outcomes[name].status == "oom"]
        # Here, where nothing holds what was collected on the walk that failed.
        for name in failed if len(names) > 1 else ():
            del self.outcomes[name]
            self._walk_with([name])

    def _walk_with(self, names: list[str], stopped: dict[str, Price] | None = None) -> None:
        """Run passes on one walk, and keep what came of each.

        stopped: what was paid for the walk over the whole batch, if it kept too much. It is tried first:
                 nearly always it fits, and to measure beforehand would cost a tenth of it.
        """
        self.walks += 1
        collectors: dict[str, Collector] = {}
        for name in names:
            made = attempt(functools.partial(self._collector, name, names, collectors), self.device)
            if made.status != "ok":
                self.outcomes[name] = made
        names = [name for name in names if name not in self.outcomes]
        if not names:
            return
        walk = self._new_walk(names, collectors, stopped is None)
        walk.prices |= stopped or {}
        walked = attempt(walk.run, self.device)
        if walk.most is not None and walk.kept is None:
            self.kept = None  # of a walk that kept less
            self._walk_with(names, walk.prices)
            return
        self.kept = walk.kept or self.kept
        for name in names:
            self.outcomes[name] = self._outcome(name, walk, walked, collectors[_key(name)])

    def _collector(self, name: str, names: list[str], collectors: dict[str, Collector]) -> None:
        """Make the collector of a pass, one for all that want the gradients of every sample."""
        size, make = len(self.images), PASSES[name].collector
        if PASSES[name].labels:
            self.labelled()
        if make:
            collectors[name] = make(self)
        elif _key(name) not in collectors:
            statistics = frozenset(filter(None, (PASSES[other].statistic for other in names)))
            layers = layers_within(self.network, self.interval)
            collectors[_key(name)] = SampleGradients(layers, size, statistics, self.interval == WHOLE)

    def _new_walk(self, names: list[str], collectors: dict[str, Collector], whole: bool) -> Walk:
        images, labels = self.batches[0]
        draws = None
        if any(PASSES[name].stage == "classes" for name in names):
            drawn = torch.rand(len(images), generator=self.generator("classes"))
            draws = drawn.to(self.device, non_blocking=True)
        if any(map(self._alone, names)):
            return Walk(self.network, images, labels, collectors, 1, draws)
        goes_back = any(PASSES[name].stage != "forward" for name in names)
        if whole and goes_back and self.memory_gib and "images_at_once" not in self.__dict__:
            most = None if samples_are_coupled(self.network) else budget_bytes(self.memory_gib)
            return Walk(self.network, images, labels, collectors, None, draws, most)
        return Walk(self.network, images, labels, collectors, self.images_at_once, draws)

    def _outcome(self, name: str, walk: Walk, walked: Outcome[Any], collector: Any) -> Outcome[Any]:
        """What came of one pass of a walk."""
        stages = ("forward", str(PASSES[name].stage))
        prices = {f"walk {self.walks} {of}": walk.prices.get(of, Price()) for of in stages}
        if walked.status != "ok":
            return Outcome(None, walked.status, walked.message, prices)
        if _key(name) in walk.failures:
            failed = walk.failures[_key(name)]
            return Outcome(None, failed.status, failed.message, prices)
        statistic = PASSES[name].statistic
        read = attempt(
            collector.result if statistic is None else functools.partial(collector.of, statistic),
            self.device,
            f"walk {self.walks} {name}",
        )
        return Outcome(read.value, read.status, read.message, prices | read.prices)

    def _check(self, images: Tensor, labels: Tensor | None) -> None:
        if images.ndim != 4 or not len(images):
            raise ProxyError(f"Images are {tuple(images.shape)}; expected (batch, channels, height, width).")
        if (images.dtype, images.device) != (self.dtype, self.device):
            raise ProxyError(
                f"Images are {images.dtype} on {images.device}; "
                f"expected the network's {self.dtype} on {self.device}."
            )
        if labels is None:
            return
        classes = loss_name(self.network) == "cross_entropy"
        dtype, kind = (torch.int64, "classes") if classes else (self.dtype, "values")
        if labels.dtype != dtype or labels.ndim == 0 or len(labels) != len(images):
            raise ProxyError(
                f"Labels are {labels.dtype} {tuple(labels.shape)}; expected {dtype} {kind} of "
                f"{len(images)} images."
            )
        # Losses leave out a class of -100 without a word.
        if classes and not labels.is_meta and labels.amin() < 0:
            raise ProxyError(f"Labels are classes, 0 or more; got {labels.amin().item()}.")


def _key(name: str) -> str:
    """The collector of a pass: one serves all that want the gradients of every sample."""
    return "gradients of samples" if PASSES[name].statistic else name
