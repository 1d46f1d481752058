"""Cells that are graphs: pruning, the one form that stands for all isomorphic ones, and channels.

Source: Ying et al., "NAS-Bench-101", ICML 2019.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Graph:
    """A cell: vertex 0 is the input, the last the output.

    edges:      pairs of vertices, the first smaller.
    operations: of the inner vertices, in their order.
    """

    edges: frozenset[tuple[int, int]]
    operations: tuple[str, ...]

    @property
    def vertices(self) -> int:
        """How many, with input and output."""
        return len(self.operations) + 2

    def sources(self, vertex: int) -> list[int]:
        """Return the vertices with an edge to this one, ascending."""
        return [source for source in range(vertex) if (source, vertex) in self.edges]

    def targets(self, vertex: int) -> list[int]:
        """Return the vertices that this one has an edge to, ascending."""
        return [target for target in range(vertex + 1, self.vertices) if (vertex, target) in self.edges]

    def pruned(self) -> Graph | None:
        """Return the graph of the vertices that lie on a path from input to output; None without one."""
        last = self.vertices - 1
        reached, leading = {0}, {last}
        for vertex in range(1, self.vertices):
            if reached & set(self.sources(vertex)):
                reached.add(vertex)
        for vertex in reversed(range(last)):
            if leading & set(self.targets(vertex)):
                leading.add(vertex)
        if last not in reached:
            return None
        return self.reordered(sorted(reached & leading))

    def reordered(self, order: Sequence[int]) -> Graph:
        """Return the graph of these vertices in this order; every edge must still lead onwards."""
        place = {vertex: index for index, vertex in enumerate(order)}
        edges = frozenset((place[a], place[b]) for a, b in self.edges if a in place and b in place)
        return Graph(edges, tuple(self.operations[vertex - 1] for vertex in order[1:-1]))

    @functools.lru_cache(maxsize=1 << 12)  # noqa: B019 - graphs are values: one entry serves all equal ones
    def canonical(self, names: tuple[str, ...]) -> Graph:
        """Return the one graph that stands for all that are isomorphic to this one.

        names: of the operations; others come after them.

        It is the first in the authors' enumeration: by the matrix's bits, column by column, read as a number
        whose last bit counts most, then by the operations. The channels of a cell depend on the order of its
        vertices, and the published networks are those of this one.
        """

        def enumerated(order: Sequence[int]) -> tuple[int, list[tuple[int, str]]]:
            place = {vertex: index for index, vertex in enumerate(order)}
            pairs = ((place[a], place[b]) for a, b in self.edges)
            labels = [self.operations[vertex - 1] for vertex in order[1:-1]]
            ranks = [(names.index(label) if label in names else len(names), label) for label in labels]
            return sum(1 << (a + b * (b - 1) // 2) for a, b in pairs), ranks

        return self.reordered(min(self._orders(), key=enumerated))

    def _orders(self) -> Iterator[list[int]]:
        """Every order of the vertices in which edges lead onwards, input first and output last."""
        last = self.vertices - 1

        def extended(order: list[int]) -> Iterator[list[int]]:
            left = [vertex for vertex in range(1, last) if vertex not in order]
            if not left:
                yield [*order, last]
            for vertex in left:
                if not set(self.sources(vertex)) & set(left):
                    yield from extended([*order, vertex])

        return extended([0])

    def adjacency(self) -> str:
        """Return the upper triangle of the matrix, row by row."""
        return "".join("01"[pair in self.edges] for pair in pairs_of(self.vertices))

    @staticmethod
    def of(adjacency: str, operations: Sequence[str]) -> Graph:
        """Return the graph of the texts of a genome."""
        pairs = pairs_of(len(operations) + 2)
        edges = frozenset(pair for pair, bit in zip(pairs, adjacency, strict=True) if bit == "1")
        return Graph(edges, tuple(operations))

    def channels(self, width: int, wider: int) -> list[int]:
        """Return the channels of every vertex of a cell from `width` to `wider` channels.

        The vertices that lead to the output share its channels, the first ones one more where they do not
        divide; every other has as many as the widest vertex it leads to.
        """
        last = self.vertices - 1
        found = [width] + [0] * (last - 1) + [wider]
        ends = [vertex for vertex in self.sources(last) if vertex]
        for index, vertex in enumerate(ends):
            found[vertex] = wider // len(ends) + (index < wider % len(ends))
        for vertex in reversed(range(1, last)):
            if vertex not in ends:
                found[vertex] = max(found[target] for target in self.targets(vertex))
        return found


def pairs_of(vertices: int) -> list[tuple[int, int]]:
    """Return the pairs of vertices that an edge may join, row by row of the matrix's upper triangle."""
    return list(itertools.combinations(range(vertices), 2))
