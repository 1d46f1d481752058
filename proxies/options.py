"""Options in names, as in "l_swag[interval=3-7]" or "libra[window=0.2]": one spelling for one definition."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping

from proxies.errors import ProxyError

Option = bool | int | float | str | tuple[int, int]
Kind = tuple[str, Callable[[str], Option]]  # what is expected, in words, and how its text is read


def base_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the name without its brackets.

    Raises ProxyError for one that is not known, with the closest that is.
    """
    base = name.partition("[")[0]
    if base not in (known := list(known)):
        raise ProxyError(unknown(kind, base, known))
    return base


def read_options(
    kind: str, name: str, usual: Mapping[str, Option], kinds: Mapping[str, Kind] | None = None
) -> dict[str, Option]:
    """Return the options that a name sets to another value than usual, in the order of `usual`.

    kind:  "proxy" or "combiner", for messages.
    usual: value of each option where the name does not give one; its type says what is expected.
    kinds: what is expected of an option instead, by its name.

    Raises ProxyError for an unknown option, one given twice, or a value of the wrong kind.
    """
    base, bracket, rest = name.partition("[")
    if not bracket:
        return {}
    said = f"{kind.capitalize()} '{base}'"
    if not rest.endswith("]"):
        raise ProxyError(
            f"{kind.capitalize()} '{name}' has no closing bracket; expected {base}[option=value,...]."
        )
    given: dict[str, Option] = {}
    for pair in rest[:-1].split(","):
        option, _, text = pair.partition("=")
        if not usual:
            raise ProxyError(f"{said} has no options; expected {base}.")
        if option not in usual:
            raise ProxyError(f"{said}: {unknown('option', option, usual)}")
        if option in given:
            raise ProxyError(f"{said}: {option} is given twice; expected once.")
        wanted, parse = (kinds or {}).get(option) or _KINDS[type(usual[option])]
        try:
            given[option] = parse(text)
        except (ValueError, KeyError):
            raise ProxyError(f"{said}: {option} is '{text}'; expected {wanted}.") from None
    return {option: given[option] for option, value in usual.items() if given.get(option, value) != value}


def written_name(base: str, changed: Mapping[str, Option]) -> str:
    """Return the name that has these options, or the base where there are none."""
    written = ",".join(f"{option}={written_option(value)}" for option, value in changed.items())
    return f"{base}[{written}]" if written else base


def written_option(value: Option) -> str:
    """Return an option's value as a name writes it."""
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the line for a name that is not known, with the closest that is, or all of them."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(choices)}."
    return f"Unknown {kind} '{name}'. {hint}"


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


_KINDS: dict[type, Kind] = {
    bool: ("true or false", lambda said: {"true": True, "false": False}[said]),
    int: ("a whole number", int),
    float: ("a number", _finite),
    str: ("a word", str),
}
