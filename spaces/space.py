"""What every space offers, and their registry: a space is one file here that registers itself."""

from __future__ import annotations

import importlib
import pkgutil
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from spaces.architecture import Architecture
from spaces.errors import SpaceError, unknown

if TYPE_CHECKING:
    from spaces.supernet import Supernet

T = TypeVar("T")

_SPACES: dict[str, Space] = {}
_MISSES = 20_000  # draws in a row outside a window of parameters, after which it counts as exhausted


class Space(ABC):
    """A named set of architectures: members, how to draw one, what it costs, how to build it."""

    name: str

    @property
    @abstractmethod
    def size(self) -> int:
        """The exact number of architectures in the space."""

    @abstractmethod
    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of these genome values in canonical form; SpaceError if they are malformed.

        Well-formed is enough here: `validate` says whether it is a member of the space.
        """

    @abstractmethod
    def validate(self, architecture: Architecture) -> None:
        """Raise SpaceError, naming field and value, unless the architecture is a member of this space."""

    @abstractmethod
    def draw(self, generator: random.Random) -> Architecture:
        """Draw one member with the generator given."""

    @abstractmethod
    def mutate(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """Return a member near this one; it may be equal to it."""

    @abstractmethod
    def crossover(self, first: Architecture, second: Architecture, generator: random.Random) -> Architecture:
        """Return a member whose every gene comes from one of the two parents."""

    @abstractmethod
    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        """Return the genome as numbers, of one length for the whole space."""

    @abstractmethod
    def params(self, architecture: Architecture, **shape: int) -> int:
        """Return the number of parameters, in closed form, of what `build` makes of this shape."""

    @abstractmethod
    def macs(self, architecture: Architecture, **shape: int) -> int:
        """Return the multiply-accumulates of one image in closed form, for this shape."""

    @abstractmethod
    def build(self, architecture: Architecture, *, seed: int = 0, **shape: int) -> nn.Module:
        """Build the stand-alone network, its weights drawn from a generator of this seed."""

    def supernet(self, *, seed: int = 0, **shape: int) -> Supernet:
        """Build the supernet whose slices are the architectures; SpaceError for a space that has none."""
        raise SpaceError(f"Space {self.name} has no supernet. Take protocol=scratch.")

    def _values(self, architecture: Architecture) -> dict[str, Any]:
        """Return the genome's values; SpaceError unless it is this space's, in its one written form."""
        if architecture.space != self.name:
            raise SpaceError(
                f"Architecture {architecture.arch_id} is of {architecture.space}, not of {self.name}."
            )
        if self.architecture(architecture.values) != architecture:
            raise SpaceError(f"Genome {architecture.genome} is not in {self.name}'s one written form.")
        return architecture.values

    def sample(self, n: int, seed: int, params: tuple[float, float] | None = None) -> list[Architecture]:
        """Draw n different architectures.

        n:      how many; a smaller n gives a prefix of a larger one.
        seed:   of the generator of all draws; the same list comes out on every machine.
        params: smallest and largest number of parameters allowed, at the default shape.

        Raises SpaceError when there are not that many.
        """
        if not 0 <= n <= self.size:
            raise SpaceError(f"Cannot sample {n} architectures of {self.name}: it has {self.size}.")
        generator = random.Random(seed)
        found: dict[Architecture, None] = {}
        misses = 0
        while len(found) < n and (params is None or misses < _MISSES):
            architecture = self.draw(generator)
            inside = params is None or params[0] <= self.params(architecture) <= params[1]
            if inside and architecture not in found:
                found[architecture] = None
                misses = 0
            else:
                misses += 1
        if len(found) < n:
            window = "" if params is None else f" with {params[0]:,.0f} to {params[1]:,.0f} parameters"
            raise SpaceError(
                f"Found {len(found)} of {n} architectures of {self.name}{window}. "
                "Widen the window or lower n."
            )
        return list(found)


def pick(generator: random.Random, choices: tuple[T, ...]) -> T:
    """Draw one of the choices by `random()` alone, the only method whose stream Python promises to keep."""
    return choices[int(generator.random() * len(choices))]


def register(space: Space) -> None:
    """Make a space known by its name."""
    if space.name in _SPACES:
        raise SpaceError(f"Space '{space.name}' is registered twice.")
    _SPACES[space.name] = space


def names() -> list[str]:
    """Return the names of all spaces, sorted."""
    _discover()
    return sorted(_SPACES)


def get(name: str) -> Space:
    """Return the space of this name; SpaceError with the closest name if there is none."""
    _discover()
    if name not in _SPACES:
        raise unknown("space", name, _SPACES)
    return _SPACES[name]


def _discover() -> None:
    """Import every file of this folder once: a space is found by being there."""
    for module in pkgutil.iter_modules(importlib.import_module("spaces").__path__):
        importlib.import_module(f"spaces.{module.name}")
