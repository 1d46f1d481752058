"""What changed between two benchmarks: rows of the tables, and places in the rankings."""

from typing import Any

import pyarrow as pa

from store.cells import CELL, Query, as_table
from store.schema import REAL, TABLES, TEXT, WHOLE, column

# table: (what its rows are grouped by, what makes a row another one)
COMPARED = {
    "architectures": (("space",), ("genome", "params", "macs")),
    "accuracies": (("task", "protocol", "recipe"), ("accuracy", "loss", "status")),
    "scores": (("task", "proxy"), ("value", "status")),
    "layers": (("task",), ("log_sigma_mean", "log_sigma_std", "lambda_term", "status")),
    "searches": (("space", "task", "strategy", "ranker"), ("arch_id", "value", "evaluated")),
}

DIFFERENCE = pa.schema(
    [
        column("table", TEXT, "name", "table the rows are of"),
        column("space", TEXT, "name", "their search space, where the table has one", nullable=True),
        column("task", TEXT, "name", "their task, where the table has one", nullable=True),
        column("what", TEXT, "name", "proxy; protocol and recipe; strategy and ranker", nullable=True),
        column("added", WHOLE, "count", "rows whose key only the new one has"),
        column("removed", WHOLE, "count", "rows whose key only the old one has"),
        column("changed", WHOLE, "count", "rows of both that say something else; times do not count"),
        column("same", WHOLE, "count", "rows of both that say the same"),
    ]
)

MOVES = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column("old_rank", WHOLE, "position", "its rank in the old ranking; null: none", nullable=True),
        column("rank", WHOLE, "position", "its rank in the new ranking; null: none", nullable=True),
        column("old_rho", REAL, "-1..1", "Spearman's rho in the old ranking", nullable=True),
        column("rho", REAL, "-1..1", "Spearman's rho in the new ranking", nullable=True),
    ]
)


def difference(new: Query, old: Query) -> pa.Table:
    """Rows added, removed and changed, by what they are about. Returns a table of schema DIFFERENCE."""
    rows: list[dict[str, Any]] = []
    for name, (groups, values) in COMPARED.items():
        key = TABLES[name].key
        columns = ", ".join(dict.fromkeys((*key, *groups, *values)))
        tables = {
            side: query(f"SELECT {columns} FROM {name}", {}, {})
            for side, query in (("before", old), ("after", new))
        }
        rows += [
            {"table": name, "what": _what(row, groups), **row}
            for row in new(_counted(key, groups, values), {}, tables).to_pylist()
        ]
    return as_table(rows, DIFFERENCE)


def moves(new: pa.Table, old: pa.Table) -> pa.Table:
    """Proxies whose rank is another one. new, old: rankings. Returns a table of schema MOVES."""
    key = [*(field.name for field in CELL), "proxy"]
    sides = [{tuple(row[name] for name in key): row for row in ranking.to_pylist()} for ranking in (old, new)]
    rows = []
    for place in sorted(sides[0].keys() | sides[1].keys(), key=str):
        before, after = (side.get(place, {}) for side in sides)
        if before.get("rank") != after.get("rank"):
            ranks = {"old_rank": before.get("rank"), "rank": after.get("rank")}
            rhos = {"old_rho": before.get("rho"), "rho": after.get("rho")}
            rows.append(dict(zip(key, place, strict=True)) | ranks | rhos)
    return as_table(rows, MOVES)


def _counted(key: tuple[str, ...], groups: tuple[str, ...], values: tuple[str, ...]) -> str:
    """SQL that counts, for every group, the rows only in one of two tables, changed, and the same."""
    there = f"(after.{key[0]} IS NOT NULL AND before.{key[0]} IS NOT NULL)"
    other = " OR ".join(f"after.{name} IS DISTINCT FROM before.{name}" for name in values)
    names = ", ".join(f"coalesce(after.{name}, before.{name}) AS {name}" for name in groups)
    return f"""
    SELECT {names}, count(*) FILTER (before.{key[0]} IS NULL) AS added,
           count(*) FILTER (after.{key[0]} IS NULL) AS removed,
           count(*) FILTER ({there} AND ({other})) AS changed,
           count(*) FILTER ({there} AND NOT ({other})) AS same
    FROM after FULL JOIN before ON {" AND ".join(f"after.{name} = before.{name}" for name in key)}
    GROUP BY {", ".join(str(place + 1) for place in range(len(groups)))} ORDER BY ALL"""


def _what(row: dict[str, Any], groups: tuple[str, ...]) -> str | None:
    return ", ".join(row[name] for name in groups if name not in ("space", "task")) or None
