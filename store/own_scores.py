"""A user's own scores, checked row by row, made into rows of table scores."""

import math
import re
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
            for task in [of_row["task"]] if of_row["task"] is not None else tasks:
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
    if isinstance(table, list | tuple) and all(isinstance(row, Mapping) for row in table):
        return [dict(row) for row in table]
    if isinstance(table, Mapping) and all(_is_column(column) for column in table.values()):
        lengths = {len(column) for column in table.values()}
        if len(lengths) > 1:
            raise StoreError(f"with_scores: the columns have {sorted(lengths)} rows. Give equally many.")
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    try:
        found = pa.table(table)
    except (pa.ArrowException, TypeError, ValueError):
        raise StoreError(
            f"with_scores: {type(table).__name__} is no table. Give an Arrow table, a data frame, a dict of "
            "columns or a list of dicts."
        ) from None
    # What pandas counts the rows of a selection by is no column of the user's.
    named = [name for name in found.column_names if not re.fullmatch(r"__index_level_\d+__", name)]
    return found.select(named).to_pylist()


def _is_column(values: Any) -> bool:
    sized = hasattr(values, "__len__") and hasattr(values, "__iter__")
    return sized and not isinstance(values, str | Mapping)


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
    told = {column: None if given != given else given for column, given in row.items()}  # NaN: no entry
    name, task = proxy if told.get("proxy") is None else told["proxy"], told.get("task")
    if not isinstance(name, str) or not name:
        raise StoreError(f"proxy {name!r} is no name")
    if name in known["proxy"]:
        raise StoreError(f"proxy {name!r} is in the benchmark already; give another name")
    if task is not None and task not in known["task"]:
        raise unknown("task", str(task), known["task"])
    seconds = _number("seconds", told.get("seconds"))
    if seconds is not None and not 0 <= seconds < math.inf:
        raise StoreError(f"seconds {seconds} is no duration")
    status, value = _measured(row.get("value"))
    return {
        "arch_id": _architecture(told, arch_id),
        "task": task,
        "proxy": name,
        "seed": _seed(told.get("seed")),
        "value": value,
        "status": status,
        "message": None if status == "ok" else f"the table given says {row.get('value')}",
        "seconds": seconds,
    }


def _architecture(told: Mapping[str, Any], arch_id: Callable[[Any, str | None], str]) -> str:
    """The arch_id, of whichever identity the row has; of both, where they are of one architecture."""
    given = [told[column] for column in ("arch_id", "genome") if told.get(column) is not None]
    if not given:
        raise StoreError("no arch_id and no genome")
    found = {arch_id(one, told.get("space")) for one in given}
    if len(found) > 1:
        raise StoreError("arch_id and genome are of two architectures")
    return found.pop()


def _seed(given: Any) -> int:
    """The seed, 0 where none is given. A column with gaps has its whole numbers as 1.0."""
    seed = given if isinstance(given, int) else _number("seed", given) or 0.0
    if isinstance(given, bool) or seed != int(seed) or not 0 <= seed < 2**63:
        raise StoreError(f"seed {given!r} is no whole number of 0 or more")
    return int(seed)


def _number(column: str, given: Any) -> float | None:
    if given is None:
        return None
    try:
        if isinstance(given, bool):
            raise TypeError
        return float(given)
    except (TypeError, ValueError, OverflowError):
        raise StoreError(f"{column} {given!r} is no number") from None


def _measured(given: Any) -> tuple[str, float | None]:
    """Status and value: what is not finite failed, as it would have in a job."""
    value = _number("value", given)
    if value is None:
        return "empty", None
    if math.isnan(value):
        return "nan", None
    return ("inf", None) if math.isinf(value) else ("ok", value)
