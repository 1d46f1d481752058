"""Proxies over several tasks at once: the mean of rho, its interval, and the places a proxy may hold."""

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store import resampling
from store.cells import CELL, Cell, Observations, Selection, as_table
from store.errors import StoreError
from store.groups import GROUPS, told_apart
from store.rank import RANKING, Points, points, remembered, resample
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

OVERALL = pa.schema(
    [
        *(CELL[place] for place in (0, 2)),
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column("rank", WHOLE, "position", "1 is the highest mean; equal mean, equal rank", nullable=True),
        *(GROUPS.field(name) for name in ("first_place", "last_place")),
        column("rho", REAL, "-1..1", "mean over the tasks of Spearman's rho; null if one has none", True),
        column("low", REAL, "-1..1", "lower end of the 95 % bootstrap interval of what is ranked by", True),
        column("high", REAL, "-1..1", "upper end of that interval", nullable=True),
        column("rho_given_params", REAL, "-1..1", "mean over the tasks of the partial rho", nullable=True),
        column("tasks", WHOLE, "count", "tasks on which it has a rho"),
        column("of_tasks", WHOLE, "count", "tasks there are"),
        *(RANKING.field(name) for name in ("n", "failed", "unscored", "seeds")),
        column("seconds", REAL, "seconds", "mean over the tasks of its price for one architecture", True),
        RANKING.field("control"),
    ]
)


def overall(
    observations: Observations, selection: Selection, draws: int, seed: int, given: str | None, known: Points
) -> pa.Table:
    """The ranking over the tasks chosen; see Benchmark.overall. Returns a table of schema OVERALL."""
    ranked_by = "rho_given_params" if given == "params" else "rho"
    cells = cache(lambda: observations.cells(selection))
    found = remembered(known, selection, lambda: points(cells(), selection))
    found.sort(key=lambda row: (str(row["space"]), row["protocol"]))
    drawn = dict(_drawn(cells(), selection, draws, seed, ranked_by)) if draws else {}
    rows = []
    for cell, group in groupby(found, lambda row: {"space": row["space"], "protocol": row["protocol"]}):
        by_task = _by_task(list(group))
        proxies = list(dict.fromkeys(proxy for ranking in by_task.values() for proxy in ranking))
        means = {proxy: _mean([ranking.get(proxy) for ranking in by_task.values()]) for proxy in proxies}
        ordered = [proxy for proxy in proxies if means[proxy][ranked_by] is not None]
        ordered.sort(key=lambda proxy: (-means[proxy][ranked_by], proxy))
        values = np.array([means[proxy][ranked_by] for proxy in ordered])
        beside = _beside(cell, list(by_task), ordered, values, drawn)
        for proxy in [*ordered, *sorted(set(proxies) - set(ordered))]:
            rows.append(
                cell | {"proxy": proxy, "of_tasks": len(by_task)} | means[proxy] | beside.get(proxy, {})
            )
    return as_table(rows, OVERALL)


def _by_task(points: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """The row of each proxy by task. Raises StoreError where a task has more than one recipe."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in points:
        here = found.setdefault(row["task"], {})
        other = here.setdefault(row["proxy"], row)
        if other is not row:
            raise StoreError(
                f"Task {row['task']!r} has accuracies by {row['protocol']} of recipe {other['recipe']!r} and "
                f"of {row['recipe']!r}, which are never mixed. Say which with recipe=."
            )
    return found


def _mean(rows: list[dict[str, Any] | None]) -> dict[str, Any]:
    """What a proxy is over all tasks. A mean over those that happen to have a number would flatter it."""
    known = [row for row in rows if row is not None]
    found: dict[str, Any] = {"tasks": sum(row["rho"] is not None for row in known)}
    for name in ("rho", "rho_given_params", "seconds"):
        values = [row[name] for row in known if row[name] is not None]
        found[name] = float(np.mean(values)) if len(values) == len(rows) else None
    found |= {name: sum(row[name] for row in known) for name in ("failed", "unscored")}
    found |= {name: min(row[name] for row in known) for name in ("n", "seeds")}
    return found | {"control": known[0]["control"]}


def _drawn(
    cells: list[Cell], selection: Selection, draws: int, seed: int, ranked_by: str
) -> Iterator[tuple[tuple[Any, ...], Real]]:
    """What every proxy's rho is in resamples, (draws,), by space, protocol, task and proxy.

    The same resamples for all proxies of a task; for all tasks too, where they have the same architectures.
    """
    for cell in cells:
        resampled = resample(cell, draws, seed, ranked_by)
        for proxy in cell.names(selection):
            about = tuple(cell.about[name] for name in ("space", "protocol", "task"))
            if len(mine := cell.series(proxy)):
                yield (*about, proxy), resampled[:, mine].mean(axis=1)


def _beside(
    cell: dict[str, Any],
    tasks: list[str],
    ordered: list[str],
    values: Real,
    drawn: dict[tuple[Any, ...], Real],
) -> dict[str, dict[str, Any]]:
    """Rank of every proxy that has one and, with resamples, its interval and places."""
    found: dict[str, dict[str, Any]] = {
        proxy: {"rank": 1 + int((values > own).sum())} for proxy, own in zip(ordered, values, strict=True)
    }
    if not drawn or not ordered:
        return found
    of_cell = [[drawn[*cell.values(), task, proxy] for task in tasks] for proxy in ordered]
    resampled = np.mean(of_cell, axis=1)  # (proxies, draws)
    better, worse = _told_apart(values, resampled)
    for place, proxy in enumerate(ordered):
        low, high = resampling.interval(resampled[place])
        found[proxy] |= {"low": low, "high": high, "first_place": 1 + int(better[place].sum())}
        found[proxy]["last_place"] = len(ordered) - int(worse[place].sum())
    return found


def _told_apart(values: Real, resampled: Real) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which proxies (columns) are told apart from each (rows) and better, or worse.

    values:    (proxies,) what is ranked by
    resampled: (proxies, draws) the same in resamples
    """
    p = np.ones((len(values), len(values)))
    for place, own in enumerate(values):
        p[place] = resampling.bootstrap_p(own - values, (resampled[place] - resampled).T)
    apart = told_apart(p)
    return apart & (values[None, :] > values[:, None]), apart & (values[None, :] < values[:, None])
