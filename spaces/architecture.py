"""One point of a space, with an identity that is the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spaces.errors import SpaceError


@dataclass(frozen=True, order=True)
class Architecture:
    """An architecture: the name of its space and its genome as canonical JSON.

    space:  name of the space, e.g. "autoformer-small".
    genome: JSON object with sorted keys; `Space.architecture` makes it from plain values and is the way to
            get one from a user's numbers, since only the space knows that a ratio of 3 prints as 3.0.

    Raises SpaceError when the genome is not canonical JSON.
    """

    space: str
    genome: str

    def __post_init__(self) -> None:
        """Refuse a genome that could be written in another way: its arch_id would not be unique."""
        try:
            values = json.loads(self.genome)
        except (TypeError, json.JSONDecodeError) as error:
            raise SpaceError(
                f"Genome of space '{self.space}' is not JSON: {self.genome!r} ({error})."
            ) from None
        if not isinstance(values, dict) or canonical(values) != self.genome:
            raise SpaceError(
                f"Genome of space '{self.space}' is not canonical: {self.genome!r}. "
                "Expected a JSON object with sorted keys; make it with Space.architecture(values)."
            )

    @cached_property
    def values(self) -> dict[str, Any]:
        """The genome as plain Python values."""
        return json.loads(self.genome)

    @cached_property
    def arch_id(self) -> str:
        """The first 16 hexadecimal digits of blake2b over the space, a line feed and the genome."""
        return hashlib.blake2b(f"{self.space}\n{self.genome}".encode()).hexdigest()[:16]


def canonical(values: Mapping[str, Any]) -> str:
    """Return the one text of a genome's values: JSON with sorted keys."""
    return json.dumps(values, sort_keys=True)
