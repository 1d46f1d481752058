"""The one error a user of `spaces` can cause, and the sentence for an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SpaceError(ValueError):
    """A wrong space, genome, network shape or checkpoint; the message is one line fit for a terminal."""


def unknown(kind: str, name: str, known: Iterable[str]) -> SpaceError:
    """Return the error for a name nobody knows, with the closest known one."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}."
    return SpaceError(f"Unknown {kind} '{name}'. {hint}")
