"""The architectures of a table as a space to search in: the nearest one stands for what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spaces import Architecture

Place = tuple[str | int, ...]


def leaves(values: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every single choice of a genome with its place: ("mlp_ratio", 3) -> 4.0."""
    if isinstance(values, dict | list):
        for key, below in values.items() if isinstance(values, dict) else enumerate(values):
            yield from leaves(below, (*place, key))
    else:
        yield place, values


class Members:
    """Architectures of a table, of which each is taken once.

    The distance between two is the sum over the genome's fields of the mean over a field's places: numbers
    differ by their difference over the largest of the table, other choices by 1, and so does what only one
    of both has.
    """

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._architectures = sorted(set(architectures), key=lambda a: a.arch_id)
        self._index = {architecture: place for place, architecture in enumerate(self._architectures)}
        self._free = np.ones(len(self._architectures), dtype=bool)
        genomes = [dict(leaves(a.values)) for a in self._architectures]
        self._places = sorted({place for genome in genomes for place in genome}, key=str)
        fields = [place[0] for place in self._places]
        self._weights = np.array([1 / fields.count(field) for field in fields])
        self._codes: dict[Any, float] = {}
        self._table = np.array([self._encoded(genome) for genome in genomes])  # (members, places)
        self._numbers = np.array([self._is_number(genomes, place) for place in self._places])
        ranges = np.nanmax(self._table, axis=0) - np.nanmin(self._table, axis=0) if genomes else np.array([])
        self._ranges = np.where(self._numbers & (ranges > 0), ranges, 1.0)

    @property
    def all(self) -> tuple[Architecture, ...]:
        """Every one of them, by arch_id."""
        return tuple(self._architectures)

    @property
    def left(self) -> tuple[Architecture, ...]:
        """Those that were not taken, by arch_id."""
        return tuple(self._architectures[place] for place in np.flatnonzero(self._free))

    def remove(self, architecture: Architecture) -> None:
        """Take an architecture."""
        self._free[self._index[architecture]] = False

    def nearest(self, architecture: Architecture, among_all: bool = False) -> Architecture | None:
        """Return the member nearest to an architecture, the first by arch_id of equals; None if none is left.

        among_all: also those that were taken.
        """
        allowed = np.ones_like(self._free) if among_all else self._free
        if not allowed.any():
            return None
        code = self._encoded(dict(leaves(architecture.values)))  # (places,)
        apart = np.abs(self._table - code) / self._ranges  # (members, places)
        apart = np.where(self._numbers, np.minimum(apart, 1.0), apart > 0)
        one_has_it = np.isnan(self._table) ^ np.isnan(code)
        distances = np.where(one_has_it, 1.0, np.nan_to_num(apart)) @ self._weights  # (members,)
        distances[~allowed] = np.inf
        return self._architectures[int(distances.argmin())]

    def _encoded(self, genome: dict[Place, Any]) -> np.ndarray:
        """Numbers as they are, other choices as the order of their first sight; NaN for what it has not."""
        return np.array(
            [self._number(genome[place]) if place in genome else np.nan for place in self._places]
        )

    def _number(self, choice: Any) -> float:
        if isinstance(choice, int | float) and not isinstance(choice, bool):
            return float(choice)
        return self._codes.setdefault(choice, float(len(self._codes)))

    @staticmethod
    def _is_number(genomes: Sequence[dict[Place, Any]], place: Place) -> bool:
        found = [genome[place] for genome in genomes if place in genome]
        return all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in found)
