"""Print how far the commands given on a benchmark are: what is done, who is at work, what went wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from builder.errors import BuilderError
from builder.plan import Wanted, literals, quoted
from builder.provenance import Run
from builder.settings import Settings
from builder.text import clock, table
from store import Benchmark
from store.location import is_there, location
from store.parts import COMPACTED

Row = dict[str, Any]

# A run writes its row every minute. Who was not heard of for so long is not at work any more.
SILENT_SECONDS = 180
# The time before the last part over which the rate is taken; how many lines of each kind are shown.
_RATE_SECONDS = 3600
_SHOWN = 5


def run(settings: Settings, run: Run) -> None:
    """Print progress by table, task and proxy; rate and time to go; who is at work; the last errors.

    Read from the files alone, on whichever machine sees them. Rates compare times of files with one another;
    only how long ago a run was heard of needs this machine's clock.
    """
    print(report(run.root))


def report(root: Path) -> str:
    """Return what is printed; BuilderError where there is no benchmark."""
    if not is_there(root):
        raise BuilderError(f"No benchmark at {root}.")
    with Benchmark.open(root) as benchmark:
        runs = _unended(benchmark)
        working = [row for row in runs if row["heard"] < SILENT_SECONDS]
        silent = [row for row in runs if row["heard"] >= SILENT_SECONDS]
        rows = [row for plans in _alike(Wanted.all_of(root)) for row in progress(benchmark, plans, working)]
        lines = [progress_table(rows) if rows else "No plan here yet: a job notes it when it begins."]
        for name in dict.fromkeys(row["table"] for row in rows):
            lines += _rate(benchmark, name, rows)
        failures = _failures(benchmark, {row["table"] for row in rows})
    lines += _titled("at work", map(_said, working))
    lines += _titled("silent; the same command as before does their blocks again", map(_said, silent))
    lines += _titled("failed rows; job=retry has them planned again", failures)
    # Where all that is wanted is there, somebody else did those blocks.
    errors = _errors(root) if not rows or any(row["missing"] or row["running"] for row in rows) else []
    lines += _titled("blocks that ended in an error; the same command does them again", errors)
    return "\n".join(lines)


def progress_table(rows: list[Row]) -> str:
    """Return progress as text: a line for each table, task, and group of proxies that are equally far."""
    counts = ("done", "running", "failed", "missing")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        alike = tuple(row[name] for name in ("table", "space", "task", *counts))
        groups.setdefault(alike, []).append(row["what"])
    lines = [["table", "space", "task", "", *counts]]
    for (*place, done, running, failed, missing), names in groups.items():
        numbers = (f"{len(names) * count:,}" for count in (done, running, failed, missing))
        lines.append([*place, _listed(names), *numbers])
    return table(lines, texts=4)


def _alike(plans: Iterable[Wanted]) -> list[list[Wanted]]:
    """Return plans by what their lines begin with: they may want the same rows."""
    found: dict[tuple[Any, ...], list[Wanted]] = {}
    for plan in plans:
        line = (plan.job, plan.table, plan.space, plan.task, plan.by, plan.label, tuple(plan.keys))
        found.setdefault(line, []).append(plan)
    return list(found.values())


def progress(benchmark: Benchmark, plans: Sequence[Wanted], working: Sequence[Row]) -> list[Row]:
    """Return how far plans of one kind are together, by proxy or else by seed.

    plans:   that differ in the values of their keys alone; what several want counts once.
    working: the runs at work.
    """
    wanted = plans[0]
    asked = " UNION ".join(f"SELECT * FROM {_crossed(plan)}" for plan in plans)
    blocks = [row["block"] for row in working if (row["job"], row["task"]) == (wanted.job, wanted.task)]
    pairs = {(block["seed"], arch_id) for block in blocks if block for arch_id in block["architectures"]}
    listed = ", ".join(f"({seed}, {quoted(arch_id)})" for seed, arch_id in sorted(pairs))
    key = ", ".join(wanted.keys)
    # Where what is wanted once has several rows, as one for each layer, one that failed tells for all.
    rows = benchmark.sql(
        f"""WITH wanted AS ({asked}),
        there AS (SELECT {key}, bool_and(status = 'ok') AS good FROM {wanted.table} GROUP BY {key}),
        working(seed, arch_id) AS (VALUES {listed or "(-1, '')"})
        SELECT {wanted.by} AS what, count(*) FILTER (good) AS done,
               count(*) FILTER (good IS NULL AND working.seed IS NOT NULL) AS running,
               count(*) FILTER (NOT good) AS failed,
               count(*) FILTER (good IS NULL AND working.seed IS NULL) AS missing
        FROM wanted LEFT JOIN there USING ({key}) LEFT JOIN working USING (seed, arch_id)
        GROUP BY ALL ORDER BY what"""
    ).to_pylist()
    place = {"table": wanted.table, "space": wanted.space, "task": wanted.task}
    return [row | place | {"what": f"{wanted.label} {row['what']}".strip()} for row in rows]


def _crossed(wanted: Wanted) -> str:
    return " CROSS JOIN ".join(
        f"(SELECT unnest({literals(values)}) AS {column})" for column, values in wanted.keys.items()
    )


def _unended(benchmark: Benchmark) -> list[Row]:
    """Return the runs that did not say how they ended, and how many seconds ago each was heard of."""
    rows = benchmark.sql(
        """SELECT job, host, device, config, part FROM parts.runs
        WHERE run_id IN (SELECT run_id FROM runs WHERE status = 'running') AND status = 'running'
        ORDER BY started, host, run_id"""
    ).to_pylist()
    for row in rows:
        config = json.loads(row["config"])
        row["task"], row["block"] = config["task"]["name"], config.get("block")
        row["heard"] = time.time() - _changed(row["part"])
    return rows


def _said(row: Row) -> str:
    what = row["block"]["name"] if row["block"] else "all of it"
    return f"{row['host']} ({row['device']}): {row['job']} {what}, heard of {clock(max(0, row['heard']))} ago"


def _rate(benchmark: Benchmark, name: str, rows: list[Row]) -> list[str]:
    """Return at what rate a table's last parts came and when the rest will be there, if that can be told."""
    left = sum(row["missing"] + row["running"] for row in rows if row["table"] == name)
    counts = benchmark.sql(f"SELECT part, count(*) AS n FROM parts.{name} GROUP BY part").to_pylist()
    parts = sorted(
        (_changed(row["part"]), row["n"])
        for row in counts
        if not Path(row["part"]).name.startswith(COMPACTED)
    )
    last = [(changed, n) for changed, n in parts if changed > parts[-1][0] - _RATE_SECONDS]
    if not left or len(last) < 2 or last[-1][0] == last[0][0]:
        return []
    # The first part's rows were there when the clock began.
    rate = sum(n for _, n in last[1:]) / (last[-1][0] - last[0][0])
    return [f"{name}: {3600 * rate:,.0f} rows an hour; the {left:,} to come in {clock(left / rate)}"]


def _failures(benchmark: Benchmark, names: set[str]) -> list[str]:
    """Return the reasons of failed rows, the most frequent first."""
    found: list[Row] = []
    for name in sorted(names):
        found += benchmark.sql(
            f"""SELECT '{name}' AS name, status, message, count(*) AS n FROM {name}
            WHERE status <> 'ok' GROUP BY ALL"""
        ).to_pylist()
    found.sort(key=lambda row: (-row["n"], row["name"], row["status"], row["message"] or ""))
    return [f"{row['n']:,} of {row['name']}, {row['status']}: {row['message']}" for row in found]


def _errors(root: Path) -> list[str]:
    """Return what ended blocks, the last first."""
    paths = sorted((root / "errors").glob("*.txt"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [f"{path.stem}: {path.read_text().strip().splitlines()[-1]}" for path in paths]


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    """Return the first lines under a title that says how many there are; nothing for none."""
    found = list(lines)
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    shown = [f"  {line}" for line in found[:_SHOWN] + more]
    return [f"\n{title} ({len(found)})", *shown] if found else []


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _changed(part: str) -> float:
    """Return when a part was written; of one that is gone meanwhile, long ago."""
    try:
        return location(part).stat().st_mtime
    except OSError:
        return 0.0
