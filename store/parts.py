"""The part files of a benchmark folder: found, and checked by their footers before any query."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from store.copies import copies
from store.errors import StoreError
from store.location import is_there
from store.schema import SCHEMA_VERSION, TABLES

# What the names of compacted parts begin with.
COMPACTED = "compacted-"
TRIES = 10
RESTLESS = "The parts of the benchmark are merged faster than they can be read. Try again."
REPAIR = "Delete it and run its job again, or fetch it again."


def find_parts(root: Path, tables: Collection[str] = TABLES) -> dict[str, list[Path]]:
    """The part files of each table under `root`, sorted, every footer checked.

    tables: only of these; the others then look empty

    A table without a folder has no parts. Raises StoreError when `root` is not a folder, holds no table at
    all, or has a part that is damaged, of another schema version or without a column.
    """
    if not is_there(root):
        raise StoreError(
            f"No benchmark at {root}: no such folder. Give the folder that holds architectures/, scores/, ..."
        )
    if not any(is_there(root / name) for name in TABLES):
        raise StoreError(f"No benchmark at {root}: expected at least one of the folders {', '.join(TABLES)}.")
    for _ in range(TRIES):
        parts = {name: part_files(root / name) if name in tables else [] for name in TABLES}
        try:
            for name, paths in parts.items():
                for path, here in zip(paths, copies(paths), strict=True):
                    status = here.stat()
                    _check_footer(path, here, name, status.st_size, status.st_mtime_ns)
        except FileNotFoundError as error:  # merged into another part since they were listed
            gone = error
            continue
        return parts
    raise StoreError(f"A part of {root} is listed but not there: {gone}. Delete it.")


def part_files(folder: Path) -> list[Path]:
    """The part files in a table's folder, sorted, none of them opened.

    Another benchmark may lie in there, as runs/demo does in the folder `runs` of the project's own root: what
    lies below a subfolder named like a table is that benchmark's.
    """
    found = folder.rglob("*.parquet")
    return sorted(path for path in found if TABLES.keys().isdisjoint(path.relative_to(folder).parts[:-1]))


def compacted(folder: Path) -> list[Path]:
    """The part files in a table's folder that compaction wrote, sorted."""
    return sorted(folder.glob(f"{COMPACTED}*.parquet"))


def damaged_part(parts: list[Path]) -> str | None:
    """One line on the first part that is gone, or whose pages are unreadable or fail their checksums."""
    for path in parts:
        try:
            with path.open("rb") as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    file.read_row_group(group)
        except FileNotFoundError:
            return f"{path} is gone. Open the benchmark again."
        except (pa.ArrowException, OSError, UnicodeError) as error:
            return f"{path} is damaged ({_first_line(error)}). {REPAIR}"
    return None


@lru_cache(maxsize=2**17)
def _check_footer(path: Path, here: Path, name: str, size: int, changed: int) -> None:
    """Check a footer in the part's local copy; once a process, as long as size and time of change stay."""
    table = TABLES[name]
    try:
        found = pq.read_schema(here)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise StoreError(f"{path} is not a whole Parquet file ({_first_line(error)}). {REPAIR}") from None
    about = found.metadata or {}
    version = about.get(b"schema_version", b"").decode(errors="replace")
    if version != str(SCHEMA_VERSION):
        raise StoreError(f"{path} {_version_trouble(version)}")
    for field in table.schema:
        place = found.get_field_index(field.name)
        if place < 0:
            raise StoreError(
                f"{path} has no column {field.name!r}. Write {table.name} with store.write_part."
            )
        if found.field(place).type != field.type:
            raise StoreError(
                f"{path}: column {field.name!r} is {found.field(place).type}, expected {field.type}. "
                f"Write {table.name} with store.write_part."
            )


def _version_trouble(version: str) -> str:
    if not version.isdecimal():
        return "carries no schema version, so it is no part of a benchmark. Write it with store.write_part."
    if int(version) > SCHEMA_VERSION:
        return (
            f"has schema version {version}, this code reads {SCHEMA_VERSION}. Install a newer vit-zero-bench."
        )
    return (
        f"has schema version {version}, this code reads {SCHEMA_VERSION}. Build or fetch the benchmark again."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
