"""Take chosen failures out of the tables, so that the command that wrote them plans them again."""

from __future__ import annotations

from builder.errors import BuilderError
from builder.plan import FILLS, quoted
from builder.provenance import Run
from builder.settings import Settings
from store import TABLES, Benchmark
from store.compact import remove
from store.errors import unknown
from store.location import is_there


def run(settings: Settings, run: Run) -> None:
    """Remove the failed rows that `retry` chooses, and say how many."""
    wanted = settings.retry
    if not is_there(run.root):
        raise BuilderError(f"No benchmark at {run.root}.")
    known = sorted({status for name in FILLS.values() for status in TABLES[name].statuses} - {"ok"})
    if wanted.status is not None and wanted.status not in known:
        raise BuilderError(f"retry.status is '{wanted.status}', expected one of {', '.join(known)}.")
    chosen = {"status": wanted.status, "task": wanted.task, "proxy": wanted.proxy}
    asked = {column: value for column, value in chosen.items() if value is not None}
    tables = [name for name in FILLS.values() if asked.keys() <= set(TABLES[name].schema.names)]
    conditions = ["status <> 'ok'", *(f"{column} = {quoted(value)}" for column, value in asked.items())]
    if wanted.message is not None:
        conditions.append(f"contains(message, {quoted(wanted.message)})")
    where = " AND ".join(conditions)
    with Benchmark.open(run.root) as benchmark:
        for column in ("task", "proxy"):
            if column in asked:
                _refuse_unknown(benchmark, tables, column, asked[column])
        of_layers = _of_whole_architectures(benchmark, where) if "layers" in tables else ""
    for name in tables:
        if is_there(run.root / name):
            print(_said(name, remove(run.root, name, of_layers if name == "layers" else where)))


def _refuse_unknown(benchmark: Benchmark, tables: list[str], column: str, value: str) -> None:
    """Raise StoreError for a task or a proxy that no row has."""
    each = " UNION ".join(f"SELECT {column} FROM {name}" for name in tables)
    there = benchmark.sql(each)[column].to_pylist()
    if value not in there:
        raise unknown(column, value, there)


def _of_whole_architectures(benchmark: Benchmark, where: str) -> str:
    """Return the condition of all layers of architectures of which one failed: they are measured together."""
    failed = benchmark.sql(f"SELECT DISTINCT arch_id, task, seed FROM layers WHERE {where}").to_pylist()
    keys = (f"({quoted(row['arch_id'])}, {quoted(row['task'])}, {row['seed']})" for row in failed)
    return f"(arch_id, task, seed) IN ({', '.join(keys)})" if failed else "false"


def _said(name: str, removed: int) -> str:
    if not removed:
        return f"retry: no failed row of {name} matches"
    what = "rows of failed architectures" if name == "layers" else "failed rows"
    return f"retry: {removed} {what} taken out of {name}; the same command as before plans them again"
