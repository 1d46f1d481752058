"""A reader's own scores: a small file of a stranger's, parsed without running anything, checked row by row.

Nothing in it is code or a path: a CSV is text that is split, a Parquet file is unpacked elsewhere and comes
back as such text. What is refused is refused in one sentence.
"""

import csv
import io
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from leaderboard.unpack import ARCHITECTURES, MOST_BYTES, MOST_CELL, MOST_COLUMNS, MOST_ROWS, VALUES
from store import StoreError

PATIENCE = 20  # seconds that a Parquet file may take to unpack
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class UploadError(ValueError):
    """Why a file is not taken, in one sentence."""


@dataclass(frozen=True)
class Checked:
    """The rows of a file: those that can be ranked, and those that cannot, each with the reason.

    good: columns arch_id, seed, value
    bad:  columns row (counted from 1, as a spreadsheet does without its heading), architecture, value, reason
    """

    good: pd.DataFrame
    bad: pd.DataFrame


def read(name: str, content: bytes) -> pd.DataFrame:
    """The columns of a CSV or Parquet file that matter, every cell as text or number.

    name: of the file; its ending says what it is

    Returns columns architecture, value and perhaps seed. Raises UploadError.
    """
    if len(content) > MOST_BYTES:
        raise UploadError(f"The file has {len(content):,} bytes; at most {MOST_BYTES:,} are read.")
    if name.lower().endswith(".parquet") or content[:4] == b"PAR1":
        found = _parquet(content)
    else:
        found = _csv(content)
    architecture = next((name for name in ARCHITECTURES if name in found), None)
    value = next((name for name in VALUES if name in found), None)
    if architecture is None or value is None:
        raise UploadError(
            "The file needs a column arch_id or genome, and a column value (or score), named in its head."
        )
    if found.empty:
        raise UploadError("The file has no rows.")
    kept = {architecture: "architecture", value: "value", "seed": "seed"}
    return found[[column for column in kept if column in found]].rename(columns=kept)


def check(rows: pd.DataFrame, arch_id: Callable[[str], str]) -> Checked:
    """Sort the rows into good and bad.

    arch_id: finds an architecture by arch_id or genome, or raises StoreError
    """
    good, bad, seen = [], [], set()
    for place, row in enumerate(rows.to_dict("records"), start=1):
        try:
            architecture = arch_id(str(row["architecture"]).strip())
            seed, value = _whole(row.get("seed", 0)), _real(row["value"])
            if (architecture, seed) in seen:
                raise UploadError("this architecture and seed stand in an earlier row")
            seen.add((architecture, seed))
            good.append({"arch_id": architecture, "seed": seed, "value": value})
        except (UploadError, StoreError) as error:
            bad.append(
                {"row": place, "architecture": str(row["architecture"])[:80], "value": str(row["value"])[:40]}
                | {"reason": str(error)[:200]}
            )
    return Checked(
        pd.DataFrame(good, columns=["arch_id", "seed", "value"]),
        pd.DataFrame(bad, columns=["row", "architecture", "value", "reason"]),
    )


def named(name: str, taken: set[str]) -> str:
    """A name for the scores in the ranking. Raises UploadError for one that a proxy cannot have."""
    if not NAME.fullmatch(name):
        raise UploadError("A name is a letter, then up to 39 letters, digits, dots, dashes or underscores.")
    if name in taken:
        raise UploadError(f"The benchmark has a proxy or combiner '{name}' already; give another name.")
    return name


def _csv(content: bytes) -> pd.DataFrame:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UploadError(f"The file is not UTF-8 text (byte {error.start:,}); save it as UTF-8.") from None
    if "\0" in text:
        raise UploadError("The file has zero bytes in it, so it is no CSV; save it as UTF-8 text.")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    if first.count(separator) >= MOST_COLUMNS:
        raise UploadError(f"The file has more than {MOST_COLUMNS} columns; give arch_id and value.")
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UploadError(f"Line {reader.line_num:,} is no CSV: {error}.") from None
        if row is None:
            break
        if len(row) > MOST_COLUMNS or any(len(cell) > MOST_CELL for cell in row):
            raise UploadError(f"Line {reader.line_num:,} has too many columns or a cell that is too long.")
        if len(rows) > MOST_ROWS:
            raise UploadError(f"The file has more than {MOST_ROWS:,} rows.")
        if row:
            rows.append(row)
    heading = [cell.strip() for cell in rows[0]] if rows else []
    if len(set(heading)) != len(heading):
        raise UploadError("The first line names a column twice.")
    for place, row in enumerate(rows[1:], start=1):
        if len(row) != len(heading):
            raise UploadError(f"Row {place:,} has {len(row)} cells; the first line names {len(heading)}.")
    return pd.DataFrame(rows[1:], columns=heading, dtype=object)


def _parquet(content: bytes) -> pd.DataFrame:
    """By a process of its own, which may have little memory and time: a few kB can unpack to terabytes."""
    command = [sys.executable, "-m", "leaderboard.unpack"]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise UploadError("The file takes too long to unpack.") from None
    if done.returncode == 1 and done.stderr:
        raise UploadError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    if done.returncode:
        raise UploadError("The file takes too much memory or time to unpack.")
    return _csv(done.stdout)


def _real(cell: object) -> float | None:
    """A score; none where the cell is empty: that is a failed score, which the ranking counts."""
    if cell is None or (isinstance(cell, str) and not cell.strip()) or cell != cell:
        return None
    text = str(cell).strip()
    try:
        value = float(text)
    except ValueError:
        formula = text.startswith(FORMULA) and len(text) > 1
        raise UploadError(
            "the value is a formula, not a number" if formula else "the value is no number"
        ) from None
    return value if math.isfinite(value) else None


def _whole(cell: object) -> int:
    try:
        seed = float(str(cell).strip() or 0)
    except ValueError:
        raise UploadError("the seed is no whole number") from None
    if not (seed.is_integer() and 0 <= seed < 2**31):
        raise UploadError("the seed is no whole number from 0")
    return int(seed)
