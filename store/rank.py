"""Proxies against accuracies: the ranking of each cell, and the comparison of two proxies."""

from collections.abc import Callable
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from store import resampling, statistics
from store.cells import CELL, Cell, Observations, Selection, as_table, fewest, mean, median
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

# Any proxy worth its name beats these; they stand in every ranking.
CONTROLS = ("params", "macs", "depth", "width", "random")

# rho of every proxy without resamples, of what was asked before: the same numbers in another order, or with
# intervals beside them, are the usual next question. A row is a cell and proxy.
Points: TypeAlias = dict[Selection, list[dict[str, Any]]]
KEPT = 100  # selections

Series = tuple[str, int | None]  # a proxy, and one of its seeds or None for all

RANKING = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column(
            "rank",
            WHOLE,
            "position",
            "1 is the highest rho of the group; equal rho, equal rank",
            nullable=True,
        ),
        column(
            "rho", REAL, "-1..1", "Spearman's rho, mean over proxy seeds; higher is better", nullable=True
        ),
        column(
            "low",
            REAL,
            "-1..1",
            "lower end of the 95 % bootstrap interval of rho over architectures",
            nullable=True,
        ),
        column("high", REAL, "-1..1", "upper end of that interval", nullable=True),
        column("tau_b", REAL, "-1..1", "Kendall's tau-b, mean over proxy seeds", nullable=True),
        column(
            "rho_given_params",
            REAL,
            "-1..1",
            "partial rho: what the proxy knows beyond the parameter count",
            nullable=True,
        ),
        column(
            "low_given_params",
            REAL,
            "-1..1",
            "lower end of its 95 % bootstrap interval; null unless ranked given params",
            nullable=True,
        ),
        column("high_given_params", REAL, "-1..1", "upper end of that interval", nullable=True),
        column("n", WHOLE, "count", "architectures used: the fewest of any proxy seed"),
        column(
            "failed",
            WHOLE,
            "count",
            "scores that are null among architectures with an accuracy, over all seeds",
        ),
        column("unscored", WHOLE, "count", "architectures with an accuracy and no score row at all"),
        column("seeds", WHOLE, "count", "proxy seeds"),
        column("seconds", REAL, "seconds", "median price for one architecture, as in scores", nullable=True),
        column("control", pa.bool_(), "flag", "a baseline that stands in every ranking, such as params"),
        column("scores_from", TEXT, "name", "task whose images the scores were computed on"),
    ]
)

COMPARISON = pa.schema(
    [
        *CELL,
        column("a", TEXT, "name", "first proxy"),
        column("b", TEXT, "name", "second proxy"),
        column(
            "seed_a", WHOLE, "seed", "proxy seed of the first; null: mean over all of them", nullable=True
        ),
        column("seed_b", WHOLE, "seed", "proxy seed of the second; null: mean over all", nullable=True),
        column(
            "rho_a", REAL, "-1..1", "Spearman's rho of the first on the shared architectures", nullable=True
        ),
        column("rho_b", REAL, "-1..1", "Spearman's rho of the second on the same", nullable=True),
        column("difference", REAL, "-2..2", "rho_a - rho_b; above 0 the first is better", nullable=True),
        column(
            "low",
            REAL,
            "-2..2",
            "lower end of the paired 95 % bootstrap interval of the difference",
            nullable=True,
        ),
        column("high", REAL, "-2..2", "upper end of that interval", nullable=True),
        column(
            "p",
            REAL,
            "0..1",
            "two-sided p of no difference, normal with the scatter of those resamples",
            nullable=True,
        ),
        column("n", WHOLE, "count", "architectures that both proxies scored, in every compared seed"),
        column(
            "separable",
            pa.bool_(),
            "flag",
            "the interval excludes 0; null without an interval",
            nullable=True,
        ),
        column("scores_from", TEXT, "name", "task whose images the scores were computed on"),
    ]
)

# What is ranked by, and the columns of its interval.
INTERVALS = (("rho", "low", "high"), ("rho_given_params", "low_given_params", "high_given_params"))

# RANKING without what takes long on a large benchmark: resamples and Kendall's tau.
_LONG = ("tau_b", *(name for _, *ends in INTERVALS for name in ends))
RHOS = pa.schema([field for field in RANKING if field.name not in _LONG])


def rank(
    observations: Observations, selection: Selection, draws: int, seed: int, given: str | None = None
) -> pa.Table:
    """The ranking; see Benchmark.rank for every definition. Returns a table of schema RANKING."""
    cells = observations.cells(selection)
    rows = points(cells, selection)
    for ranked_by, low, high in INTERVALS if given == "params" else INTERVALS[:1]:
        drawn = [resample(cell, draws, seed, ranked_by) for cell in cells]
        for row in rows:
            if row[ranked_by] is not None:
                mine = cells[row["cell"]].series(row["proxy"])
                row[low], row[high] = resampling.interval(drawn[row["cell"]][:, mine].mean(axis=1))
    for row in rows:
        if row["rho"] is not None:
            cell = cells[row["cell"]]
            scores = cell.scores[:, cell.series(row["proxy"])].T
            row["tau_b"] = mean(np.array([statistics.kendall(values, cell.accuracy) for values in scores]))
    return as_table(ranked(rows, "rho_given_params" if given == "params" else "rho"), RANKING)


