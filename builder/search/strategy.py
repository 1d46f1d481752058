"""The registry of search strategies, and what one is told: a strategy is one file here."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuilderError
from builder.search.candidates import Candidates
from spaces import Architecture

# Values of architectures, in their order; None where the ranker failed. Asking again costs nothing, and of a
# combiner the answer may then be another, since it ranks all that were evaluated so far. Raises Spent.
Objective = Callable[[list[Architecture]], list[float | None]]

# (candidates, objective, generator) -> the architecture it settles on; None: the best it evaluated.
Function = Callable[..., Architecture | None]

_STRATEGIES: dict[str, Strategy] = {}


class Spent(Exception):
    """The budget of a search is spent: raised by its objective, through the strategy."""


@dataclass(frozen=True)
class Strategy:
    """A way to propose candidates.

    name:     key in tables and configurations; with options other than the usual, in brackets.
    source:   paper or code it is defined by.
    function: called with candidates, objective and generator; runs until it is done or the objective raises.
    """

    name: str
    source: str
    function: Function

    @property
    def options(self) -> dict[str, int | float]:
        """What its name may set in brackets, with the usual values: the function's keyword-only arguments."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def strategy(name: str, *, source: str) -> Callable[[Function], Function]:
    """Register the decorated function as a strategy. Its options are keyword-only numbers with defaults."""

    def register(function: Function) -> Function:
        _STRATEGIES[name] = Strategy(name, source, function)
        return function

    return register


def names() -> list[str]:
    """Return the names of all strategies, sorted."""
    _discover()
    return sorted(_STRATEGIES)


def get(name: str) -> Strategy:
    """Return the strategy of this name, which may set options: "evolution[population=20,parents=5]".

    Its own name has the options in the order of its signature, without those that are as always.
    Raises BuilderError for an unknown name or option, or a value that is not a number above 0.
    """
    _discover()
    base, bracket, rest = name.partition("[")
    if base not in _STRATEGIES:
        raise BuilderError(_unknown("strategy", base, _STRATEGIES))
    found = _STRATEGIES[base]
    if not bracket:
        return found
    if not rest.endswith("]"):
        raise BuilderError(f"Strategy '{name}' has no closing bracket; expected {base}[option=value,...].")
    given: dict[str, int | float] = {}
    for pair in rest[:-1].split(","):
        option, _, text = pair.partition("=")
        if option not in found.options:
            raise BuilderError(f"Strategy '{base}': {_unknown('option', option, found.options)}")
        given[option] = _number(base, option, text, found.options[option])
    changed = {key: given[key] for key, usual in found.options.items() if given.get(key, usual) != usual}
    if not changed:
        return found
    written = ",".join(f"{key}={value}" for key, value in changed.items())
    return Strategy(f"{base}[{written}]", found.source, functools.partial(found.function, **changed))


def best(architectures: Iterable[Architecture], objective: Objective, count: int) -> list[Architecture]:
    """Return the `count` highest of the architectures by the objective; failed ones last, then as given."""
    asked = list(architectures)
    values = objective(asked)
    order = sorted(range(len(asked)), key=lambda place: -worth(values[place]))
    return [asked[place] for place in order[:count]]


def worth(value: float | None) -> float:
    """Return a value to compare by: a failure is below everything."""
    return -float("inf") if value is None else value


def present(proposed: Iterable[Architecture | None]) -> list[Architecture]:
    """Return what could be proposed, without the misses."""
    return [architecture for architecture in proposed if architecture is not None]


def settle(
    function: Function, candidates: Candidates, objective: Objective, generator: random.Random
) -> Architecture | None:
    """Run a strategy until it is done or its budget is spent; return what it settles on, None if nothing."""
    try:
        return function(candidates, objective, generator)
    except Spent:
        return None


def _number(base: str, option: str, text: str, usual: int | float) -> int | float:
    try:
        found = type(usual)(text)
    except ValueError:
        found = type(usual)(0)
    if not 0 < found < float("inf"):
        kind = "a whole number" if isinstance(usual, int) else "a number"
        raise BuilderError(f"Strategy '{base}': {option} is '{text}'; expected {kind} above 0.")
    return found


@functools.cache
def _discover() -> None:
    """Import every file of this folder once: a strategy is found by being there."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"builder.search.{module.name}")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(choices)}."
    return f"Unknown {kind} '{name}'. {hint}"
