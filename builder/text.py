"""How the jobs print numbers and tables."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float | None) -> str:
    """Return a number with two digits, a dash where there is none."""
    return "-" if value is None else f"{value:z.2f}"


def clock(seconds: float) -> str:
    """Return a duration in hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min {rest:02d} s"


def table(lines: Sequence[Sequence[str]], texts: int) -> str:
    """Return lines as columns: the first `texts` of them aligned left, the others, numbers, right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["<" if place < texts else ">" for place in range(len(widths))]
    cells = [[f"{cell:{a}{w}}" for cell, a, w in zip(line, aligned, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in cells)
