"""What a strategy may propose: architectures of a space, in a window of parameters, each of them once."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from builder.search.members import Members
from spaces import Architecture, Space, SpaceError
from spaces.space import pick

Window = tuple[float, float]

_TRIES = 200  # proposals in a row that are outside or known, after which a parent has no more children
_MISSES = 20_000  # the same for draws: then the space counts as exhausted


class Candidates:
    """Architectures that were not proposed before, inside the window, of a space or of a table.

    space:   through which they are drawn, mutated and crossed.
    window:  fewest and most parameters at the space's default shape, both included; None is open.
    members: the only ones allowed; None: all of the space. What the space proposes is then replaced by the
             member nearest to it that was not proposed yet.

    Every method returns None when it finds nothing new.
    """

    def __init__(
        self, space: Space, window: Window | None = None, members: Sequence[Architecture] | None = None
    ) -> None:
        self.space, self.window = space, window
        self._proposed: set[Architecture] = set()
        self._members: Members | None = None
        if members is not None:
            self._members = Members([member for member in members if self._inside(member)])

    def draw(self, generator: random.Random) -> Architecture | None:
        """Draw uniformly, as the space does."""
        if self._members is not None:
            left = self._members.left
            return self._take(pick(generator, left)) if left else None
        return self._first_new(lambda: self.space.draw(generator), _MISSES)

    def mutate(self, parent: Architecture, generator: random.Random) -> Architecture | None:
        """Return a mutation of a parent."""
        return self._first_new(lambda: self.space.mutate(parent, generator), _TRIES)

    def crossover(
        self, first: Architecture, second: Architecture, generator: random.Random
    ) -> Architecture | None:
        """Return a child of two parents."""
        return self._first_new(lambda: self.space.crossover(first, second, generator), _TRIES)

    def made(self, values: Callable[[], Mapping[str, Any]]) -> Architecture | None:
        """Return the architecture of genome values; called again where they make none that is allowed."""
        return self._first_new(lambda: self.valid(values()), _TRIES)

    def valid(self, values: Mapping[str, Any]) -> Architecture | None:
        """Return the architecture of genome values if the space has it; whether it was proposed or not."""
        try:
            architecture = self.space.architecture(values)
            self.space.validate(architecture)
        except SpaceError:
            return None
        return architecture

    def nearest(self, architecture: Architecture) -> Architecture | None:
        """Return what may be found in its place, proposed before or not; None where it is outside."""
        if self._members is not None:
            return self._members.nearest(architecture, among_all=True)
        return architecture if self._inside(architecture) else None

    def examples(self, count: int, generator: random.Random) -> Sequence[Architecture]:
        """Return architectures that show what choices there are: drawn, or all of the table."""
        if self._members is not None:
            return self._members.all
        return [self.space.draw(generator) for _ in range(count)]

    def _first_new(self, propose: Callable[[], Architecture | None], tries: int) -> Architecture | None:
        for _ in range(tries):
            architecture = propose()
            if architecture is None:
                continue
            if self._members is not None:
                nearest = self._members.nearest(architecture)
                return None if nearest is None else self._take(nearest)
            if architecture not in self._proposed and self._inside(architecture):
                return self._take(architecture)
        return None

    def _take(self, architecture: Architecture) -> Architecture:
        self._proposed.add(architecture)
        if self._members is not None:
            self._members.remove(architecture)
        return architecture

    def _inside(self, architecture: Architecture) -> bool:
        return self.window is None or self.window[0] <= self.space.params(architecture) <= self.window[1]
