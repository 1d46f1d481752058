"""NAS-Bench-301: DARTS's cells, one for the body and one that halves the side.

Source: Siems, Zimmer, Zela, Lukasik, Keuper, Hutter, "NAS-Bench-301 and the Case for Surrogate Benchmarks for
Neural Architecture Search", arXiv:2008.09777; Liu, Simonyan, Yang, "DARTS", ICLR 2019. Cells of four nodes,
each the sum of two operations on two of the cell's two inputs and earlier nodes; the nodes joined are the
output. Genome: DARTS's genotype, `{"normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ...], "reduce":
[...]}`: two edges into each node, an operation with the number of what it reads, the smaller first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture, canonical
from spaces.convolutional import (
    ChoiceSpace,
    ConvolutionalNetwork,
    Cost,
    ImageShape,
    ReLUConvBN,
    batch_norm,
    convolution,
    linear,
    relu_conv_bn,
)
from spaces.errors import SpaceError
from spaces.space import register

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NODES = 4
_CELLS = ("normal", "reduce")
_STEM = 3  # times the first cells' channels

# Two edges into each node: operation, and what it reads: 0 and 1 the cell's inputs, 2 its first node, ...
Genotype = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class NASBench301(ChoiceSpace):
    """The space; channels: of the first cells, cells: in all, of which two halve the side."""

    name: str
    channels: int = 32
    cells: int = 8
    default_shape: ImageShape = field(default_factory=ImageShape)

    @property
    def choices(self) -> tuple[tuple[Any, ...], ...]:
        """For each node of both cells, the pair of what it reads and the two operations."""
        found: list[tuple[Any, ...]] = []
        for _ in _CELLS:
            for node in range(NODES):
                found += [tuple(itertools.combinations(range(node + 2), 2)), OPERATIONS, OPERATIONS]
        return tuple(found)

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of a genotype, each node's edges by what they read.

        values: normal and reduce, each eight pairs of an operation and what it reads.

        Raises SpaceError when a field is missing or malformed.
        """
        if sorted(values) != list(_CELLS):
            raise SpaceError(
                f"A genome of {self.name} has the fields normal, reduce; got {', '.join(sorted(values))}."
            )
        return Architecture(self.name, canonical({cell: self._edges(cell, values[cell]) for cell in _CELLS}))

    def _edges(self, cell: str, edges: Any) -> list[list[Any]]:
        try:
            pairs = [(str(operation), int(source)) for operation, source in edges]
        except (TypeError, ValueError):
            pairs = []
        nodes = [pairs[start : start + 2] for start in range(0, len(pairs), 2)]
        if len(pairs) != 2 * NODES or any(first[1] == second[1] for first, second in nodes):
            raise SpaceError(
                f"Genome of {self.name}: {cell} is {edges!r}; expected {2 * NODES} pairs of an operation and "
                "what it reads, two for each node, which read two different things."
            )
        return [list(edge) for node in nodes for edge in sorted(node, key=lambda edge: edge[1])]

    def genotype(self, architecture: Architecture) -> dict[str, Genotype]:
        """Return the edges of both cells."""
        values = self._values(architecture)
        return {cell: tuple((operation, source) for operation, source in values[cell]) for cell in _CELLS}

    def genes(self, architecture: Architecture) -> tuple[Any, ...]:
        """Return for each node of both cells the pair of what it reads and the two operations."""
        found: list[Any] = []
        for edges in self.genotype(architecture).values():
            for first, second in zip(edges[::2], edges[1::2], strict=True):
                found += [(first[1], second[1]), first[0], second[0]]
        return tuple(found)

    def of_genes(self, genes: Sequence[Any]) -> Architecture:
        """Return the architecture of these genes."""
        edges = []
        for pair, first, second in zip(genes[::3], genes[1::3], genes[2::3], strict=True):
            edges += [(first, pair[0]), (second, pair[1])]
        half = 2 * NODES
        return self.architecture({"normal": edges[:half], "reduce": edges[half:]})

    def cost(self, architecture: Architecture, shape: ImageShape) -> Cost:
        """Return the cost of the network of this shape, in closed form."""
        self.validate(architecture)
        genotype = self.genotype(architecture)
        shape.halved(2)
        side, stem = shape.image_size, _STEM * self.channels
        total = convolution(shape.channels, stem, 3, side) + batch_norm(stem)
        for plan in _plans(self.channels, self.cells):
            # What comes from before the last reduction is halved on its way in.
            total += relu_conv_bn(plan.before, plan.width, 1, side)
            total += relu_conv_bn(plan.last, plan.width, 1, side)
            for operation, source in genotype[plan.cell]:
                stride = 2 if plan.reduces and source < 2 else 1
                total += _operation_cost(operation, plan.width, stride, side // plan.stride)
            side //= plan.stride
        return total + linear(plan.width * NODES, shape.classes)

    def network(self, architecture: Architecture, shape: ImageShape) -> Network:
        """Make the network, whatever its weights."""
        shape.halved(2)
        return Network(self.genotype(architecture), self.channels, self.cells, shape)


@dataclass(frozen=True)
class _Plan:
    """A cell's place: channels of what it reads, from two cells before and the last, and of its nodes."""

    cell: str
    before: int
    last: int
    width: int
    after_reduction: bool

    @property
    def reduces(self) -> bool:
        return self.cell == "reduce"

    @property
    def stride(self) -> int:
        return 2 if self.reduces else 1


def _plans(channels: int, cells: int) -> Iterator[_Plan]:
    width = channels
    before = last = _STEM * channels
    after_reduction = False
    for number in range(cells):
        reduces = number in (cells // 3, 2 * cells // 3)
        width *= 2 if reduces else 1
        yield _Plan("reduce" if reduces else "normal", before, last, width, after_reduction)
        before, last, after_reduction = last, NODES * width, reduces


def _operation_cost(name: str, width: int, stride: int, side: int) -> Cost:
    """The cost of an operation whose output has this side; its BatchNorms have no weights."""
    if name == "skip_connect":
        return convolution(width, width, 1, side) if stride == 2 else Cost()
    if name.endswith("pool_3x3"):
        return Cost()
    kind, _, kernel = name.partition("_conv_")
    pair = convolution(width, width, int(kernel[0]), side, groups=width) + convolution(width, width, 1, side)
    return pair * (2 if kind == "sep" else 1)


class Network(ConvolutionalNetwork):
    """The network of two cells; channels: of the first ones, cells: in all."""

    def __init__(
        self, genotype: Mapping[str, Genotype], channels: int, cells: int, shape: ImageShape
    ) -> None:
        super().__init__()
        self.input_shape = (shape.channels, shape.image_size, shape.image_size)
        stem = _STEM * channels
        self.stem = nn.Sequential(
            nn.Conv2d(shape.channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem)
        )
        plans = list(_plans(channels, cells))
        self.cells = nn.ModuleList(Cell(genotype[plan.cell], plan) for plan in plans)
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(NODES * plans[-1].width, shape.classes)
        cells_at = [f"cells.{index}" for index in range(cells)]
        self.stages = ["stem", *cells_at]
        self.feature_map = cells_at[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, side, side) to logits (batch, classes)."""
        before = last = self.stem(images)
        for cell in self.cells:
            before, last = last, cell(last, before)
        return self.classifier(self.pooling(last).flatten(1))


class Cell(nn.Module):
    """Nodes that each sum two operations; the channels of all are the output."""

    def __init__(self, edges: Genotype, plan: _Plan) -> None:
        super().__init__()
        self.sources = [source for _, source in edges]
        self.before: nn.Module = (
            Halving(plan.before, plan.width, affine=True)
            if plan.after_reduction
            else ReLUConvBN(plan.before, plan.width, 1)
        )
        self.last = ReLUConvBN(plan.last, plan.width, 1)
        self.operations = nn.ModuleList(
            _operation(name, plan.width, 2 if plan.reduces and source < 2 else 1) for name, source in edges
        )

    def forward(self, last: Tensor, before: Tensor) -> Tensor:
        """Outputs of the last cell and the one before to (batch, 4 * width, side, side)."""
        states = [self.before(before), self.last(last)]
        done = list(zip(self.operations, self.sources, strict=True))
        for (first, one), (second, other) in zip(done[::2], done[1::2], strict=True):
            states.append(first(states[one]) + second(states[other]))
        return torch.cat(states[2:], dim=1)


class Halving(nn.Module):
    """ReLU, half the channels from the even pixels and half from the odd ones, BatchNorm."""

    def __init__(self, width: int, wider: int, affine: bool = False) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(width, wider // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(width, wider // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(wider, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side / 2, side / 2)."""
        x = self.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))


def _separable(width: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(width, width, kernel, stride, padding, dilation=dilation, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width, affine=False),
    ]


def _operation(name: str, width: int, stride: int) -> nn.Module:
    if name == "skip_connect":
        return Halving(width, width) if stride == 2 else nn.Identity()
    norm = nn.BatchNorm2d(width, affine=False)
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), norm)
    if name == "avg_pool_3x3":
        return nn.Sequential(nn.AvgPool2d(3, stride, padding=1, count_include_pad=False), norm)
    kind, _, kernel = name.partition("_conv_")
    size = int(kernel[0])
    if kind == "dil":
        return nn.Sequential(*_separable(width, size, stride, dilation=2))
    return nn.Sequential(*_separable(width, size, stride, 1), *_separable(width, size, 1, 1))


register(NASBench301("nasbench301"))
register(NASBench301("nasbench301-20", channels=36, cells=20))
