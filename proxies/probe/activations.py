"""Forward pass over the first batch: the sign pattern of every activation, bit-packed as it comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from proxies.errors import NotANumber, NothingCollected, ProxyError
from proxies.probe.layers import activation_modules, call

_NEURONS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class ActivationPatterns:
    """Which samples activate each neuron, one scalar of a sample's activation, of one activation module.

    name:    of the module.
    layers:  number of weighted layers before it in the network.
    samples: number of samples.
    packed:  (neurons, words) int64; bit s % 64 of word s // 64 is set where sample s is above zero.
    """

    name: str
    layers: int
    samples: int
    packed: Tensor


def collect_activations(network: nn.Module, images: Tensor) -> list[ActivationPatterns]:
    """Return the patterns of every call of an activation module, in forward order.

    The input is tested (strictly above zero), which is the same as the output for the modules that count, and
    still there when the module works in place. A pattern takes 8 bytes a neuron for 64 samples, 32 times less
    than the activations.

    Raises NothingCollected without activation modules, or when none was called; NotANumber when one was given
    NaN, which would pass for an inactive neuron.
    """
    found: list[ActivationPatterns] = []

    def hook(name: str, layers: int) -> Callable[[nn.Module, Any], None]:
        def keep(module: nn.Module, inputs: Any) -> None:
            before = inputs[0]  # (batch, ...)
            if before.shape[0] != len(images):
                raise ProxyError(
                    f"Activation '{name}' was given {before.shape[0]} rows for {len(images)} images; "
                    "its first axis must be the batch."
                )
            if before.isnan().any():
                raise NotANumber(f"Activation '{name}' was given NaN.")
            found.append(ActivationPatterns(name, layers, len(images), pack(before.flatten(1) > 0)))

        return keep

    with ExitStack() as hooks, torch.no_grad():
        for name, (layers, module) in activation_modules(network).items():
            hooks.enter_context(module.register_forward_pre_hook(hook(name, layers)))
        call(network, images)
    if not found:
        raise NothingCollected("No activations were hooked: the forward pass called no activation module.")
    return found


def pack(active: Tensor) -> Tensor:
    """Pack (samples, neurons) bool into (neurons, words) int64, the first sample in the lowest bit."""
    samples, neurons = active.shape
    rows = active.new_zeros(8 * -(-samples // 64), neurons, dtype=torch.uint8)
    for sample, row in enumerate(active.to(torch.uint8)):
        rows[sample // 8] |= row << (sample % 8)
    return rows.T.contiguous().view(torch.int64)


def agreement(patterns: list[ActivationPatterns]) -> Tensor:
    """Return in how many neurons samples p and q are both active or both not, (samples, samples) float64.

    Symmetric; the diagonal is the number of neurons. Exact: products of +-1 summed in float32 below 2**24
    each.
    """
    samples = patterns[0].samples
    total = torch.zeros(samples, samples, dtype=torch.float64, device=patterns[0].packed.device)
    bits = torch.arange(8, dtype=torch.uint8, device=total.device)
    for pattern in patterns:
        for packed in pattern.packed.split(_NEURONS_AT_ONCE):
            rows = packed.view(torch.uint8)  # (neurons, 8 * words)
            active = (rows.unsqueeze(-1) >> bits & 1).flatten(1)[:, :samples]  # (neurons, samples)
            signs = active.float() * 2 - 1
            total += (signs.T @ signs).double()
    neurons = sum(len(pattern.packed) for pattern in patterns)
    return (total + neurons) / 2
