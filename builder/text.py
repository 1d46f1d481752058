"""How the jobs print numbers."""

from __future__ import annotations


def number(value: float | None) -> str:
    """Return a number with two digits, a dash where there is none."""
    return "-" if value is None else f"{value:.2f}"
