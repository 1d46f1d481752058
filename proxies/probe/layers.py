"""What passes look at in a network, its weighted layers and activation modules, and how they call it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from proxies.errors import NothingCollected, ProxyError

PERCENTILES = 10

# First and last tenth of the depth, both included, each 0..9.
Interval = tuple[int, int]
WHOLE: Interval = (0, PERCENTILES - 1)

# Functions whose output is above zero exactly where their input is.
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Tanh)


@dataclass(frozen=True)
class WeightedLayer:
    """A convolution or linear layer.

    name:   its name in the network.
    index:  its place in forward order, from 0.
    weight: its weight, detached (out, in) or (out, in / groups, height, width); in a data-free pass the
            |weight|.
    """

    name: str
    index: int
    weight: Tensor


def weighted_layers(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Return the convolution and linear modules by name, in forward order, which is that of registration.

    Their `.weight` is what proxies read: biases, norms, tokens, positions and relative tables never count.
    Raises NothingCollected when there is none.
    """
    layers = {
        name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)
    }
    if not layers:
        raise NothingCollected("The network has no weighted layers (nn.Conv2d or nn.Linear).")
    return layers


def weight_key(name: str) -> str:
    """Return the state dict's key of a layer's weight; the name is "" where the network is one layer."""
    return f"{name}.weight" if name else "weight"


def activation_modules(network: nn.Module) -> dict[str, tuple[int, nn.Module]]:
    """Return the activation modules by name, each with the number of weighted layers registered before it.

    Raises NothingCollected when there is none: activations that are functions, not modules, cannot be hooked.
    """
    found: dict[str, tuple[int, nn.Module]] = {}
    layers = 0
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            layers += 1
        elif isinstance(module, _ACTIVATIONS):
            found[name] = (layers, module)
    if not found:
        raise NothingCollected(
            "No activations were hooked: the network has no activation modules (nn.GELU, nn.ReLU, ...)."
        )
    return found


def depth_percentile(index: int, depth: int) -> int:
    """Return the tenth of the network, 0..9, in which layer `index` of `depth` layers lies, index from 0.

    Source: Casarin et al., CVPR 2025, eq. 6. There layers count from 1, which leaves an eleventh bin to the
    last layer alone; counting from 0 gives ten equal ones.
    """
    return PERCENTILES * index // depth


def feature_map(network: nn.Module) -> nn.Module:
    """Return the module that the network names as its `feature_map`: its output is pooled for the classifier.

    Raises NothingCollected when it names none; ProxyError when it has no such module.
    """
    name: str | None = getattr(network, "feature_map", None)
    if name is None:
        raise NothingCollected("The network does not name the module of its feature map (feature_map).")
    modules = dict(network.named_modules())
    if name not in modules:
        raise ProxyError(f"The network has no module '{name}', which it names as its feature map.")
    return modules[name]


def on_meta(network: nn.Module) -> nn.Module:
    """Return a copy of the network on the meta device, where only shapes are computed; no weight is copied.

    A copy, since a network may keep what it makes at its first call.
    """
    memo: dict[int, Tensor] = {}
    for tensor in (*network.parameters(), *network.buffers()):
        empty = torch.empty_like(tensor, device="meta")
        memo[id(tensor)] = nn.Parameter(empty, False) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(network, memo)


def samples_are_coupled(network: nn.Module) -> bool:
    """Return whether an image's logits depend on the others of its batch: BatchNorm by batch statistics."""
    return any(
        isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)
        for module in network.modules()
    )


def call(network: nn.Module, images: Tensor, state: Mapping[str, Tensor] | None = None) -> Tensor:
    """Return network(images), with the tensors of `state` in place of those of the same name.

    Buffers that are not in `state` are lent as copies: BatchNorm in training mode writes into its own. A
    tensor that several modules share is replaced in all of them.
    """
    own = dict(
        (
            *network.named_parameters(remove_duplicate=False),
            *network.named_buffers(remove_duplicate=False),
        )
    )
    lent = {name: buffer.clone() for name, buffer in network.named_buffers()}
    replaced = {id(own[name]): tensor for name, tensor in {**lent, **(state or {})}.items()}
    given = {}
    # Once a module: where one stands in two places, functional_call would give the replacement back as its
    # own.
    for place, module in network.named_modules():
        for name, tensor in (
            *module.named_parameters(recurse=False, remove_duplicate=False),
            *module.named_buffers(recurse=False, remove_duplicate=False),
        ):
            if id(tensor) in replaced:
                given[f"{place}.{name}" if place else name] = replaced[id(tensor)]
    logits: Tensor = torch.func.functional_call(network, given, (images,), tie_weights=False)
    return logits
