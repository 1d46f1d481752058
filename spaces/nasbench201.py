"""NAS-Bench-201: cells of six edges, each one of five operations; all 15,625 were trained.

Source: Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR
2020. A stem, three stages of five equal cells with 16, 32 and 64 channels, between them a residual block that
halves the side, pooling and a classifier. Genome: the published text,
`{"cell": "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"}`: the operations into each node,
"+" between nodes, every operation with the node it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_SOURCES = ((0,), (0, 1), (0, 1, 2))  # of each node
_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


@dataclass(frozen=True)
class NASBench201(ChoiceSpace):
    """The space; channels: of the first stage, cells: of every stage."""

    name: str
    channels: int = 16
    cells: int = 5
    default_shape: ImageShape = field(default_factory=ImageShape)

    @property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The operations, for each of the six edges in the order of the text."""
        return (OPERATIONS,) * sum(map(len, _SOURCES))

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of `cell`, the published text; SpaceError unless it is one."""
        text = self._one_text(values, "cell")
        nodes = [node.strip("|").split("|") for node in text.split("+")]
        sources = tuple(tuple(edge.rpartition("~")[2] for edge in node) for node in nodes)
        if sources != tuple(tuple(map(str, node)) for node in _SOURCES):
            raise SpaceError(
                f"Genome of {self.name}: cell is '{text}', expected "
                "'|op~0|+|op~0|op~1|+|op~0|op~1|op~2|' with operations for op."
            )
        return self.of_genes([edge.rpartition("~")[0] for node in nodes for edge in node])

    def genes(self, architecture: Architecture) -> tuple[str, ...]:
        """Return the operation of every edge."""
        return tuple(
            edge.rpartition("~")[0] for node in nodes_of(self._values(architecture)) for edge in node
        )

    def of_genes(self, genes: Sequence[str]) -> Architecture:
        """Return the architecture of these operations."""
        operations = iter(genes)
        nodes = ["|" + "".join(f"{next(operations)}~{source}|" for source in node) for node in _SOURCES]
        return Architecture(self.name, canonical({"cell": "+".join(nodes)}))

    def cost(self, architecture: Architecture, shape: ImageShape) -> Cost:
        """Return the cost of the network of this shape, in closed form."""
        self.validate(architecture)
        kernels = [_KERNELS[gene] for gene in self.genes(architecture) if gene in _KERNELS]
        shape.halved(2)
        width, side = self.channels, shape.image_size
        total = convolution(shape.channels, width, 3, side) + batch_norm(width)
        for stage in range(3):
            if stage:
                width, side = 2 * width, side // 2
                total += relu_conv_bn(width // 2, width, 3, side) + relu_conv_bn(width, width, 3, side)
                total += convolution(width // 2, width, 1, side)
            for kernel in kernels:
                total += relu_conv_bn(width, width, kernel, side) * self.cells
        return total + batch_norm(width) + linear(width, shape.classes)

    def network(self, architecture: Architecture, shape: ImageShape) -> CellNetwork:
        """Make the network, whatever its weights."""
        shape.halved(2)
        return CellNetwork(self.genes(architecture), self.channels, self.cells, shape)


def nodes_of(values: Mapping[str, Any]) -> list[list[str]]:
    """Return the texts of the edges into each node."""
    return [node.strip("|").split("|") for node in values["cell"].split("+")]


class CellNetwork(ConvolutionalNetwork):
    """The network of one cell, its modules and their names those of the published weights.

    operations: of the cell's edges. channels: of the first stage. cells: of a stage.
    """

    feature_map = "lastact"

    def __init__(self, operations: Sequence[str], channels: int, cells: int, shape: ImageShape) -> None:
        super().__init__()
        self.input_shape = (shape.channels, shape.image_size, shape.image_size)
        self.stem = nn.Sequential(
            nn.Conv2d(shape.channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.cells = nn.ModuleList()
        width = channels
        for stage in range(3):
            if stage:
                width *= 2
                self.cells.append(Reduction(width // 2, width))
            self.cells.extend(Cell(operations, width) for _ in range(cells))
        self.lastact = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, shape.classes)
        self.stages = ["stem", *(f"cells.{index}" for index in range(len(self.cells)))]

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, side, side) to logits (batch, classes)."""
        x = self.stem(images)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(self.global_pooling(self.lastact(x)).flatten(1))


class Cell(nn.Module):
    """Each node is the sum of one operation on every earlier node; the last node is the output."""

    def __init__(self, operations: Sequence[str], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_operation(name, width) for name in operations)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to the same shape."""
        nodes, layers = [x], iter(self.layers)
        for sources in _SOURCES:
            nodes.append(sum(next(layers)(nodes[source]) for source in sources))
        return nodes[-1]


class Reduction(nn.Module):
    """A residual block that halves the side."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(width, wider, 3, stride=2)
        self.conv_b = ReLUConvBN(wider, wider, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(width, wider, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side / 2, side / 2)."""
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class AveragePool(nn.Module):
    """The mean of 3 x 3 pixels, of those inside the image."""

    def __init__(self) -> None:
        super().__init__()
        self.op = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to the same shape."""
        return self.op(x)


class Zero(nn.Module):
    """Nothing, of the shape of what comes in."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to zeros of the same shape."""
        return x * 0


def _operation(name: str, width: int) -> nn.Module:
    match name:
        case "none":
            return Zero()
        case "skip_connect":
            return nn.Identity()
        case "avg_pool_3x3":
            return AveragePool()
    return ReLUConvBN(width, width, _KERNELS[name])


register(NASBench201(name="nasbench201"))
