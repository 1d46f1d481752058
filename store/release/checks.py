"""What must hold of the tables of a release. Whatever does not is told with the rows it is about."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from store.schema import TABLES, Table

SHOWN = 5  # rows told for one problem
# ask(sql): the rows of a query
Ask = Callable[[str], pa.Table]

OF_ARCHITECTURES = ("accuracies", "scores", "layers", "searches")


def problems(ask: Ask, proxies: set[str] | None = None) -> Iterator[str]:
    """One line for each constraint that the tables break.

    ask:     queries over the views of a benchmark
    proxies: names that rows may have; None: any
    """
    for table in TABLES.values():
        yield from _columns(ask, table)
        yield from _status(ask, table)
        yield from _repeated(ask, table)
        yield from _provenance(ask, table)
    orphan = "arch_id IS NOT NULL AND arch_id NOT IN (SELECT arch_id FROM architectures)"
    for name in OF_ARCHITECTURES:
        yield from _told(ask, name, "arch_id of no architecture", orphan)
    yield from _evaluated(ask)
    yield from _identities(ask)
    yield from _protocols(ask)
    if proxies is not None:
        yield from _unknown_proxies(ask, proxies)
    yield from _runs(ask)


def _columns(ask: Ask, table: Table) -> Iterator[str]:
    for field in table.schema:
        if not field.nullable:
            yield from _told(ask, table.name, f"{field.name} is null", f"{field.name} IS NULL")
        if pa.types.is_floating(field.type):
            yield from _told(ask, table.name, f"{field.name} is not finite", f"NOT isfinite({field.name})")
        if field.metadata[b"unit"] == b"fraction":
            outside = f"{field.name} NOT BETWEEN 0 AND 1"
            yield from _told(ask, table.name, f"{field.name} is outside 0..1", outside)


def _status(ask: Ask, table: Table) -> Iterator[str]:
    if not table.statuses:
        return
    known = ", ".join(f"'{status}'" for status in table.statuses)
    yield from _told(ask, table.name, f"status is not one of {known}", f"status NOT IN ({known})")
    if table.measured:
        yield from _told(
            ask,
            table.name,
            f"{table.measured} is given exactly when status is not ok",
            f"(status = 'ok') <> ({table.measured} IS NOT NULL)",
        )


def _repeated(ask: Ask, table: Table) -> Iterator[str]:
    """Rows that share their key and whose runs do not say which of them counts."""
    key = ", ".join(f"written.{name}" for name in table.key)
    if table.name == "runs":
        latest, order = "", "written.started"
    else:
        latest = "LEFT JOIN (SELECT run_id, started FROM runs) AS latest ON latest.run_id = written.run_id"
        order = "latest.started"
    worked = "written.status = 'ok'" if table.measured else "true"  # what a run mended counts, as for readers
    rows = f"""FROM (
        SELECT written.* FROM parts.{table.name} AS written {latest}
        QUALIFY count(*) OVER (PARTITION BY {key}) > 1
            AND rank() OVER (PARTITION BY {key} ORDER BY {order} DESC NULLS LAST, {worked} DESC) = 1
            AND count(*) OVER (PARTITION BY {key}, {order}, {worked}) > 1
    )"""
    yield from _told(ask, table.name, "a repeated key", "true", rows)


def _provenance(ask: Ask, table: Table) -> Iterator[str]:
    if table.name != "runs":
        known = "run_id NOT IN (SELECT run_id FROM runs)"
        yield from _told(ask, table.name, "run_id of no run: who computed it is not known", known)


def _evaluated(ask: Ask) -> Iterator[str]:
    rows = "FROM (SELECT search_id, unnest(evaluated) AS arch_id FROM searches)"
    condition = "arch_id NOT IN (SELECT arch_id FROM architectures)"
    yield from _told(ask, "searches", "evaluated architectures that are not there", condition, rows)


def _identities(ask: Ask) -> Iterator[str]:
    """Architectures whose id is not that of space and genome, or whose genome is not canonical."""
    wrong = []
    for row in ask("SELECT arch_id, space, genome FROM architectures ORDER BY arch_id").to_pylist():
        arch_id = hashlib.blake2b(f"{row['space']}\n{row['genome']}".encode()).hexdigest()[:16]
        try:
            canonical = json.dumps(json.loads(row["genome"]), sort_keys=True) == row["genome"]
        except ValueError:
            canonical = False
        if arch_id != row["arch_id"] or not canonical:
            wrong.append(row)
    if wrong:
        yield _line("architectures", "arch_id is not that of space and genome", len(wrong), wrong[:SHOWN])


def _protocols(ask: Ask) -> Iterator[str]:
    """Accuracies without a recipe, or by another protocol than the run that wrote them was told."""
    yield from _told(ask, "accuracies", "a protocol without recipe", "trim(recipe) = ''")
    told = "json_extract_string(config, '$.protocol.name')"
    unknown = (
        "json_extract_string(config, '$.protocol.recipe') IS NULL "
        "AND json_extract_string(config, '$.protocol.published') IS NULL"
    )
    columns = f"accuracies.*, {told} AS told, {unknown} AS bare"
    rows = f"FROM (SELECT {columns} FROM accuracies JOIN runs USING (run_id))"
    yield from _told(
        ask, "accuracies", "the run that wrote it has another protocol", "told <> protocol", rows
    )
    yield from _told(ask, "accuracies", "the run that wrote it has no recipe", "told IS NULL OR bare", rows)


def _unknown_proxies(ask: Ask, proxies: set[str]) -> Iterator[str]:
    for name in ask("SELECT DISTINCT proxy FROM scores ORDER BY 1")["proxy"].to_pylist():
        if name not in proxies:
            quoted = name.replace("'", "''")
            yield from _told(ask, "scores", f"proxy {name!r} is not in the registry", f"proxy = '{quoted}'")


def _runs(ask: Ask) -> Iterator[str]:
    wrote = " UNION ".join(f"SELECT run_id FROM {name}" for name in TABLES if name != "runs")
    condition = f'"commit" IS NULL AND run_id IN ({wrote})'
    yield from _told(ask, "runs", "no commit: which code computed its rows is not known", condition)
    yield from _told(ask, "searches", "a search that is not at its end", "status = 'running'")


def _told(ask: Ask, table: str, what: str, condition: str, rows: str | None = None) -> Iterator[str]:
    """The problem, its number of rows and the keys of the first of them; nothing where no row has it."""
    source = rows or f"FROM {table}"
    count = ask(f"SELECT count(*) AS n {source} WHERE {condition}")["n"][0].as_py()
    if count:
        names = ask(f"{source} LIMIT 0").column_names
        key = ", ".join(name for name in dict.fromkeys((*TABLES[table].key, "arch_id")) if name in names)
        first = ask(f"SELECT {key} {source} WHERE {condition} ORDER BY ALL LIMIT {SHOWN}").to_pylist()
        yield _line(table, what, count, first)


def _line(table: str, what: str, count: int, first: list[dict[str, Any]]) -> str:
    rows = "; ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in first)
    more = f"; and {count - len(first):,} more" if count > len(first) else ""
    return f"{table}: {what}: {count:,} row{'s' if count > 1 else ''} ({rows}{more})"
