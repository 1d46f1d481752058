"""How much of a batch a walk may hold at a time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from proxies.probe.layers import call, weighted_layers

# What is alive beside the graph while it is gone back over, as a share of it.
WORKING_SHARE = 0.5


def images_at_once(network: nn.Module, image: Tensor, memory_gib: float) -> int:
    """Return how many images to walk with at a time, at least one, to hold at most memory_gib.

    Formula: memory / (1.5 * bytes that one image's forward pass keeps for the backward passes: what autograd
    saves and what layers were given; the half is for what is alive in passing). What is kept a weight, some 4
    to 30 bytes a weight depending on the statistics asked for, comes on top.
    """
    kept = graph_bytes(network, image)
    return max(1, int(memory_gib * 2**30 / ((1 + WORKING_SHARE) * kept)))


def graph_bytes(network: nn.Module, image: Tensor) -> int:
    """Return how many bytes the forward pass of one image, (1, channels, height, width), keeps."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    found: dict[int, int] = {}
    held: list[Any] = []  # a storage that is freed might be found twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            held.append(storage)
        return tensor

    def keep_input(module: nn.Module, inputs: Any) -> None:
        keep(inputs[0])

    with ExitStack() as hooks, torch.enable_grad():
        for module in weighted_layers(network).values():
            hooks.enter_context(module.register_forward_pre_hook(keep_input))
        frozen = {name: parameter.detach() for name, parameter in network.named_parameters()}
        leaf = image.detach().clone().requires_grad_()  # not the storage of a whole batch
        hooks.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor))
        call(network, leaf, frozen)
    return max(1, sum(found.values()))
