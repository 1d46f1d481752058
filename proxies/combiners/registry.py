"""The registry of combiners: a combiner is one function in one file, found by listing the folders."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.table import Real, Table
from proxies.errors import ProxyError
from proxies.options import Kind, Option, base_name, read_options, written_name

Function = Callable[..., Combination]

_FOLDERS = ("blind", "fitted")
_COMBINERS: dict[str, Combiner] = {}


@dataclass(frozen=True)
class Combiner:
    """A way to make one ranking out of several proxies.

    name:     key in tables and configurations; other options than usual stand in it, "libra[window=0.2]".
    source:   paper or code it is defined by.
    fits:     True where it looks at accuracies: what it says of architectures it has seen is optimistic.
    function: takes tables and a generator, returns a `Combination`.
    """

    name: str
    source: str
    fits: bool
    function: Function

    @property
    def doc(self) -> str:
        """The docstring of the combiner: what it does, what is open, where it deviates."""
        return inspect.getdoc(self.function) or ""

    @property
    def options(self) -> dict[str, Option]:
        """What its name may set in brackets, with the values that hold otherwise."""
        parameters = list(inspect.signature(self.function).parameters.values())[2:]
        return {parameter.name: parameter.default for parameter in parameters}

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """The words that an option may be, of those that are words."""
        hints = get_type_hints(self.function)
        return {name: get_args(hints[name]) for name in self.options if get_origin(hints[name]) is Literal}

    def fit(self, tables: Sequence[Table], generator: np.random.Generator | None = None) -> Combination:
        """Return how this combiner ranks, having seen these tables.

        tables:    of one task, or of several; all must have the proxies that the combiner uses. One that does
                   not fit gets them without accuracies; one that does, with the architectures that have one.
        generator: source of whatever it draws; seeded by 0 where none is given.

        Raises ProxyError where the tables lack what the combiner needs.
        """
        if not tables:
            raise ProxyError(f"Combiner '{self.name}' got no table; expected at least one.")
        seen = [table.trained() if self.fits else table.blind() for table in tables]
        return self.function(seen, generator or np.random.default_rng(0))

    def combine(self, table: Table, generator: np.random.Generator | None = None) -> Real:
        """Return one number an architecture, (architectures,), higher is better, fitted on the same table.

        The arguments and errors are those of `fit`.
        """
        return self.fit([table], generator).rank(table)


def combiner(name: str, *, source: str, fits: bool) -> Callable[[Function], Function]:
    """Register the decorated function as a combiner, and return the function itself.

    The arguments are the fields of `Combiner`. Raises ProxyError when the name is taken.
    """

    def register(function: Function) -> Function:
        if name in _COMBINERS:
            raise ProxyError(
                f"Combiner '{name}' is already registered, by {_COMBINERS[name].function.__module__}. "
                f"Rename the one in {function.__module__}."
            )
        _COMBINERS[name] = Combiner(name, source, fits, function)
        return function

    return register


def names() -> list[str]:
    """Return the names of all combiners, in alphabetical order."""
    _discover()
    return sorted(_COMBINERS)


def get(name: str) -> Combiner:
    """Return the combiner of this name, which may set options: "libra[binning=equal_count,merge=rank_sum]".

    Its own name has the options in the order of its signature, without those that are as always.
    Raises ProxyError for an unknown name, with the closest known one, for an unknown option, or a value of
    the wrong kind.
    """
    _discover()
    found = _COMBINERS[base_name("combiner", name, _COMBINERS)]
    kinds = {option: _one_of(words) for option, words in found.words.items()}
    changed = read_options("combiner", name, found.options, kinds)
    if not changed:
        return found
    function = functools.update_wrapper(functools.partial(found.function, **changed), found.function)
    return replace(found, name=written_name(found.name, changed), function=function)


def resolve(wanted: Iterable[str]) -> list[str]:
    """Return the combiners' own names, each once, with every one of the registry for the word `all`.

    Raises ProxyError for an unknown name or option.
    """
    found: dict[str, None] = {}
    for name in wanted:
        found |= dict.fromkeys(names() if name == "all" else [get(name).name])
    return list(found)


def _one_of(words: tuple[str, ...]) -> Kind:
    return f"one of {', '.join(words)}", {word: word for word in words}.__getitem__


@functools.cache
def _discover() -> None:
    for folder in _FOLDERS:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"proxies.combiners.{folder}.{module.name}")
