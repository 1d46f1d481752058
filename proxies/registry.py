"""The registry of proxies: a proxy is one function in one file, found by listing the folders."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from proxies.errors import ProxyError
from proxies.options import Kind, Option, base_name, read_options, unknown, written_name
from proxies.probe import PASSES, WHOLE, Interval

Data = Literal["none", "shape", "noise", "images", "labels"]
Needs = Literal["", "attention"]
Function = Callable[..., float]

_FOLDERS = ("baselines", "gradient_free", "gradient_based")
_PROXIES: dict[str, Proxy] = {}


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy; higher is better for every one of them.

    name:      key of the proxy in tables and configurations; one with other options than its own has them in
               its name, as "gradsign[average=true]".
    principle: what it measures: "complexity", "trainability", "expressivity", "saliency" or "chance".
    source:    paper or code it is defined by.
    data:      what it needs besides the network: "none", the "shape" of an image, "noise" of its own in the
               shape of a batch, "images", or "labels" too.
    passes:    passes of the probe it reads, by name.
    function:  takes a `Probe`, returns the score.
    control:   True for the baselines that stand in every ranking to compare with.
    interval:  tenths of the depth whose layers' gradients it reads.
    reads:     number of batches that the function itself reads, beside those of its passes.
    needs:     what a network must have, "attention", or it has no score: a convolutional one has none.
    """

    name: str
    principle: str
    source: str
    data: Data
    passes: tuple[str, ...]
    function: Function
    control: bool = False
    interval: Interval = WHOLE
    reads: int = 0
    needs: Needs = ""

    @property
    def doc(self) -> str:
        """The docstring of the proxy: formula, range, source, deviations."""
        return inspect.getdoc(self.function) or ""

    @property
    def options(self) -> dict[str, Option]:
        """What its name may set in brackets, with the values that hold otherwise."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    @property
    def batches(self) -> int:
        """The smallest number of batches it needs."""
        own = 1 if self.data in ("noise", "images", "labels") else 0
        return max([own, self.reads, *(PASSES[name].batches for name in self.passes)])


def proxy(
    name: str,
    *,
    principle: str,
    source: str,
    data: Data,
    passes: tuple[str, ...] = (),
    control: bool = False,
    reads: int = 0,
    needs: Needs = "",
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
        if needs not in get_args(Needs):
            raise ProxyError(f"Proxy '{name}': needs is '{needs}'; expected attention, or nothing.")
        for needed in passes:
            if needed not in PASSES:
                raise ProxyError(f"Proxy '{name}': {unknown('pass', needed, PASSES)}")
        _PROXIES[name] = Proxy(
            name, principle, source, data, passes, function, control, reads=reads, needs=needs
        )
        return function

    return register


def names() -> list[str]:
    """Return the names of all proxies, in alphabetical order."""
    _discover()
    return sorted(_PROXIES)


def get(name: str) -> Proxy:
    """Return the proxy of this name, which may set options: "l_swag[interval=3-7]".

    The proxy's own name has the options in the order of its signature, without those that are as always, so
    that one definition has one name.
    Raises ProxyError for an unknown name, with the closest known one, for an unknown option, or a value of
    the wrong kind.
    """
    _discover()
    found = _PROXIES[base_name("proxy", name, _PROXIES)]
    kinds = {option: _TENTHS for option, usual in found.options.items() if isinstance(usual, tuple)}
    changed = read_options("proxy", name, found.options, kinds)
    if not changed:
        return found
    interval = changed.get("interval", found.interval)
    function = functools.partial(found.function, **changed)
    functools.update_wrapper(function, found.function)
    return replace(found, name=written_name(found.name, changed), function=function, interval=interval)  # type: ignore[arg-type]


def _interval(text: str) -> Interval:
    first, last = (int(tenth) for tenth in text.split("-"))
    if not WHOLE[0] <= first <= last <= WHOLE[1]:
        raise ValueError(text)
    return first, last


_TENTHS: Kind = ("two tenths of the depth, 0-9", _interval)


def resolve(wanted: Iterable[str]) -> list[str]:
    """Return the proxies' own names, each once, with every one of the registry for the word `all`.

    Raises ProxyError for an unknown name or option.
    """
    found: dict[str, None] = {}
    for name in wanted:
        found |= dict.fromkeys(names() if name == "all" else [get(name).name])
    return list(found)


def batches_needed(names: Iterable[str]) -> int:
    """Return how many batches these proxies need: 0, 1, or 2 for variances over batches.

    Proxies that vary over batches use all they are given, the others the first. Raises ProxyError for an
    unknown name.
    """
    return max((get(name).batches for name in names), default=0)


def look_at_images(names: Iterable[str]) -> bool:
    """Return whether any of these proxies depends on what its images show. Raises as `batches_needed`."""
    return any(get(name).data in ("images", "labels") for name in names)


@functools.cache
def _discover() -> None:
    for folder in _FOLDERS:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"proxies.{folder}.{module.name}")
