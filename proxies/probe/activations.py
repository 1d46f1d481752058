"""Which samples activate each neuron: sign patterns of activations, bit-packed as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from proxies.errors import NotANumber, NothingCollected, ProxyError
from proxies.probe.walk import Collector
from proxies.spectrum import eigenvalues

_NEURONS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class ActivationPatterns:
    """Which samples activate each neuron, one scalar of a sample's activation, of one call of a module.

    name:    of the module.
    layers:  number of weighted layers before it in the network.
    samples: number of samples.
    packed:  (ceil(samples / 8), neurons) uint8; bit s % 8 of row s // 8 is set where sample s is above zero.
    """

    name: str
    layers: int
    samples: int
    packed: Tensor


class Patterns(Collector):
    """The patterns of every call of some modules, in forward order.

    modules: by name, each with the number of weighted layers before it.
    samples: number of samples in the batch.
    tensor:  whether the "input" or the "output" of the modules is looked at. For activation functions, which
             keep the sign, both are the same; the input is still there when they work in place.

    Strictly above zero counts. A pattern takes 1 byte a neuron for 8 samples, 32 times less than the
    activations. Raises NotANumber when a module met NaN, which would pass for an inactive neuron;
    NothingCollected when none was called, or nothing was above zero.
    """

    def __init__(
        self,
        modules: Mapping[str, tuple[int, nn.Module]],
        samples: int,
        tensor: Literal["input", "output"] = "input",
    ) -> None:
        super().__init__()
        self.watched, self.samples, self.tensor = modules, samples, tensor
        self.found: list[ActivationPatterns] = []
        self.nan: list[tuple[str, Tensor]] = []
        self.failure: ProxyError | None = None

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook the modules; a call is known from part to part by its place in forward order."""
        number = iter(range(1 << 30))
        for name, (layers, module) in self.watched.items():
            keep = self._keep(name, layers, part, number)
            if self.tensor == "input":
                yield module.register_forward_pre_hook(lambda _, inputs, keep=keep: keep(inputs[0]))
            else:
                yield module.register_forward_hook(lambda _, inputs, output, keep=keep: keep(output))

    def _keep(self, name: str, layers: int, part: slice, number: Any) -> Callable[[Tensor], None]:
        def keep(values: Tensor) -> None:
            if len(values) != part.stop - part.start:
                self.failure = ProxyError(
                    f"Module '{name}' was given {len(values)} rows for {part.stop - part.start} images; "
                    "its first axis must be the batch."
                )
                return
            values = values.detach().flatten(1)  # (part, neurons)
            place = next(number)
            if place == len(self.found):
                packed = values.new_zeros(-(-self.samples // 8), values.shape[1], dtype=torch.uint8)
                self.found.append(ActivationPatterns(name, layers, self.samples, packed))
            if values.numel():
                self.nan.append((name, values.amin().isnan()))  # NaN is less than all
            pack(values > 0, self.found[place].packed, part.start)

        return keep

    def result(self) -> list[ActivationPatterns]:
        """Return the patterns, one entry a call."""
        if self.failure:
            raise self.failure
        for name, nan in self.nan:
            if nan:
                raise NotANumber(f"Module '{name}' met NaN.")
        if not self.found:
            raise NothingCollected(
                "No activations were hooked: the forward pass called no activation module."
            )
        if not any(pattern.packed.any() for pattern in self.found):
            raise NothingCollected(f"No {self.tensor} of the hooked modules is above zero for any image.")
        return self.found


def pack(active: Tensor, packed: Tensor, start: int = 0) -> Tensor:
    """Write (samples, neurons) bool into (bytes, neurons) uint8 as samples start, ...; return the latter."""
    for bit in range(8):
        first = (bit - start) % 8  # of the samples that this bit of a byte stands for
        rows = active[first::8].view(torch.uint8)
        byte = (start + first) // 8
        packed[byte : byte + len(rows)] |= rows << bit
    return packed


def unpack(pattern: ActivationPatterns, neurons: slice) -> Tensor:
    """Return +1 where a sample is above zero and -1 elsewhere, (samples, neurons) float32."""
    rows = pattern.packed[:, neurons].repeat_interleave(8, dim=0)[: pattern.samples]
    shifts = torch.arange(pattern.samples, dtype=torch.uint8, device=rows.device) % 8
    return (rows >> shifts.unsqueeze(1) & 1).float().mul_(2).sub_(1)


def agreement(patterns: Iterable[ActivationPatterns]) -> Tensor:
    """Return in how many neurons samples p and q are both active or both not, (samples, samples) float64.

    Symmetric; the diagonal is the number of neurons. Exact: products of +-1 summed in float32 below 2**24
    each.
    """
    neurons = 0
    total: Tensor | None = None
    for pattern in patterns:
        width = pattern.packed.shape[1]
        for start in range(0, width, _NEURONS_AT_ONCE):
            signs = unpack(pattern, slice(start, start + _NEURONS_AT_ONCE))
            product = (signs @ signs.T).double()
            total = product if total is None else total + product
        neurons += width
    if total is None:
        raise NothingCollected("No activations were hooked.")
    return (total + neurons) / 2


def log_determinant(kernel: Tensor) -> Tensor:
    """Return the log-determinant of a kernel of agreement, 0-d float64; -inf where it is singular."""
    values = eigenvalues(kernel)  # ascending
    rounding = torch.finfo(kernel.dtype).eps * len(kernel) * values[-1]
    singular = values[0] <= rounding
    return torch.where(singular, -torch.inf, values.clamp(min=rounding).log().sum())


def distinct(patterns: Iterable[ActivationPatterns]) -> int:
    """Return the number of distinct columns: patterns that some neuron shows over the samples."""
    # Distinct within a module first: the pool then holds few of the millions of neurons.
    return len(_distinct_rows(torch.cat([_distinct_rows(_words(pattern.packed)) for pattern in patterns])))


def _words(packed: Tensor) -> Tensor:
    """Patterns (bytes, neurons) uint8 as whole numbers, (neurons, words) int64."""
    words = []
    for some in packed.split(8):
        word = torch.zeros_like(packed[0], dtype=torch.int64)
        for place, byte in enumerate(some):
            word |= byte.long() << (8 * place)
        words.append(word)
    return torch.stack(words, dim=1)


def _distinct_rows(rows: Tensor) -> Tensor:
    """The distinct rows of (neurons, words) int64; a number sorts sixty times faster than a row."""
    if rows.shape[1] > 1:
        return rows.unique(dim=0)
    numbers = rows.flatten()
    largest = 1 << 16
    if numbers.numel() and numbers.amin() >= 0 and numbers.amax() < largest:  # a table needs no sorting
        return numbers.bincount().nonzero()
    return numbers.unique().unsqueeze(1)
