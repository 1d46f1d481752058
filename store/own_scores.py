"""A user's own scores, checked row by row, made into rows of table scores."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from store.errors import StoreError, unknown
from store.schema import TABLES

SCHEMA = pa.schema([field.with_nullable(True) for field in TABLES["scores"].schema])
COLUMNS = ("arch_id", "genome", "space", "value", "proxy", "task", "seed", "seconds")
SHOWN = 5  # bad rows told in one message


def score_rows(
    table: Any,
    proxy: str,
    tasks: Iterable[str],
    known: Mapping[str, Iterable[str]],
    arch_id: Callable[[Any, str | None], str],
) -> pa.Table:
    """The rows of table scores that a user's table says; see `Benchmark.with_scores` for what it may hold.

    proxy:   name of the scores where the table has no column proxy
    tasks:   the tasks they count on where the table has no column task
    known:   names that are there already: "task", which a row may name, and "proxy", which it may not
    arch_id: finds an architecture, or raises StoreError

    Raises StoreError naming the bad rows, counted from 0.
    """
    rows = _as_rows(table)
    _check_columns(rows)
    tasks = list(tasks)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    wrong = []
    for place, row in enumerate(rows):
        try:
            of_row = _score(row, proxy, known, arch_id)
            for task in [row["task"]] if row.get("task") is not None else tasks:
                key = (of_row["arch_id"], task, of_row["proxy"], of_row["seed"])
                if key in found:
                    raise StoreError(f"repeats architecture, task, proxy and seed of row {found[key]['row']}")
                found[key] = of_row | {"task": task, "row": place}
        except StoreError as error:
            wrong.append(f"row {place}: {str(error).rstrip('.')}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise StoreError(f"with_scores: {'; '.join(wrong[:SHOWN])}{more}. Nothing was taken.")
    return pa.Table.from_pylist(list(found.values()), schema=SCHEMA)


def _as_rows(table: Any) -> list[dict[str, Any]]:
    """Rows of a list of dicts, a dict of columns, or anything that Arrow reads as a table."""
    if isinstance(table, list | tuple):
        return [dict(row) for row in table]
    if isinstance(table, Mapping):
        lengths = {len(column) for column in table.values()}
        if len(lengths) > 1:
            raise StoreError(f"with_scores: the columns have {sorted(lengths)} rows. Give equally many.")
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    try:
        return pa.table(table).to_pylist()
    except (pa.ArrowException, TypeError, ValueError):
        raise StoreError(
            f"with_scores: {type(table).__name__} is no table. Give an Arrow table, a data frame, a dict of "
            "columns or a list of dicts."
        ) from None


def _check_columns(rows: list[dict[str, Any]]) -> None:
    if not rows:
        raise StoreError("with_scores: the table has no rows.")
    names = {name for row in rows for name in row}
    for name in sorted(names - set(COLUMNS)):
        raise StoreError(f"with_scores: {unknown('column', name, COLUMNS)}")
    if "value" not in names or not names & {"arch_id", "genome"}:
        raise StoreError("with_scores: give the columns arch_id or genome, and value.")


def _score(
    row: Mapping[str, Any],
    proxy: str,
    known: Mapping[str, Iterable[str]],
    arch_id: Callable[[Any, str | None], str],
) -> dict[str, Any]:
    """One row's architecture, proxy, seed and value. Raises StoreError, without the row's number."""
    name, task = row.get("proxy") or proxy, row.get("task")
    if name in known["proxy"]:
        raise StoreError(f"proxy {name!r} is in the benchmark already; give another name")
    if task is not None and task not in known["task"]:
        raise unknown("task", task, known["task"])
    architecture = row.get("arch_id") if row.get("arch_id") is not None else row.get("genome")
    if architecture is None:
        raise StoreError("no arch_id and no genome")
    seed = row.get("seed") or 0
    if not isinstance(seed, int):
        raise StoreError(f"seed {seed!r} is no whole number")
    status, value = _measured(row.get("value"))
    return {
        "arch_id": arch_id(architecture, row.get("space")),
        "proxy": name,
        "seed": seed,
        "value": value,
        "status": status,
        "message": None if status == "ok" else f"the table given says {row.get('value')}",
        "seconds": row.get("seconds"),
    }


def _measured(given: Any) -> tuple[str, float | None]:
    """Status and value: what is not finite failed, as it would have in a job."""
    if given is None:
        return "empty", None
    try:
        value = float(given)
    except (TypeError, ValueError):
        raise StoreError(f"value {given!r} is no number") from None
    if math.isnan(value):
        return "nan", None
    return ("inf", None) if math.isinf(value) else ("ok", value)
