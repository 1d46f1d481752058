"""What a job has to do: the architectures it is about, and what of them the tables do not have yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from builder.errors import BuilderError
from builder.provenance import Run
from spaces import Architecture, Space
from store import TABLES, Benchmark

T = TypeVar("T")


def architectures(root: Path, space: str, first: int | None = None) -> list[Architecture]:
    """Return a space's architectures in the order of their sample, then of their ids.

    first: only so many.

    Raises BuilderError when the table has none.
    """
    hint = f"Run job=sample space={space} root={root} first, or import published accuracies."
    if not (root / "architectures").is_dir():
        raise BuilderError(f"No architectures in {root}. {hint}")
    with Benchmark.open(root) as benchmark:
        if space not in benchmark.spaces():
            raise BuilderError(f"No architectures of {space} in {root}. {hint}")
        table = benchmark.architectures(space).sort_by(
            [("sample_seed", "ascending"), ("sample_index", "ascending"), ("arch_id", "ascending")]
        )
    found = [Architecture(space, genome) for genome in table["genome"].to_pylist()]
    return found[:first]


def architecture_row(space: Space, architecture: Architecture, run: Run) -> dict[str, Any]:
    """Return the row of an architecture that somebody else drew."""
    return {
        "arch_id": architecture.arch_id,
        "space": space.name,
        "genome": architecture.genome,
        "params": space.params(architecture),
        "macs": space.macs(architecture),
        "sample_seed": None,
        "sample_index": None,
        "run_id": run.id,
    }


def missing(
    root: Path, table: str, keys: Iterable[dict[str, Any]], retry_failed: bool = False
) -> list[dict[str, Any]]:
    """Return those of the keys that the table has no row of, in their order.

    retry_failed: a failed row counts as missing; else it counts as there.
    """
    keys = list(keys)
    if not keys or not root.is_dir():
        return keys
    with Benchmark.open(root) as benchmark:
        absent = benchmark.missing(table, pa.Table.from_pylist(keys)).to_pylist()
        if not retry_failed:
            return absent
        names = TABLES[table].key
        failed = benchmark.sql(f"SELECT {', '.join(names)} FROM {table} WHERE status <> 'ok'").to_pylist()

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    wanted = {key(row) for row in (*absent, *failed)}
    return [row for row in keys if key(row) in wanted]


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def blocks(items: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Cut work into blocks: each is one part file, and what a kill can cost."""
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]
