"""Proxies over several tasks at once: the mean of rho, its interval, and the places a proxy may hold."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store import statistics
from store.analysis import fewest, mean
from store.errors import StoreError
from store.groups import GROUPS, told_apart
from store.rank import CELL, CONTROLS, RANKING, Cell, Query, Selection, as_table, cells_of, meet
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

# rho of every proxy without resamples, of what was asked before: the same numbers in another order, or with
# intervals beside them, are the usual next question. A row is a cell and proxy.
Points: TypeAlias = dict[Selection, list[dict[str, Any]]]
KEPT = 100  # selections

GIVEN_PARAMS = ("low_given_params", "high_given_params")

COUNTS = """
SELECT cell, proxy, count(*) - count(value) AS failed, count(DISTINCT place) AS scored,
       median(seconds) FILTER (WHERE value IS NOT NULL) AS seconds
FROM observed GROUP BY cell, proxy
"""

# RANKING without what takes long on a large benchmark: resamples and Kendall's tau.
RHOS = pa.schema([field for field in RANKING if field.name not in ("tau_b", "low", "high", *GIVEN_PARAMS)])

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
    query: Query, selection: Selection, draws: int, seed: int, given: str | None, known: Points
) -> pa.Table:
    """The ranking over the tasks chosen; see Benchmark.overall. Returns a table of schema OVERALL."""
    ranked_by = "rho_given_params" if given == "params" else "rho"
    met = cache(lambda: _met(query, selection))
    points = _known(known, selection, lambda: _points(query, *met(), selection))
    points.sort(key=lambda row: (str(row["space"]), row["protocol"]))
    drawn = dict(_drawn(met()[1], selection, draws, seed, given)) if draws else {}
    rows = []
    for cell, group in groupby(points, lambda row: {"space": row["space"], "protocol": row["protocol"]}):
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


def rhos(query: Query, selection: Selection, known: Points) -> pa.Table:
    """rho alone, of every cell and proxy; see Benchmark.rhos. Returns a table of schema RHOS."""
    points = _known(known, selection, lambda: _points(query, *_met(query, selection), selection))
    ordered: list[dict[str, Any]] = []
    for _, cell in groupby(points, lambda row: row["cell"]):
        rows = sorted(cell, key=lambda row: (-np.inf if row["rho"] is None else -row["rho"], row["proxy"]))
        rows.sort(key=lambda row: row["rho"] is None)
        values = np.array([row["rho"] for row in rows if row["rho"] is not None])
        for row in rows:
            row["rank"] = None if row["rho"] is None else 1 + int((values > row["rho"]).sum())
        ordered += rows
    return as_table(ordered, RHOS)


def _known(
    known: Points, selection: Selection, compute: Callable[[], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The points of a selection, computed where they are not known; the caller may change them."""
    if selection not in known:
        if len(known) >= KEPT:
            known.clear()
        known[selection] = compute()
    return [dict(row) for row in known[selection]]


def _met(query: Query, selection: Selection) -> tuple[pa.Table, list[Cell]]:
    """The scores that meet the accuracies chosen, and the cells they make."""
    truth, observed, _ = meet(query, selection)
    return observed, list(cells_of(truth, observed))


def _points(
    query: Query, observed: pa.Table, cells: list[Cell], selection: Selection
) -> list[dict[str, Any]]:
    """rho and the counts of every cell and proxy, without resamples."""
    counts = {
        (row["cell"], row["proxy"]): row for row in query(COUNTS, {}, {"observed": observed}).to_pylist()
    }
    rows = []
    for number, cell in enumerate(cells):
        for proxy in cell.names(selection):
            scores = cell.scores[:, cell.series(proxy)].T
            rho = mean(np.array([statistics.spearman(values, cell.accuracy) for values in scores]))
            partial = mean(
                np.array(
                    [statistics.partial_spearman(values, cell.accuracy, cell.params) for values in scores]
                )
            )
            counted = counts.get((number, proxy), {"failed": 0, "scored": 0, "seconds": None})
            rows.append(
                cell.about
                | {"cell": number, "proxy": proxy, "control": proxy in CONTROLS, "seeds": len(scores)}
                | {"rho": _or_none(rho), "n": fewest(np.isfinite(scores).sum(axis=1))}
                | {"rho_given_params": None if proxy == "params" or np.isnan(rho) else _or_none(partial)}
                | {"failed": counted["failed"], "seconds": counted["seconds"]}
                | {"unscored": len(cell.accuracy) - counted["scored"]}
            )
    return rows


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number


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
    cells: list[Cell], selection: Selection, draws: int, seed: int, given: str | None
) -> Iterator[tuple[tuple[Any, ...], Real]]:
    """What every proxy's rho is in resamples, (draws,), by space, protocol, task and proxy.

    The same resamples for all proxies of a task; for all tasks too, where they have the same architectures.
    """
    for cell in cells:
        resampled = _resampled(cell, draws, seed, given)
        for proxy in cell.names(selection):
            about = tuple(cell.about[name] for name in ("space", "protocol", "task"))
            if len(mine := cell.series(proxy)):
                yield (*about, proxy), resampled[:, mine].mean(axis=1)


def _resampled(cell: Cell, draws: int, seed: int, given: str | None) -> Real:
    if given == "params":
        return statistics.bootstrap_partial_spearman(cell.accuracy, cell.scores, cell.params, draws, seed)
    return statistics.bootstrap_spearman(cell.accuracy, cell.scores, draws, np.random.default_rng(seed))


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
        low, high = statistics.interval(resampled[place])
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
        p[place] = statistics.bootstrap_p(own - values, (resampled[place] - resampled).T)
    apart = told_apart(p)
    return apart & (values[None, :] > values[:, None]), apart & (values[None, :] < values[:, None])
