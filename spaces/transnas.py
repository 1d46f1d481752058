"""TransNAS-Bench-101: one encoder for seven vision tasks, its cell (micro) or its skeleton (macro) searched.

Source: Duan, Chen, Xu, Chen, Liang, Zhang, Li, "TransNAS-Bench-101: Improving Transferability and
Generalizability of Cross-Task Neural Architecture Search", CVPR 2021. Genome: the published text,
`{"network": "64-41414-1_02_333"}`: 64 channels after the stem, five stages of two cells, and the operations
into each node of the cell, or "basic" for residual blocks. A stage's digit says whether it doubles the
channels (2), halves the side (3), both (4) or neither (1).
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture, canonical
from spaces.convolutional import (
    ChoiceSpace,
    ConvolutionalNetwork,
    ConvolutionalSpace,
    Cost,
    ImageShape,
    ReLUConvBN,
    batch_norm,
    convolution,
    relu_conv_bn,
)
from spaces.errors import SpaceError
from spaces.space import pick, register
from spaces.transnas_heads import DECODER, head_cost, head_of

CHANNELS = 64  # after the stem
CELLS = 2  # of a stage
OPERATIONS = ("0", "1", "2", "3")  # nothing, skip, 1 x 1 and 3 x 3 convolution
_NODES = ((0,), (0, 1), (0, 1, 2))  # what each node of a cell reads
_KERNELS = {"2": 1, "3": 3}
_MICRO_STAGES = "41414"
_LENGTHS, _HALVINGS, _DOUBLINGS = (4, 5, 6), (1, 2, 3, 4), (1, 2, 3)
_DIGITS = ("1", "2", "3", "4")


def _halves(digit: str) -> bool:
    return digit in "34"


def _doubles(digit: str) -> bool:
    return digit in "24"


@functools.cache
def skeletons() -> tuple[str, ...]:
    """Return the digits of all macro networks, in the order of the benchmark's own numbering."""
    found = []
    for length in _LENGTHS:
        for doublings in _DOUBLINGS:
            for halvings in _HALVINGS:
                for doubled in itertools.combinations(range(length), doublings):
                    for halved in itertools.combinations(range(length), halvings):
                        places = ((i in doubled) + 2 * (i in halved) for i in range(length))
                        found.append("".join(_DIGITS[place] for place in places))
    return tuple(found)


