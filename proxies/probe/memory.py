"""How much of a batch a walk may hold at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from proxies.probe.layers import call, weighted_layers

# What is alive beside the graph while it is gone back over, as a share of it.
WORKING_SHARE = 0.5


class TooMuchKept(Exception):
    """A forward pass keeps more for its backward passes than it may."""


class Kept:
    """What a forward pass keeps for its backward passes, counted as it comes; see `keeping`.

    most:  bytes beyond which TooMuchKept is raised.
    bytes: kept so far.
    """

    def __init__(self, network: nn.Module, most: float = float("inf")) -> None:
        self.most, self.bytes = most, 0
        self._own = {_storage(parameter) for parameter in network.parameters()}
        # Held, since the storage that takes a freed one's place would pass for it.
        self._storages: dict[int, torch.UntypedStorage] = {}

    def add(self, tensor: Tensor) -> None:
        """Count what a tensor takes, unless it is the network's own or counted already."""
        key = _storage(tensor)
        if key in self._own or key in self._storages:
            return
        self._storages[key] = tensor.untyped_storage()
        self.bytes += tensor.untyped_storage().nbytes()
        if self.bytes > self.most:
            raise TooMuchKept

    def release(self) -> None:
        """Hold nothing any more."""
        self._storages = {}


def budget_bytes(memory_gib: float) -> float:
    """Return how much a forward pass may keep, so that with what is alive in passing it fits the memory."""
    return memory_gib * 2**30 / (1 + WORKING_SHARE)


def images_at_once(network: nn.Module, image: Tensor, memory_gib: float, wanted: int) -> int:
    """Return how many images to walk with at a time, at least one, to hold at most memory_gib.

    network, image: (1, channels, height, width), on one device.
    wanted:         images that are enough; the count may be smaller than it could be, but not than this.

    Formula: (memory / 1.5 - a) / b, where a forward pass of n images keeps a + b n bytes for the backward
    passes: what autograd saves and what layers were given; the half is for what is alive in passing. a is
    what a pass makes once, whatever its images. On top come what is kept a weight, some 4 to 30 bytes
    depending on the statistics asked for, and for the tangent kernel what its layers were given and gave.
    """
    budget = budget_bytes(memory_gib)
    one = max(1, graph_bytes(network, image))
    if budget >= wanted * one:
        return int(budget / one)  # a is at least 0: a second measurement would only allow more
    each = max(1, graph_bytes(network, image.expand(2, -1, -1, -1)) - one)
    return max(1, int((budget - max(0, one - each)) / each))


@contextmanager
def keeping(network: nn.Module, most: float = float("inf")) -> Iterator[Kept]:
    """Count what the forward passes within keep: what autograd saves, and what weighted layers are given.

    Raises TooMuchKept from within a pass as soon as that is more than `most` bytes. What autograd saves must
    still not be overwritten: a backward pass over it then fails, as it does without being counted.
    """
    kept = Kept(network, most)

    def save(tensor: Tensor) -> tuple[Tensor, int]:
        kept.add(tensor)
        return tensor.detach(), tensor._version  # an operation that holds its own result is never freed

    def keep_input(module: nn.Module, inputs: Any) -> None:
        if inputs:
            kept.add(inputs[0])

    with ExitStack() as hooks:
        for module in weighted_layers(network).values():
            hooks.enter_context(module.register_forward_pre_hook(keep_input))
        hooks.enter_context(torch.autograd.graph.saved_tensors_hooks(save, _saved))
        try:
            yield kept
        finally:
            kept.release()


def graph_bytes(network: nn.Module, images: Tensor) -> int:
    """Return how many bytes the forward pass of images, (batch, channels, height, width), keeps.

    It is run: of one image that takes less than on the meta device, where shapes are computed in Python.
    """
    frozen = {name: parameter.detach() for name, parameter in network.named_parameters()}
    with torch.enable_grad(), keeping(network) as kept:
        leaf = images.detach().clone().requires_grad_()  # not the storage of a whole batch
        call(network, leaf.clone(), frozen)  # a network may begin with an operation in place
    return kept.bytes


def _saved(packed: tuple[Tensor, int]) -> Tensor:
    tensor, version = packed
    if tensor._version != version:
        raise RuntimeError("What a backward pass needs was overwritten in place after it was saved.")
    return tensor


def _storage(tensor: Tensor) -> int:
    """What tells a storage from others, also one without numbers, which has no address."""
    return tensor.untyped_storage()._cdata
