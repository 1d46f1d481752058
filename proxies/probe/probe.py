"""The probe: one network with its mini-batches, and every pass over them run at most once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from proxies.errors import ProxyError
from proxies.probe.activations import ActivationPatterns, collect_activations
from proxies.probe.data_free import collect_data_free
from proxies.probe.gradients import collect_batch_gradients, collect_gradients
from proxies.probe.layers import WeightedLayer
from proxies.probe.outcome import Outcome, attempt
from proxies.probe.per_sample import collect_per_sample

Batch = tuple[Tensor, Tensor | None]

# The passes, by the name of their method, each with the smallest number of batches it needs.
PASSES = {"activations": 1, "batch_gradients": 2, "data_free": 0, "gradients": 1, "per_sample": 1}


class Probe:
    """One network with its mini-batches, as proxies see it.

    network: called as network(images) -> logits (batch, classes); never changed. It runs in the mode it has.
    batches: pairs of images (batch, channels, height, width) and labels (batch,) int64 or None. The first is
             the mini-batch of every pass but `batch_gradients`, which takes them all.
    seed:    of everything random in a score.

    Raises ProxyError when a batch is malformed, or not of the network's dtype and device.
    """

    def __init__(self, network: nn.Module, batches: Sequence[Batch] = (), seed: int = 0) -> None:
        self.network = network
        self.batches = list(batches)
        self.seed = seed
        self.outcomes: dict[str, Outcome[Any]] = {}
        tensor = next(network.parameters(), torch.empty(0))
        self.device, self.dtype = tensor.device, tensor.dtype
        for images, labels in self.batches:
            self._check(images, labels)

    @property
    def images(self) -> Tensor:
        """Images of the first batch, (batch, channels, height, width); ProxyError when there is no batch."""
        if not self.batches:
            raise ProxyError("This needs at least 1 batch of images; got 0.")
        return self.batches[0][0]

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

    def batch_gradients(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each weighted layer with its gradients of every batch's loss, (batches, *weight)."""
        return self.run("batch_gradients").unwrap()

    def data_free(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each layer of the |weight| network with the gradient of its summed logits, float64."""
        return self.run("data_free").unwrap()

    def gradients(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each weighted layer with the gradient of the first batch's mean cross-entropy."""
        return self.run("gradients").unwrap()

    def per_sample(self) -> list[tuple[WeightedLayer, Tensor]]:
        """Return each weighted layer with the variance of |dl_i/dw| over the first batch, float64."""
        return self.run("per_sample").unwrap()

    def run(self, name: str) -> Outcome[Any]:
        """Run a pass unless it has run, and return what came of it, a failure too."""
        if name not in self.outcomes:
            self.outcomes[name] = attempt(lambda: self._collect(name), self.device)
        return self.outcomes[name]

    def generator(self, stream: str) -> torch.Generator:
        """Return a new CPU generator, seeded by this probe's seed and the name of the stream."""
        digest = hashlib.blake2b(f"{self.seed}\n{stream}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "big"))

    def _collect(self, name: str) -> Any:
        match name:
            case "activations":
                return collect_activations(self.network, self.images)
            case "batch_gradients":
                return collect_batch_gradients(self.network, self._labelled(PASSES[name]))
            case "data_free":
                return collect_data_free(self.network, self.input_shape, self.device)
            case "gradients":
                return collect_gradients(self.network, *self._labelled(PASSES[name])[0])
            case "per_sample":
                return collect_per_sample(self.network, *self._labelled(PASSES[name])[0])
        raise ProxyError(f"Unknown pass '{name}'. Known: {', '.join(PASSES)}.")

    def _labelled(self, least: int) -> list[tuple[Tensor, Tensor]]:
        if len(self.batches) < least:
            raise ProxyError(
                f"This needs at least {least} batch{'es' * (least > 1)}; got {len(self.batches)}."
            )
        labelled = [(images, labels) for images, labels in self.batches if labels is not None]
        if len(labelled) < len(self.batches):
            raise ProxyError("This needs labels, and a batch has none.")
        return labelled

    def _check(self, images: Tensor, labels: Tensor | None) -> None:
        if images.ndim != 4 or not len(images):
            raise ProxyError(f"Images are {tuple(images.shape)}; expected (batch, channels, height, width).")
        if (images.dtype, images.device) != (self.dtype, self.device):
            raise ProxyError(
                f"Images are {images.dtype} on {images.device}; "
                f"expected the network's {self.dtype} on {self.device}."
            )
        if labels is not None and (labels.shape, labels.dtype) != (images.shape[:1], torch.int64):
            raise ProxyError(
                f"Labels are {labels.dtype} {tuple(labels.shape)}; expected torch.int64 ({len(images)},)."
            )
