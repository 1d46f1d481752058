"""What is wrong with a number or a name that a run is told, in one line."""

from __future__ import annotations

import math
import re

from builder.errors import BuilderError


def at_least(least: float, section: str, **values: float | None) -> None:
    """Refuse numbers of a section that are below the least, NaN or infinite; None is no number."""
    for name, value in values.items():
        if value is not None and not least <= value < math.inf:  # NaN is not
            raise BuilderError(f"{section}{name} is {value}, expected at least {least:g}.")


def seeds(name: str, *values: int) -> None:
    """Refuse seeds that no generator takes."""
    for seed in values:
        if not 0 <= seed < 2**63:
            raise BuilderError(f"{name} has {seed}, expected 0 to 2^63 - 1.")


def file_name(name: str, value: str) -> None:
    """Refuse a name that could not be part of a file's."""
    if not re.fullmatch(r"[\w.-]+", value):
        raise BuilderError(f"{name} is '{value}', expected letters, digits, '_', '.' and '-'.")
