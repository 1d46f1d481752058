"""Parts rewritten while others read and write: many small ones merged, and chosen rows taken out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pyarrow.compute as pc

from store.benchmark import Benchmark
from store.errors import StoreError
from store.location import is_there
from store.parts import COMPACTED, RESTLESS, TRIES, find_parts
from store.schema import TABLES, table
from store.write import part_name, write_part

# Parts below this size are merged, into parts of so many rows at most.
SMALL_BYTES = 2**24
MOST_ROWS = 2_000_000

_T = TypeVar("_T")

# A search's row is written again as the search goes on, under the same name.
COMPACTABLE = tuple(name for name in TABLES if name != "searches")


def compact(root: Path, name: str) -> tuple[int, int]:
    """Merge the small parts of a table; return how many they were, and into how many they were merged.

    root: folder of the benchmark. name: one of COMPACTABLE.

    Rows that a later run has replaced are left out. Others may write meanwhile: what is new stays as it is,
    for the next time. The merged part is there before the small ones go, and has their rows: a kill between
    leaves rows twice, of which every reader takes one. A reader that was at it may find a part gone; it tries
    again. Rows of runs that have not ended are not touched.
    """
    return _while_others_do(root, name, lambda parts: _compact(root, name, parts))


def _compact(root: Path, name: str, parts: dict[str, list[Path]]) -> tuple[int, int]:
    if name == "runs":
        parts = parts | {name: _ended(root, parts)}
    small = {path: _state(path) for path in parts[name]}
    small = {path: state for path, state in small.items() if state[0] < SMALL_BYTES}
    if len(small) < 2:
        return 0, 0
    with Benchmark(root, parts | {name: list(small)}) as benchmark:
        rows = benchmark.sql(f"SELECT * FROM {name} ORDER BY {', '.join(TABLES[name].key)}")
    keys = [path.relative_to(root / name).as_posix() for path in small]
    starts = range(0, max(1, len(rows)), MOST_ROWS)
    for start in starts:
        merged = COMPACTED + part_name(name, start, keys=keys)
        write_part(root, name, rows.slice(start, MOST_ROWS), merged)
    for path, state in small.items():
        _take_away(path, state)
    return len(small), len(starts)


def remove(root: Path, name: str, where: str) -> int:
    """Take rows out of a table; return how many.

    where: SQL condition on the table's own columns.

    The other rows of a part are written to a part of their own before it goes.
    """
    table(name)
    removed: list[int] = []

    def remove_from(parts: dict[str, list[Path]]) -> None:
        with Benchmark(root, _alone(name, parts[name])) as benchmark:
            concerned = benchmark.sql(f"SELECT DISTINCT part FROM parts.{name} WHERE {where}")
        chosen = set(concerned["part"].to_pylist())
        for path in parts[name]:
            if str(path.absolute()) in chosen:
                removed.append(_remove(root, name, path, where))

    _while_others_do(root, name, remove_from)
    return sum(removed)


def _remove(root: Path, name: str, path: Path, where: str) -> int:
    """Take rows out of one part; return how many."""
    state = _state(path)
    with Benchmark(root, _alone(name, [path])) as benchmark:
        rows = benchmark.sql(f"SELECT *, coalesce({where}, false) AS chosen FROM parts.{name}")
    rest = rows.filter(pc.invert(rows["chosen"])).drop_columns(["part", "chosen"])
    if len(rest):
        keys = list(zip(*(rest[column].to_pylist() for column in TABLES[name].key), strict=True))
        write_part(root, name, rest, part_name(path.stem, keys=keys))
    _take_away(path, state)
    return len(rows) - len(rest)


def _while_others_do(root: Path, name: str, act: Callable[[dict[str, list[Path]]], _T]) -> _T:
    """Act on the parts of a table and of the runs; once more on those there are then, where some were gone.

    Somebody else had merged them, or taken them out.
    """
    for _ in range(TRIES):
        parts = find_parts(root, {name, "runs"})
        try:
            return act(parts)
        except (FileNotFoundError, StoreError):
            if all(is_there(path) for paths in parts.values() for path in paths):
                raise
    raise StoreError(RESTLESS)


def _take_away(path: Path, state: tuple[int, float]) -> None:
    """Remove a part, unless somebody wrote it anew since it was in that state, or removed it."""
    with contextlib.suppress(FileNotFoundError):
        if _state(path) == state:
            path.unlink()


def _ended(root: Path, parts: dict[str, list[Path]]) -> list[Path]:
    """Return the parts of runs without a run that is still at work."""
    with Benchmark(root, _alone("runs", parts["runs"])) as benchmark:
        found = benchmark.sql("SELECT DISTINCT part FROM parts.runs WHERE status = 'running'")
    working = set(found["part"].to_pylist())
    return [path for path in parts["runs"] if str(path.absolute()) not in working]


def _state(path: Path) -> tuple[int, float]:
    status = path.stat()
    return status.st_size, status.st_mtime


def _alone(name: str, paths: list[Path]) -> dict[str, list[Path]]:
    """Return the parts of a benchmark that has those of one table alone."""
    return {other: paths if other == name else [] for other in TABLES}
