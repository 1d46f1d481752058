"""The one exception this room raises for a mistake its user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 12  # names listed when none is close: enough to orient, still one line


class StoreError(ValueError):
    """A wrong name, path, row or file, told in one line: what, where, what was expected, what to do."""


def unknown(noun: str, name: str, known: Iterable[str]) -> StoreError:
    """The error for a name that is not in `known`, with the closest known name if there is one.

    noun:  what the name was meant to be, such as "proxy"
    name:  what the user wrote
    known: the names that would have been accepted
    """
    names = sorted(known)
    close = get_close_matches(str(name), names, n=1)
    if close:
        return StoreError(f"Unknown {noun} {name!r}. Did you mean {close[0]!r}?")
    if not names:
        return StoreError(f"Unknown {noun} {name!r}. This benchmark has none yet.")
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return StoreError(f"Unknown {noun} {name!r}. Known: {', '.join(names[:SHOWN])}{more}.")
