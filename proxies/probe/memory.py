"""How much of a batch a walk may hold at a time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from proxies.probe.layers import call, weighted_layers

# What is alive beside the graph while it is gone back over, as a share of it.
WORKING_SHARE = 0.5


def images_at_once(network: nn.Module, image: Tensor, memory_gib: float, wanted: int) -> int:
    """Return how many images to walk with at a time, at least one, to hold at most memory_gib.

    network, image: (1, channels, height, width), on one device.
    wanted:         images that are enough; the count may be smaller than it could be, but not than this.

    Formula: (memory / 1.5 - a) / b, where a forward pass of n images keeps a + b n bytes for the backward
    passes: what autograd saves and what layers were given; the half is for what is alive in passing. a is
    what a pass makes once, whatever its images. On top come what is kept a weight, some 4 to 30 bytes
    depending on the statistics asked for, and for the tangent kernel what its layers were given and gave.
    """
    budget = memory_gib * 2**30 / (1 + WORKING_SHARE)
    one = max(1, graph_bytes(network, image))
    if budget >= wanted * one:
        return int(budget / one)  # a is at least 0: a second measurement would only allow more
    each = max(1, graph_bytes(network, image.expand(2, -1, -1, -1)) - one)
    return max(1, int((budget - max(0, one - each)) / each))


def graph_bytes(network: nn.Module, images: Tensor) -> int:
    """Return how many bytes the forward pass of images, (batch, channels, height, width), keeps.

    It is run: of one image that takes less than on the meta device, where shapes are computed in Python.
    """
    tensors = (*network.named_parameters(), *network.named_buffers())
    state = {name: tensor.detach() for name, tensor in tensors}
    own = {_storage(tensor) for tensor in state.values()}
    found: dict[int, int] = {}
    held: list[Any] = []  # a storage that is freed might be found twice

    def keep(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in own:
            found[_storage(tensor)] = tensor.untyped_storage().nbytes()
            held.append(tensor.untyped_storage())
        return tensor.detach()  # an operation that holds its own result is never freed

    def keep_input(module: nn.Module, inputs: Any) -> None:
        keep(inputs[0])

    with ExitStack() as hooks, torch.enable_grad():
        for module in weighted_layers(network).values():
            hooks.enter_context(module.register_forward_pre_hook(keep_input))
        leaf = images.detach().clone().requires_grad_()  # not the storage of a whole batch
        hooks.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor))
        call(network, leaf.clone(), state)  # a network may begin with an operation in place
    return sum(found.values())


def _storage(tensor: Tensor) -> int:
    """What tells a storage from others, also one without numbers, which has no address."""
    return tensor.untyped_storage()._cdata
