"""NAS-Bench-101: cells that are graphs of up to seven vertices and nine edges; all 423,624 were trained.

Source: Ying, Klein, Real, Christiansen, Murphy, Hutter, "NAS-Bench-101: Towards Reproducible Neural
Architecture Search", ICML 2019. A stem of 128 channels, three stacks of three equal cells, between them a
pooling that halves the side, each with twice the channels, mean and classifier. Genome:
`{"adjacency": "0101...", "operations": ["conv3x3-bn-relu", ...]}`: the upper triangle of the matrix row by
row, and the operations of the inner vertices.

A genome is that of the pruned graph, its vertices in one order whatever order they came in: isomorphic
cells are one architecture.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture, canonical
from spaces.cell_graph import Graph, pairs_of
from spaces.convolutional import (
    ConvolutionalNetwork,
    ConvolutionalSpace,
    Cost,
    ImageShape,
    batch_norm,
    convolution,
    linear,
)
from spaces.errors import SpaceError
from spaces.space import pick, register

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
VERTICES, EDGES = 7, 9  # at most
_KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}
_TRIES = 100  # at a mutation or a crossover before the architecture itself is returned


@dataclass(frozen=True)
class NASBench101(ConvolutionalSpace):
    """The space; channels: of the stem and the first stack, stacks of so many cells."""

    name: str
    channels: int = 128
    stacks: int = 3
    cells: int = 3
    default_shape: ImageShape = field(default_factory=ImageShape)

    @property
    def size(self) -> int:
        """How many cells there are that are not isomorphic, as the authors counted them."""
        return 423_624

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of a cell, pruned and in the one order of its vertices.

        values: adjacency, the upper triangle as text; operations, of the inner vertices.

        Raises SpaceError when a field is missing or malformed, or no path leads from input to output.
        """
        if sorted(values) != ["adjacency", "operations"]:
            raise SpaceError(
                f"A genome of {self.name} has the fields adjacency, operations; "
                f"got {', '.join(sorted(values))}."
            )
        adjacency, operations = values["adjacency"], values["operations"]
        pairs = len(pairs_of(len(operations) + 2)) if isinstance(operations, list | tuple) else -1
        if not isinstance(adjacency, str) or set(adjacency) - {"0", "1"} or len(adjacency) != pairs:
            raise SpaceError(
                f"Genome of {self.name}: adjacency is {adjacency!r}; expected as many of 0 and 1 as pairs of "
                "the operations' vertices with input and output."
            )
        return self.of_graph(Graph.of(adjacency, [str(name) for name in operations]))

    def of_graph(self, graph: Graph) -> Architecture:
        """Return the architecture of a cell; SpaceError when no path leads from input to output."""
        pruned = graph.pruned()
        if pruned is None:
            raise SpaceError(f"Genome of {self.name}: no path leads from the input to the output.")
        found = pruned.canonical(OPERATIONS)
        genome = {"adjacency": found.adjacency(), "operations": list(found.operations)}
        return Architecture(self.name, canonical(genome))

    def graph(self, architecture: Architecture) -> Graph:
        """Return the cell of an architecture."""
        return Graph.of(**self._values(architecture))

    def validate(self, architecture: Architecture) -> None:
        """Raise SpaceError unless the architecture has known operations and few enough vertices and edges."""
        graph = self.graph(architecture)
        for name in graph.operations:
            if name not in OPERATIONS:
                raise SpaceError(
                    f"Genome outside {self.name}: operation {name} is not one of {', '.join(OPERATIONS)}."
                )
        for what, count, most in (
            ("vertices", graph.vertices, VERTICES),
            ("edges", len(graph.edges), EDGES),
        ):
            if count > most:
                raise SpaceError(f"Genome outside {self.name}: {count} {what}, at most {most} are allowed.")

    def draw(self, generator: random.Random) -> Architecture:
        """Draw seven vertices with each edge at even odds, until what is left after pruning is a member.

        As the benchmark's own code draws: small graphs come up more often than under a uniform draw.
        """
        while True:
            edges = frozenset(pair for pair in pairs_of(VERTICES) if generator.random() < 0.5)
            operations = tuple(pick(generator, OPERATIONS) for _ in range(VERTICES - 2))
            found = self._member(Graph(edges, operations))
            if found:
                return found

    def mutate(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """Turn each possible edge with odds of one in 21 and redraw each operation with one in five.

        The cell is first filled up to seven vertices. It is tried again while the result is no member or the
        same, at most 100 times.
        """
        self.validate(architecture)
        graph, pairs = self._filled(architecture), pairs_of(VERTICES)
        for _ in range(_TRIES):
            turned = frozenset(pair for pair in pairs if generator.random() < 1 / len(pairs))
            operations = tuple(
                pick(generator, OPERATIONS) if generator.random() < 1 / len(graph.operations) else operation
                for operation in graph.operations
            )
            found = self._member(Graph(graph.edges ^ turned, operations))
            if found and found != architecture:
                return found
        return architecture

    def crossover(self, first: Architecture, second: Architecture, generator: random.Random) -> Architecture:
        """Take every edge and operation from either parent, both filled up to seven vertices.

        What is drawn is pruned; it is tried again while it is no member, at most 100 times.
        """
        self.validate(first)
        self.validate(second)
        parents = (self._filled(first), self._filled(second))
        for _ in range(_TRIES):
            edges = frozenset(pair for pair in pairs_of(VERTICES) if pair in pick(generator, parents).edges)
            pairs = zip(parents[0].operations, parents[1].operations, strict=True)
            found = self._member(Graph(edges, tuple(pick(generator, pair) for pair in pairs)))
            if found:
                return found
        return first

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        """Return the 21 bits of the matrix, filled up to seven vertices, then 1 for every vertex's operation.

        A vertex that is not there has no edges and none of the operations.
        """
        graph = self._filled(architecture)
        used = {vertex for edge in graph.edges for vertex in edge}
        bits = [float(pair in graph.edges) for pair in pairs_of(VERTICES)]
        return (
            *bits,
            *(
                float(vertex in used and operation == name)
                for vertex, operation in enumerate(graph.operations, 1)
                for name in OPERATIONS
            ),
        )

    def cost(self, architecture: Architecture, shape: ImageShape) -> Cost:
        """Return the cost of the network of this shape, in closed form."""
        self.validate(architecture)
        graph = self.graph(architecture)
        shape.halved(self.stacks - 1)
        width, side = self.channels, shape.image_size
        total = _conv_bn(shape.channels, width, 3, side)
        for stack in range(self.stacks):
            side, wider = (side // 2, 2 * width) if stack else (side, width)
            for cell in range(self.cells):
                total += _cell_cost(graph, width if cell == 0 else wider, wider, side)
            width = wider
        return total + linear(width, shape.classes)

    def network(self, architecture: Architecture, shape: ImageShape) -> CellNetwork:
        """Make the network, whatever its weights."""
        shape.halved(self.stacks - 1)
        return CellNetwork(self.graph(architecture), self.channels, self.stacks, self.cells, shape)

    def initialise(self, module: nn.Module, generator: torch.Generator) -> None:
        """Draw convolutions from N(0, 2 / fan-out) and the classifier from N(0, 0.01 ** 2), its bias 0.

        As NASLib's network does, in which the published proxies were measured.
        """
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01, generator=generator)
            nn.init.zeros_(module.bias)
        else:
            super().initialise(module, generator)

    def _member(self, graph: Graph) -> Architecture | None:
        """The architecture of a graph of known operations, if it is a member."""
        pruned = graph.pruned()
        if pruned is None or len(pruned.edges) > EDGES:
            return None
        return self.of_graph(pruned)

    def _filled(self, architecture: Architecture) -> Graph:
        """The cell with vertices without edges before the output, to make seven."""
        graph = self.graph(architecture)
        last, missing = graph.vertices - 1, VERTICES - graph.vertices
        edges = frozenset((a, VERTICES - 1 if b == last else b) for a, b in graph.edges)
        return Graph(edges, (*graph.operations, *OPERATIONS[:1] * missing))


def _conv_bn(width: int, wider: int, kernel: int, side: int) -> Cost:
    return convolution(width, wider, kernel, side) + batch_norm(wider)


def _cell_cost(graph: Graph, width: int, wider: int, side: int) -> Cost:
    channels = graph.channels(width, wider)
    total = Cost()
    for vertex, operation in enumerate(graph.operations, 1):
        if operation in _KERNELS:
            total += _conv_bn(channels[vertex], channels[vertex], _KERNELS[operation], side)
    for target in graph.targets(0):
        total += _conv_bn(width, channels[target], 1, side)
    return total


class CellNetwork(ConvolutionalNetwork):
    """The network of one cell; channels: of the stem and the first stack, stacks of so many cells."""

    def __init__(self, graph: Graph, channels: int, stacks: int, cells: int, shape: ImageShape) -> None:
        super().__init__()
        self.input_shape = (shape.channels, shape.image_size, shape.image_size)
        self.stem = ConvBNReLU(shape.channels, channels, 3)
        self.layers = nn.ModuleList()
        width = channels
        for stack in range(stacks):
            if stack:
                self.layers.append(nn.MaxPool2d(2))
            wider = 2 * width if stack else width
            self.layers.extend(Cell(graph, width if cell == 0 else wider, wider) for cell in range(cells))
            width = wider
        self.classifier = nn.Linear(width, shape.classes)
        cells_at = [f"layers.{i}" for i, layer in enumerate(self.layers) if isinstance(layer, Cell)]
        self.stages = ["stem", *cells_at]
        self.feature_map = cells_at[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, side, side) to logits (batch, classes)."""
        x = self.stem(images)
        for layer in self.layers:
            x = layer(x)
        return self.classifier(x.mean(dim=(2, 3)))


class Cell(nn.Module):
    """Every inner vertex sums what leads to it and works on it; the output joins the channels of the last.

    What comes from the input is projected by a 1 x 1 convolution; between inner vertices surplus channels are
    cut off.
    """

    def __init__(self, graph: Graph, width: int, wider: int) -> None:
        super().__init__()
        self.graph = graph
        self.channels = graph.channels(width, wider)
        self.projections = nn.ModuleDict(
            {str(vertex): ConvBNReLU(width, self.channels[vertex], 1) for vertex in graph.targets(0)}
        )
        self.operations = nn.ModuleList(
            _operation(name, self.channels[vertex]) for vertex, name in enumerate(graph.operations, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side, side)."""
        outputs = [x]
        for vertex, operation in enumerate(self.operations, 1):
            inner = [s for s in self.graph.sources(vertex) if s]
            coming = [outputs[source][:, : self.channels[vertex]] for source in inner]
            if str(vertex) in self.projections:
                coming.append(self.projections[str(vertex)](x))
            outputs.append(operation(sum(coming[1:], coming[0])))
        last = len(self.channels) - 1
        ends = [outputs[source] for source in self.graph.sources(last) if source]
        joined = [torch.cat(ends, dim=1)] if ends else []
        if str(last) in self.projections:
            joined.append(self.projections[str(last)](x))
        return sum(joined[1:], joined[0])


class ConvBNReLU(nn.Module):
    """A convolution without bias, BatchNorm, ReLU."""

    def __init__(self, width: int, wider: int, kernel: int) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.Conv2d(width, wider, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side, side)."""
        return self.op(x)


def _operation(name: str, width: int) -> nn.Module:
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return ConvBNReLU(width, width, _KERNELS[name])


SPACE = NASBench101(name="nasbench101")
register(SPACE)