def rhos(observations: Observations, selection: Selection, known: Points) -> pa.Table:
    """rho alone, of every cell and proxy; see Benchmark.rhos. Returns a table of schema RHOS."""
    rows = remembered(known, selection, lambda: points(observations.cells(selection), selection))
    return as_table(ranked(rows, "rho"), RHOS)


def compare(
    observations: Observations, selection: Selection, a: Series, b: Series, draws: int, seed: int
) -> pa.Table:
    """The paired comparison; see Benchmark.compare. Returns a table of schema COMPARISON."""
    names = {"a": a[0], "b": b[0], "seed_a": a[1], "seed_b": b[1]}
    rows = [
        {**cell.about, **names, **_paired(cell, cell.series(*a), cell.series(*b), draws, seed)}
        for cell in observations.cells(selection)
    ]
    return as_table(rows, COMPARISON)


def remembered(
    known: Points, selection: Selection, compute: Callable[[], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The points of a selection, computed where they are not known; the caller may change them."""
    if selection not in known:
        if len(known) >= KEPT:
            known.clear()
        known[selection] = compute()
    return [dict(row) for row in known[selection]]


def points(cells: list[Cell], selection: Selection) -> list[dict[str, Any]]:
    """rho and the counts of every cell and proxy, without resamples."""
    rows = []
    for number, cell in enumerate(cells):
        rhos, partials = statistics.spearman_columns(cell.scores, cell.accuracy, cell.params)
        known = np.isfinite(cell.scores)
        counts, failed = known.sum(axis=0), (cell.there & ~known).sum(axis=0)
        for proxy in cell.names(selection):
            mine = cell.series(proxy)
            rho, partial = mean(rhos[mine]), mean(partials[mine])
            prices = cell.seconds[:, mine]
            rows.append(
                cell.about
                | {"cell": number, "proxy": proxy, "control": proxy in CONTROLS, "seeds": len(mine)}
                | {"rho": _or_none(rho), "n": fewest(counts[mine])}
                | {"rho_given_params": None if proxy == "params" or np.isnan(rho) else _or_none(partial)}
                | {"failed": int(failed[mine].sum())}
                | {"seconds": _or_none(median(prices[~np.isnan(prices)]))}
                | {"unscored": int((~cell.there[:, mine].any(axis=1)).sum())}
            )
    return rows


def ranked(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """The rows by rank within their cell; those without the statistic last, and without a rank."""

    def highest_first(row: dict[str, Any]) -> float:
        return np.inf if row[by] is None else -row[by]

    ordered = sorted(rows, key=lambda row: (row["cell"], highest_first(row), row["proxy"]))
    for _, cell in groupby(ordered, key=lambda row: row["cell"]):
        first: dict[float, int | None] = {np.inf: None}  # equal statistic, equal rank
        for place, row in enumerate(cell, start=1):
            row["rank"] = first.setdefault(highest_first(row), place)
    return ordered


def resample(cell: Cell, draws: int, seed: int, ranked_by: str = "rho") -> Real:
    """What is ranked by, (draws, series), in resamples of the cell's architectures."""
    if ranked_by == "rho_given_params":
        return resampling.bootstrap_partial_spearman(cell.accuracy, cell.scores, cell.params, draws, seed)
    # A generator of its own for each cell: its intervals do not depend on which other cells were asked for.
    return resampling.bootstrap_spearman(cell.accuracy, cell.scores, draws, np.random.default_rng(seed))


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number


def _paired(cell: Cell, of_a: np.ndarray, of_b: np.ndarray, draws: int, seed: int) -> dict[str, Any]:
    if not len(of_a) or not len(of_b):
        return {"n": 0}
    both = np.concatenate([of_a, of_b])
    shared = np.isfinite(cell.scores[:, both]).all(axis=1)
    accuracy, scores = cell.accuracy[shared], cell.scores[shared][:, both]
    rho = np.array([statistics.spearman(values, accuracy) for values in scores.T])
    resampled = resampling.bootstrap_spearman(accuracy, scores, draws, np.random.default_rng(seed))
    rho_a, rho_b = rho[: len(of_a)].mean(), rho[len(of_a) :].mean()
    apart = resampled[:, : len(of_a)].mean(axis=1) - resampled[:, len(of_a) :].mean(axis=1)
    known = bool(np.isfinite(rho_a - rho_b)) and draws > 0
    low, high = resampling.interval(apart) if known else (np.nan, np.nan)
    p = resampling.bootstrap_p(np.array([rho_a - rho_b]), apart[:, None])[0] if known else np.nan
    return {
        "rho_a": rho_a,
        "rho_b": rho_b,
        "difference": rho_a - rho_b,
        "low": low,
        "high": high,
        "p": float(p),
        "n": int(shared.sum()),
        "separable": bool(low > 0 or high < 0) if np.isfinite(low) else None,
    }
