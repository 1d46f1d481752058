"""Published accuracies by genome: what an importer's column and a user's own table are read into."""

from __future__ import annotations

import csv
import hashlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import BuilderError
from builder.published import files, importer
from builder.published.importer import Column, Importer
from builder.settings.protocol import Published
from builder.sources import reason
from spaces import Architecture, Space, SpaceError

# Parts whose numbers they are from where they were read; all rows of a recipe share the first part.
SEPARATOR = " | "
# What reading a file of another format raises: json ValueError, csv and zip their own, torch the last six.
OF_ANOTHER_FORMAT = (
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    IndexError,
    RuntimeError,
    pickle.UnpicklingError,
    struct.error,
    AssertionError,  # what torch's reader of pickles finds odd
)


@dataclass(frozen=True)
class Accuracies:
    """One column, read.

    column:  its name in the source.
    recipe, source, split: what its rows stand under, and say.
    values:  architecture -> accuracy (0..1).
    without: how many rows had no value.
    images:  how many the accuracies were measured on, None where that is not sure.
    """

    column: str
    recipe: str
    source: str
    split: str
    values: dict[Architecture, float]
    without: int
    images: int | None = None

    @property
    def sha256(self) -> str:
        """Of its content, however the file is written: of `genome accuracy` (0..1), line by sorted line."""
        lines = sorted(f"{architecture.genome} {value!r}\n" for architecture, value in self.values.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def verify(self, right: Sequence[str], path: Path, address: str) -> Accuracies:
        """Return this column; BuilderError, with where to get it, when its checksum is not one of the right.

        right: none: any checksum is right.
        """
        if right and self.sha256 not in right:
            raise BuilderError(
                f"{path}: what it holds of '{self.column}' has sha256 {self.sha256}, expected "
                f"{' or '.join(right)}. It is another version of {address}, or damaged. "
                f"To take it as it is: protocol.published.sha256=[{self.sha256}]."
            )
        return self


def by_genome(
    space: Space,
    rows: Iterable[tuple[int, dict[str, Any], Any]],
    column: str,
    scale: float,
    path: Path,
    kept: str = "",
    negated: bool = False,
) -> tuple[dict[Architecture, float], int]:
    """Return the accuracy (0..1) of every architecture of a file, and how many rows have none.

    rows: number of the row, genome's values, accuracy or None.
    kept: which rows of the file these are, in words.
    negated: whether the values are minus a loss; they are kept as they are then, higher is better.

    Raises BuilderError, naming file and row, for a genome outside the space, one that stands there twice, and
    an accuracy outside 0..scale; and when there is none at all.
    """
    found: dict[Architecture, float] = {}
    without = 0
    for number, genome, value in rows:
        try:
            architecture = space.architecture(genome)
            space.validate(architecture)
        except SpaceError as error:
            raise BuilderError(f"{path}, row {number}: {error}") from None
        if value is None or value != value:
            without += 1
            continue
        if architecture in found:
            raise BuilderError(f"{path}, row {number}: the genome {architecture.genome} stands there twice.")
        place = f"{path}, row {number}: '{column}' is {value}"
        found[architecture] = _negated(value, place) if negated else _fraction(value, scale, place)
    if not found:
        raise BuilderError(f"{path} has no value of '{column}'{kept}.")
    return found, without


def _fraction(value: Any, scale: float, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BuilderError(f"{place}, expected a number.")
    if not 0 <= value / scale <= 1:
        raise BuilderError(
            f"{place}, outside 0..{scale:g}. Set protocol.published.scale= to what it calls 100 %."
        )
    return value / scale


def _negated(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value > 0:
        raise BuilderError(f"{place}, expected minus a loss, at most 0.")
    return float(value)


def of_importer(published: Published, space: Space, task: str, cache: Path) -> list[Accuracies]:
    """Read the columns that an importer has for a space and task.

    published: says which importer, and where a local copy lies. cache: folder that fetched files are kept in.

    Raises BuilderError when there are none, a file cannot be had, is not the right one, or is not what is
    expected; if it was fetched it is removed then, for the next run to fetch anew.
    """
    source = importer.get(str(published.importer))
    columns = source.of(space.name, task, published.recipe)
    wanted = list(dict.fromkeys(column.file for column in columns))
    paths = files.located(source, wanted, published.path, cache)
    found = []
    for column in columns:
        if column.file not in paths:
            continue
        try:
            found.append(_column(source, column, paths[column.file], space, published.sha256))
        except BuilderError as error:
            if published.path is not None:
                raise
            paths[column.file].unlink()
            raise BuilderError(
                f"{error} It was fetched and is removed: run again to fetch it anew."
            ) from None
    return found


def _column(source: Importer, column: Column, path: Path, space: Space, sha256: list[str]) -> Accuracies:
    address = source.address(column.file)
    try:
        rows = [
            (number, genome, values[column.key])
            for number, (genome, values) in enumerate(source.read(path), start=1)
            if column.key in values
        ]
    except OF_ANOTHER_FORMAT as error:
        raise BuilderError(
            f"{path} cannot be read as {source.name} wrote it ({reason(error)}). Expected the file at "
            f"{address}."
        ) from None
    values, without = by_genome(space, rows, column.key, column.scale, path, negated=column.negated)
    with path.open("rb") as file:
        read = hashlib.file_digest(file, "sha256").hexdigest()
    origin = f"{source.citation}{SEPARATOR}{address}, file sha256 {read}"
    found = Accuracies(column.key, column.recipe, origin, column.split, values, without, column.images)
    return found.verify([column.sha256, *sha256], path, address)
