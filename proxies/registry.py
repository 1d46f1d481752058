"""The registry of proxies: a proxy is one function in one file, found by listing the folders."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from proxies.errors import ProxyError
from proxies.probe import PASSES, Probe

Data = Literal["none", "shape", "images", "labels"]
Function = Callable[[Probe], float]

_FOLDERS = ("baselines", "gradient_free", "gradient_based")
_PROXIES: dict[str, Proxy] = {}


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy; higher is better for every one of them.

    name:      key of the proxy in tables and configurations.
    principle: what it measures: "complexity", "trainability", "expressivity", "saliency" or "chance".
    source:    paper or code it is defined by.
    data:      what it needs besides the network: "none", the "shape" of an image, "images", or "labels" too.
    passes:    passes of the probe it reads, by name.
    function:  takes a `Probe`, returns the score.
    control:   True for the baselines that stand in every ranking to compare with.
    """

    name: str
    principle: str
    source: str
    data: Data
    passes: tuple[str, ...]
    function: Function
    control: bool = False

    @property
    def doc(self) -> str:
        """The docstring of the proxy: formula, range, source, deviations."""
        return inspect.getdoc(self.function) or ""

    @property
    def batches(self) -> int:
        """The smallest number of batches it needs."""
        own = 1 if self.data in ("images", "labels") else 0
        return max([own, *(PASSES[name] for name in self.passes)])


def proxy(
    name: str,
    *,
    principle: str,
    source: str,
    data: Data,
    passes: tuple[str, ...] = (),
    control: bool = False,
) -> Callable[[Function], Function]:
    """Register the decorated function as a proxy, and return the function itself.

    The arguments are the fields of `Proxy`.

    Raises ProxyError when the name is taken, or the data or a pass is unknown.
    """

    def register(function: Function) -> Function:
        if name in _PROXIES:
            raise ProxyError(
                f"Proxy '{name}' is already registered, by {_PROXIES[name].function.__module__}. "
                f"Rename the one in {function.__module__}."
            )
        if data not in get_args(Data):
            raise ProxyError(
                f"Proxy '{name}': data is '{data}'; expected one of {', '.join(get_args(Data))}."
            )
        for needed in passes:
            if needed not in PASSES:
                raise ProxyError(f"Proxy '{name}': {_unknown('pass', needed, PASSES)}")
        _PROXIES[name] = Proxy(name, principle, source, data, passes, function, control)
        return function

    return register


def names() -> list[str]:
    """Return the names of all proxies, in alphabetical order."""
    _discover()
    return sorted(_PROXIES)


def get(name: str) -> Proxy:
    """Return the proxy of this name; ProxyError, with the closest known name, if there is none."""
    _discover()
    if name not in _PROXIES:
        raise ProxyError(_unknown("proxy", name, _PROXIES))
    return _PROXIES[name]


def batches_needed(names: Iterable[str]) -> int:
    """Return how many batches these proxies need: 0, 1, or 2 for variances over batches.

    Proxies that vary over batches use all they are given, the others the first. Raises ProxyError for an
    unknown name.
    """
    return max((get(name).batches for name in names), default=0)


@functools.cache
def _discover() -> None:
    for folder in _FOLDERS:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"proxies.{folder}.{module.name}")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(choices)}."
    return f"Unknown {kind} '{name}'. {hint}"
