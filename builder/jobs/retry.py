"""Take chosen failures out of the tables, so that the command that wrote them plans them again."""

from __future__ import annotations

from builder.errors import BuilderError
from builder.plan import quoted
from builder.provenance import Run
from builder.settings import Settings
from store import TABLES
from store.compact import remove
from store.location import is_there

_TABLES = ("accuracies", "scores", "layers")


def run(settings: Settings, run: Run) -> None:
    """Remove the failed rows that `retry` chooses, and say how many."""
    wanted = settings.retry
    if not is_there(run.root):
        raise BuilderError(f"No benchmark at {run.root}.")
    known = sorted({status for name in _TABLES for status in TABLES[name].statuses} - {"ok"})
    if wanted.status is not None and wanted.status not in known:
        raise BuilderError(f"retry.status is '{wanted.status}', expected one of {', '.join(known)}.")
    chosen = {"status": wanted.status, "task": wanted.task, "proxy": wanted.proxy}
    for name in _TABLES:
        columns = TABLES[name].schema.names
        asked = {column: value for column, value in chosen.items() if value is not None}
        if not is_there(run.root / name) or not asked.keys() <= set(columns):
            continue
        conditions = ["status <> 'ok'", *(f"{column} = {quoted(value)}" for column, value in asked.items())]
        if wanted.message is not None:
            conditions.append(f"contains(message, {quoted(wanted.message)})")
        removed = remove(run.root, name, " AND ".join(conditions))
        print(
            f"retry: {removed} failed rows taken out of {name}; the same command as before plans them again"
        )