class TransNAS(ConvolutionalSpace):
    """What both spaces share: the network of a text, and its cost.

    Weights are drawn as torch does, as in NASLib's networks, in which the published proxies were measured;
    the benchmark's own code draws the encoder's convolutions from N(0, 2 / fan-out).
    """

    targets = tuple(DECODER)

    def code(self, architecture: Architecture) -> tuple[str, str]:
        """Return the digits of the stages, and those of the cell's edges, "" for residual blocks."""
        _, stages, cell = self._values(architecture)["network"].split("-")
        return stages, "" if cell == "basic" else cell.replace("_", "")

    def cost(self, architecture: Architecture, shape: ImageShape) -> Cost:
        """Return the cost of the network of this shape, in closed form."""
        self.validate(architecture)
        stages, cell = self.code(architecture)
        shape.halved(2 + sum(map(_halves, stages)))
        width, side = CHANNELS, shape.image_size // 4
        total = convolution(shape.channels, width // 2, 3, 2 * side) + batch_norm(width // 2)
        total += relu_conv_bn(width // 2, width, 3, side)
        for digit in stages:
            wider, stride = (2 * width if _doubles(digit) else width), (2 if _halves(digit) else 1)
            side //= stride
            block = _micro_cost if cell else _basic_cost
            total += block(cell, width, wider, stride, side) + block(cell, wider, wider, 1, side) * (
                CELLS - 1
            )
            width = wider
        pieces = DECODER[shape.target].pieces
        return Cost(total.params, total.macs * pieces) + head_cost(shape, width, side)

    def network(self, architecture: Architecture, shape: ImageShape) -> Network:
        """Make the network, whatever its weights."""
        stages, cell = self.code(architecture)
        shape.halved(2 + sum(map(_halves, stages)))
        return Network(stages, cell, shape)


@dataclass(frozen=True)
class Micro(TransNAS, ChoiceSpace):
    """The cells: six edges, each one of four operations."""

    name: str = "transnas-micro"
    default_shape: ImageShape = field(default_factory=lambda: ImageShape(256, 3, 75))

    @property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The operations, for each of the six edges in the order of the text."""
        return (OPERATIONS,) * sum(map(len, _NODES))

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of `network`, the published text; SpaceError unless it is one."""
        text = self._one_text(values, "network")
        if not re.fullmatch(r"64-41414-\d_\d\d_\d\d\d", text):
            raise SpaceError(f"Genome of {self.name}: network is '{text}', expected '64-41414-a_bc_def'.")
        return self.of_genes(text.split("-")[2].replace("_", ""))

    def genes(self, architecture: Architecture) -> tuple[str, ...]:
        """Return the operation of every edge."""
        return tuple(self.code(architecture)[1])

    def of_genes(self, genes: Sequence[str]) -> Architecture:
        """Return the architecture of these operations."""
        cell = "_".join(("".join(genes[:1]), "".join(genes[1:3]), "".join(genes[3:])))
        return Architecture(self.name, canonical({"network": f"{CHANNELS}-{_MICRO_STAGES}-{cell}"}))


@dataclass(frozen=True)
class Macro(TransNAS):
    """The skeletons: four to six stages, one to four of which halve the side and one to three double."""

    name: str = "transnas-macro"
    default_shape: ImageShape = field(default_factory=lambda: ImageShape(256, 3, 75))

    @property
    def size(self) -> int:
        """3,256."""
        return len(skeletons())

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of `network`, the published text; SpaceError unless it is one."""
        text = self._one_text(values, "network")
        if not re.fullmatch(r"64-\d+-basic", text):
            raise SpaceError(f"Genome of {self.name}: network is '{text}', expected '64-1234-basic'.")
        return self.of_stages(text.split("-")[1])

    def of_stages(self, stages: Sequence[str]) -> Architecture:
        """Return the architecture of the stages' digits."""
        return Architecture(self.name, canonical({"network": f"{CHANNELS}-{''.join(stages)}-basic"}))

    def validate(self, architecture: Architecture) -> None:
        """Raise SpaceError, naming what is too much or too little, unless it is a member of this space."""
        stages = self.code(architecture)[0]
        for digit in stages:
            if digit not in _DIGITS:
                raise SpaceError(
                    f"Genome outside {self.name}: stage {digit} is not one of {', '.join(_DIGITS)}."
                )
        for what, count, allowed in (
            ("stages", len(stages), _LENGTHS),
            ("stages that halve the side", sum(map(_halves, stages)), _HALVINGS),
            ("stages that double the channels", sum(map(_doubles, stages)), _DOUBLINGS),
        ):
            if count not in allowed:
                raise SpaceError(
                    f"Genome outside {self.name}: {count} {what}, expected {allowed[0]} to {allowed[-1]}."
                )

    def draw(self, generator: random.Random) -> Architecture:
        """Draw one of all skeletons."""
        return self.of_stages(pick(generator, skeletons()))

    def mutate(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """Return one of the skeletons that differ in one stage, or by one stage more or less at the end."""
        self.validate(architecture)
        stages = self.code(architecture)[0]
        changed = [
            stages[:place] + digit + stages[place + 1 :] for place in range(len(stages)) for digit in _DIGITS
        ]
        longer = [stages + digit for digit in _DIGITS]
        members = set(skeletons())
        near = [code for code in (*changed, *longer, stages[:-1]) if code in members and code != stages]
        return self.of_stages(pick(generator, tuple(near)))

    def crossover(self, first: Architecture, second: Architecture, generator: random.Random) -> Architecture:
        """Take the length and every stage from either parent that has it; the first if that is no member."""
        self.validate(first)
        self.validate(second)
        parents = (self.code(first)[0], self.code(second)[0])
        length = len(pick(generator, parents))
        alive = [tuple(stages[place] for stages in parents if place < len(stages)) for place in range(length)]
        child = self.of_stages([pick(generator, digits) for digits in alive])
        try:
            self.validate(child)
        except SpaceError:
            return first
        return child

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        """Return stage by stage whether it is there, halves and doubles, up to six of them."""
        self.validate(architecture)
        stages = self.code(architecture)[0]
        return tuple(
            float(value)
            for place in range(_LENGTHS[-1])
            for value in (
                (1, _halves(stages[place]), _doubles(stages[place])) if place < len(stages) else (0, 0, 0)
            )
        )


def _micro_cost(cell: str, width: int, wider: int, stride: int, side: int) -> Cost:
    """The cost of a cell whose output has this side."""
    total = Cost()
    for operation, source in zip(cell, itertools.chain(*_NODES), strict=True):
        coming = wider if source else width
        if operation in _KERNELS:
            total += relu_conv_bn(coming, wider, _KERNELS[operation], side)
        elif operation == "1" and not source and (stride > 1 or width != wider):
            total += relu_conv_bn(coming, wider, 1, side)  # two convolutions of half the channels each
    return total


def _basic_cost(_: str, width: int, wider: int, stride: int, side: int) -> Cost:
    """The cost of a residual block whose output has this side."""
    total = relu_conv_bn(width, wider, 3, side) + relu_conv_bn(wider, wider, 3, side)
    if stride > 1 or width != wider:
        total += relu_conv_bn(width, wider, 1, side)
    return total


class Network(ConvolutionalNetwork):
    """An encoder with the head of its task.

    stages: digits. cell: digits of the edges, "" for residual blocks.

    It says of itself which loss its task has (`loss`).
    """

    embed_at, head_at = "encoder.stem", "head"

    def __init__(self, stages: str, cell: str, shape: ImageShape) -> None:
        super().__init__()
        decoder = DECODER[shape.target]
        self.pieces, self.loss = decoder.pieces, decoder.loss
        self.input_shape = (shape.channels * self.pieces, shape.image_size, shape.image_size)
        self.encoder = nn.ModuleDict()
        self.encoder["stem"] = nn.Sequential(
            nn.Conv2d(shape.channels, CHANNELS // 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(CHANNELS // 2),
            ReLUConvBN(CHANNELS // 2, CHANNELS, 3, stride=2),
        )
        width, side = CHANNELS, shape.image_size // 4
        for number, digit in enumerate(stages):
            wider, stride = (2 * width if _doubles(digit) else width), (2 if _halves(digit) else 1)
            side //= stride
            blocks = [_block(cell, width, wider, stride)]
            blocks += [_block(cell, wider, wider, 1) for _ in range(CELLS - 1)]
            self.encoder[f"layer{number}"] = nn.Sequential(*blocks)
            width = wider
        self.joined = nn.Identity()  # where the feature map is, of all the pieces of an image at once
        self.head = head_of(shape, width, side)
        blocks_at = [f"encoder.layer{n}.{b}" for n in range(len(stages)) for b in range(CELLS)]
        self.stages = ["encoder.stem", *blocks_at]
        self.feature_map = "joined"

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, side, side) to what the head makes of them.

        The pieces of a puzzle come as channels, (batch, 9 * channels, side, side); each is encoded by itself.
        """
        pieces = [self._encoded(piece) for piece in images.chunk(self.pieces, dim=1)]
        return self.head(self.joined(torch.cat(pieces, dim=1) if len(pieces) > 1 else pieces[0]))

    def _encoded(self, x: Tensor) -> Tensor:
        for layer in self.encoder.values():
            x = layer(x)
        return x


def _block(cell: str, width: int, wider: int, stride: int) -> nn.Module:
    return Cell(cell, width, wider, stride) if cell else BasicBlock(width, wider, stride)


class Cell(nn.Module):
    """Each node is the sum of one operation on every earlier node; the last node is the output."""

    def __init__(self, cell: str, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            _operation(operation, wider, wider, 1) if source else _operation(operation, width, wider, stride)
            for operation, source in zip(cell, itertools.chain(*_NODES), strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side / stride, side / stride)."""
        nodes, edges = [x], iter(self.edges)
        for sources in _NODES:
            coming = [next(edges)(nodes[source]) for source in sources]
            nodes.append(sum(coming[1:], coming[0]))
        return nodes[-1]


class BasicBlock(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(width, wider, 3, stride)
        self.conv_b = ReLUConvBN(wider, wider, 3)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or width != wider:
            self.downsample = nn.Sequential(
                nn.Conv2d(width, wider, 1, stride=stride, bias=False), nn.BatchNorm2d(wider)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side / stride, side / stride)."""
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class FactorizedReduction(nn.Module):
    """ReLU, then half the channels from the even pixels and half from the odd ones, BatchNorm."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.convs = nn.ModuleList(
            nn.Conv2d(width, wider // 2, 1, stride=stride, bias=False) for _ in range(2)
        )
        self.pad = nn.ConstantPad2d((0, 1, 0, 1), 0)
        self.bn = nn.BatchNorm2d(wider)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side / stride, side / stride)."""
        x = self.relu(x)
        shifted = self.pad(x)[:, :, 1:, 1:]
        return self.bn(torch.cat([self.convs[0](x), self.convs[1](shifted)], dim=1))


class Zero(nn.Module):
    """Nothing, of the shape that an operation would give."""

    def __init__(self, wider: int, stride: int) -> None:
        super().__init__()
        self.wider, self.stride = wider, stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to zeros (batch, wider, side / stride, side / stride)."""
        zeros = x[:, :, :: self.stride, :: self.stride] * 0
        return zeros.repeat(1, self.wider // x.shape[1], 1, 1)


def _operation(name: str, width: int, wider: int, stride: int) -> nn.Module:
    if name in _KERNELS:
        return ReLUConvBN(width, wider, _KERNELS[name], stride)
    if name == "0":
        return Zero(wider, stride)
    return nn.Identity() if (stride, width) == (1, wider) else FactorizedReduction(width, wider, stride)


register(Micro())
register(Macro())
