"""Zen-score: how far a small shift of noise images moves the features, at Gaussian weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from proxies.errors import NothingCollected, ProxyError
from proxies.probe import Probe
from proxies.probe.gaussian import gaussian_weights
from proxies.probe.layers import call, feature_map, weighted_layers
from proxies.registry import proxy

_SHIFT = 0.01  # of an image, in standard deviations of its pixels


@proxy("zen", principle="expressivity", source="Lin et al., ICCV 2021", data="noise")
def zen(probe: Probe, *, pooled: bool = False, redraw: bool = True, repeats: int = 1) -> float:
    """Return the log of how far a small shift of noise images moves the feature map, at Gaussian weights.

    Formula: log(mean over images of sum |f(x) - f(x + 0.01 e)|) + sum over BatchNorm layers of
    log sqrt(mean running variance); x and e images of N(0, 1) pixels, as many as the batch has; f the feature
    map before global pooling, at convolution and linear weights drawn from N(0, 1), biases of 0, BatchNorms
    and GroupNorms of 1 and 0, and all else as given. pooled=true takes for f what the head is given, as
    Auto-Prox does on ViTs. redraw=false keeps the given weights. repeats is the number of draws, of weights
    and images, over which the score is averaged: 1 as in NASLib, 32 in ZenNAS.
    Range and direction: real; -inf, so no score, when nothing moves; higher is better.
    Source: Lin et al., "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", ICCV 2021, as its
    code computes it: the distance is the L1 norm.
    Deviations: residual connections stay, as in NASLib; the paper cuts them. The network's mode is its own;
    in training mode, which the definition needs, running variances start from the network's own for each
    repeat. A ViT has no BatchNorm: the second sum is empty, and LayerNorm takes away the scale.
    Raises NothingCollected when the network names no `feature_map`, or with pooled=true no layer of the role
    head; ProxyError for repeats below 1.
    """
    if repeats < 1:
        raise ProxyError(f"zen averages over repeats = {repeats} draws; expected at least 1.")
    draws = probe.generator("zen")
    total = 0.0
    for _ in range(repeats):
        state = gaussian_weights(probe.network, draws) if redraw else {}
        images, noise = (
            torch.randn(probe.images.shape, generator=draws).to(probe.images, non_blocking=True)
            for _ in range(2)
        )
        total += zen_statistic(probe.network, state, images, noise, pooled)
    return total / repeats


def zen_statistic(
    network: nn.Module, state: Mapping[str, Tensor], images: Tensor, noise: Tensor, pooled: bool = False
) -> float:
    """Return the score of one draw of weights and images.

    state:         tensors in place of the network's of the same name.
    images, noise: (batch, channels, height, width).
    pooled:        whether the features are what the head is given.

    BatchNorms in training mode update their running statistics, lent copies, by both forward passes.

    Raises NothingCollected when the network does not name its features; ProxyError when it names a module
    that it has not, one that is not called once in each pass, or whose first axis is not the batch.
    """
    lent = {name: buffer.clone() for name, buffer in network.named_buffers()} | dict(state)
    shifted = images + _SHIFT * noise
    with torch.no_grad(), _features(network, pooled) as found:
        # One after the other: in one batch, BatchNorm in training mode would have other statistics.
        call(network, images, lent)
        call(network, shifted, lent)
    if [len(features) for features in found] != [len(images)] * 2:
        raise ProxyError(
            f"Features of two forward passes over {len(images)} images are "
            f"{[tuple(features.shape) for features in found]}; expected one tensor each, the batch first."
        )
    distances = (found[1] - found[0]).abs_().flatten(1).sum(dim=1, dtype=torch.float64)  # (batch,)
    return (distances.mean().log() + _scales(network, lent)).item()


@contextmanager
def _features(network: nn.Module, pooled: bool) -> Iterator[list[Tensor]]:
    """Within, a list to which every forward pass adds its features."""
    found: list[Tensor] = []

    def keep(features: Tensor) -> None:
        found.append(features.clone())  # what follows may work in place

    def keep_input(module: nn.Module, inputs: Any) -> None:
        keep(inputs[0])

    def keep_output(module: nn.Module, inputs: Any, output: Tensor) -> None:
        keep(output)

    if pooled:
        handle = _head(network).register_forward_pre_hook(keep_input)
    else:
        handle = feature_map(network).register_forward_hook(keep_output)
    with handle:
        yield found


def _head(network: nn.Module) -> nn.Module:
    """The last weighted layer of the role head."""
    roles: Mapping[str, str] = getattr(network, "roles", {})
    heads = [module for name, module in weighted_layers(network).items() if roles.get(name) == "head"]
    if not heads:
        raise NothingCollected("The network names no layer of the role head, whose input is the features.")
    return heads[-1]


def _scales(network: nn.Module, lent: Mapping[str, Tensor]) -> Tensor:
    """Sum the logs of the BatchNorms' scales, the roots of their mean running variances, 0-d float64."""
    variances = [
        lent[f"{name}.running_var" if name else "running_var"].double().mean()
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_var is not None
    ]
    return torch.stack(variances).sqrt().log().sum() if variances else torch.zeros(()).double()
