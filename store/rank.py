"""Ranking proxies against accuracies: what is joined and correlated in SQL, and the tables made of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from store import statistics
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

# Any proxy worth its name beats these; they stand in every ranking.
CONTROLS = ("params", "macs", "depth", "width", "random")

# query(sql, parameters, tables): one statement that may name the given Arrow tables
Query = Callable[[str, dict[str, Any], dict[str, pa.Table]], pa.Table]
Series = tuple[str, int | None]  # a proxy, and one of its seeds or None for all

CELL = [
    column("space", TEXT, "name", "search space", nullable=True),
    column("task", TEXT, "name", "task whose accuracies are ordered"),
    column("protocol", TEXT, "name", "how the weights were got; never mixed"),
    column("recipe", TEXT, "name", "training recipe; never mixed"),
]

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
        column(
            "seconds", REAL, "seconds", "median price of the proxy alone for one architecture", nullable=True
        ),
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

# A cell is one ranking: one space, task, protocol and recipe. Places number its architectures by arch_id, so
# that resamples do not depend on the order of rows in files.
TRUTH = """
SELECT dense_rank() OVER (ORDER BY space, task, protocol, recipe) - 1 AS cell,
       row_number() OVER (PARTITION BY space, task, protocol, recipe ORDER BY arch_id) - 1 AS place,
       space, task, protocol, recipe, arch_id, params, accuracy, coalesce($scores_from, task) AS scores_from
FROM final_accuracies LEFT JOIN (SELECT arch_id, params FROM architectures) USING (arch_id)
WHERE isfinite(accuracy)
  AND split = $split
  AND ($tasks::VARCHAR[] IS NULL OR list_contains($tasks::VARCHAR[], task))
  AND ($protocol IS NULL OR protocol = $protocol)
  AND ($recipe IS NULL OR recipe = $recipe)
  AND ($space IS NULL OR space = $space)
  AND ($least IS NULL OR params >= $least)
  AND ($most IS NULL OR params <= $most)
ORDER BY cell, place
"""

# Adding 0.0 makes -0.0 and 0.0 one value. "series" numbers the (proxy, seed) pairs of a cell.
OBSERVED = """
SELECT truth.cell, truth.place, truth.accuracy + 0.0 AS accuracy, proxy, seed,
       dense_rank() OVER (PARTITION BY truth.cell ORDER BY proxy, seed) - 1 AS series,
       CASE WHEN isfinite(value) THEN value + 0.0 END AS value, seconds
FROM truth
JOIN scores ON scores.arch_id = truth.arch_id AND scores.task = truth.scores_from
WHERE ($every OR proxy IN (SELECT proxy FROM chosen))
  AND ($seeds::BIGINT[] IS NULL OR list_contains($seeds::BIGINT[], seed))
"""

# The accuracies of the architectures that every proxy scored in every seed, numbered anew.
SHARED = """
WITH complete AS (
    SELECT cell, place FROM observed JOIN (
        SELECT cell, max(series) + 1 AS width FROM observed GROUP BY cell
    ) USING (cell)
    GROUP BY cell, place HAVING count(value) = any_value(width)
)
SELECT * REPLACE (dense_rank() OVER (ORDER BY cell) - 1 AS cell,
                  row_number() OVER (PARTITION BY cell ORDER BY place) - 1 AS place)
FROM truth SEMI JOIN complete USING (cell, place)
ORDER BY cell, place
"""

# Average ranks, doubled and centred: 2 * (rank + (ties - 1) / 2) - (n + 1). Whole numbers, so that the sums
# are exact and the same rho comes out on any number of threads. Pearson's r of the ranks is Spearman's rho.
RHO = """
WITH ranked AS (
    SELECT cell, proxy, seed,
           2 * rank() OVER (PARTITION BY cell, proxy, seed ORDER BY value)
             + count(*) OVER (PARTITION BY cell, proxy, seed, value)
             - count(*) OVER (PARTITION BY cell, proxy, seed) - 2 AS x,
           2 * rank() OVER (PARTITION BY cell, proxy, seed ORDER BY accuracy)
             + count(*) OVER (PARTITION BY cell, proxy, seed, accuracy)
             - count(*) OVER (PARTITION BY cell, proxy, seed) - 2 AS y
    FROM observed WHERE value IS NOT NULL
), correlated AS (
    SELECT cell, proxy, seed, count(*) AS n,
           CASE WHEN count(*) >= $fewest THEN
               sum(x * y)::DOUBLE / nullif(sqrt(sum(x * x)::DOUBLE * sum(y * y)::DOUBLE), 0) END AS rho
    FROM ranked GROUP BY cell, proxy, seed
), per_seed AS (
    SELECT cell, proxy, seed, coalesce(any_value(n), 0) AS n, any_value(rho) AS rho,
           count(*) - count(value) AS failed
    FROM observed LEFT JOIN correlated USING (cell, proxy, seed) GROUP BY cell, proxy, seed
), per_proxy AS (
    SELECT cell, proxy, min(n) AS n, sum(failed) AS failed, count(*) AS seeds,
           CASE WHEN count(rho) = count(*) THEN avg(rho ORDER BY seed) END AS rho
    FROM per_seed GROUP BY cell, proxy
), price AS (
    SELECT cell, proxy, median(seconds) FILTER (WHERE value IS NOT NULL) AS seconds,
           count(DISTINCT place) AS scored
    FROM observed GROUP BY cell, proxy
), cells AS (
    SELECT cell, any_value(space) AS space, any_value(task) AS task, any_value(protocol) AS protocol,
           any_value(recipe) AS recipe, any_value(scores_from) AS scores_from, count(*) AS architectures
    FROM truth GROUP BY cell
), listed AS (
    SELECT DISTINCT cell, proxy FROM observed UNION SELECT cell, proxy FROM cells, chosen
)
SELECT cell, space, task, protocol, recipe, proxy,
       CASE WHEN rho IS NOT NULL
            THEN rank() OVER (PARTITION BY cell ORDER BY rho DESC NULLS LAST) END AS rank,
       rho, coalesce(n, 0) AS n, coalesce(failed, 0)::BIGINT AS failed,
       architectures - coalesce(scored, 0) AS unscored, coalesce(seeds, 0) AS seeds, seconds, scores_from
FROM listed JOIN cells USING (cell)
LEFT JOIN per_proxy USING (cell, proxy)
LEFT JOIN price USING (cell, proxy)
ORDER BY cell, rank NULLS LAST, proxy
"""


@dataclass(frozen=True)
class Selection:
    """Which accuracies and which scores meet. None: all of them; every space, task, protocol, recipe apart.

    params: smallest and largest parameter count, both included; None leaves that side open
    shared: only architectures that every one of the proxies scored in every seed
    seeds:  only these proxy seeds
    """

    tasks: tuple[str, ...] | None = None
    protocol: str | None = None
    recipe: str | None = None
    space: str | None = None
    split: str = "test"
    proxies: tuple[str, ...] | None = None
    scores_from: str | None = None
    params: tuple[float | None, float | None] = (None, None)
    shared: bool = False
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Cell:
    """One ranking's numbers: accuracy and params (rows,), scores (rows, series), proxy and seed of each."""

    about: dict[str, Any]
    accuracy: Real
    params: Real
    scores: Real
    proxies: np.ndarray
    seeds: np.ndarray

    def series(self, proxy: str, seed: int | None = None) -> np.ndarray:
        """Positions of the proxy's series, one a seed; of one seed alone if it is given."""
        return np.flatnonzero((self.proxies == proxy) & ((seed is None) | (self.seeds == seed)))

    def names(self, selection: Selection) -> list[str]:
        """The proxies asked for, or all that have scores here, sorted."""
        return sorted(set(self.proxies.tolist()) if selection.proxies is None else selection.proxies)


def rank(query: Query, selection: Selection, draws: int, seed: int, given: str | None = None) -> pa.Table:
    """The ranking; see Benchmark.rank for every definition. Returns a table of schema RANKING."""
    truth, observed, chosen = meet(query, selection)
    tables = {"truth": truth, "observed": observed, "chosen": chosen}
    found = query(RHO, {"fewest": statistics.FEWEST}, tables).to_pylist()
    cells = list(cells_of(truth, observed))
    resampled = [_resample(cell, draws, seed) for cell in cells]
    rows = [{**row, **_beside(row, cells[row["cell"]], resampled[row["cell"]])} for row in found]
    if given == "params":
        partial = [_resample_given_params(cell, draws, seed) for cell in cells]
        rows = _by_partial_rho(
            [{**row, **_interval_given_params(row, cells[row["cell"]], partial[row["cell"]])} for row in rows]
        )
    return as_table(rows, RANKING)


def compare(query: Query, selection: Selection, a: Series, b: Series, draws: int, seed: int) -> pa.Table:
    """The paired comparison; see Benchmark.compare. Returns a table of schema COMPARISON."""
    truth, observed, _ = meet(query, selection)
    names = {"a": a[0], "b": b[0], "seed_a": a[1], "seed_b": b[1]}
    rows = [
        {**cell.about, **names, **_paired(cell, cell.series(*a), cell.series(*b), draws, seed)}
        for cell in cells_of(truth, observed)
    ]
    return as_table(rows, COMPARISON)


def meet(query: Query, selection: Selection) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Accuracies chosen, the scores that meet them, and the proxies asked for by name."""
    least, most = selection.params
    wanted = {
        name: getattr(selection, name) for name in ("protocol", "recipe", "space", "split", "scores_from")
    }
    tasks = None if selection.tasks is None else list(selection.tasks)
    truth = query(TRUTH, {**wanted, "tasks": tasks, "least": least, "most": most}, {})
    chosen = pa.table({"proxy": pa.array(selection.proxies or (), pa.string())})
    seeds = None if selection.seeds is None else list(selection.seeds)
    every = {"every": selection.proxies is None, "seeds": seeds}
    observed = query(OBSERVED, every, {"truth": truth, "chosen": chosen})
    if selection.shared:
        truth = query(SHARED, {}, {"truth": truth, "observed": observed})
        observed = query(OBSERVED, every, {"truth": truth, "chosen": chosen})
    return truth, observed, chosen


def cells_of(truth: pa.Table, observed: pa.Table) -> Iterator[Cell]:
    """The cells in order of their number."""
    about = truth.select(["space", "task", "protocol", "recipe", "scores_from"])
    truths = {name: reals(truth, name) for name in ("accuracy", "params")}
    values = reals(observed, "value")
    place, series = (observed[name].to_numpy() for name in ("place", "series"))
    proxy, seed = (observed[name].to_numpy() for name in ("proxy", "seed"))
    row_of, score_of = truth["cell"].to_numpy(), observed["cell"].to_numpy()
    for cell in range(len(np.unique(row_of))):
        rows, mine = np.flatnonzero(row_of == cell), score_of == cell
        width = int(series[mine].max()) + 1 if mine.any() else 0
        scores = np.full((len(rows), width), np.nan)
        scores[place[mine], series[mine]] = values[mine]
        proxies = np.empty(width, dtype=object)
        proxies[series[mine]] = proxy[mine]
        seeds = np.zeros(width, dtype=np.int64)
        seeds[series[mine]] = seed[mine]
        yield Cell(
            about.slice(rows[0], 1).to_pylist()[0],
            truths["accuracy"][rows],
            truths["params"][rows],
            scores,
            proxies,
            seeds,
        )


def _resample(cell: Cell, draws: int, seed: int) -> Real:
    # A generator of its own for each cell: its intervals do not depend on which other cells were asked for.
    return statistics.bootstrap_spearman(cell.accuracy, cell.scores, draws, np.random.default_rng(seed))


def _resample_given_params(cell: Cell, draws: int, seed: int) -> Real:
    return statistics.bootstrap_partial_spearman(cell.accuracy, cell.scores, cell.params, draws, seed)


def _interval_given_params(row: dict[str, Any], cell: Cell, resampled: Real) -> dict[str, Any]:
    if row.get("rho_given_params") is None or np.isnan(row["rho_given_params"]):
        return {}
    low, high = statistics.interval(resampled[:, cell.series(row["proxy"])].mean(axis=1))
    return {"low_given_params": low, "high_given_params": high}


def _by_partial_rho(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows ranked anew within each cell by rho given params; those without it last, without rank."""

    def lowest_first(row: dict[str, Any]) -> float:
        partial = row.get("rho_given_params")
        return np.inf if partial is None or np.isnan(partial) else -partial

    ordered = sorted(rows, key=lambda row: (row["cell"], lowest_first(row), row["proxy"]))
    for _, cell in groupby(ordered, key=lambda row: row["cell"]):
        first: dict[float, int | None] = {np.inf: None}  # equal rho, equal rank
        for place, row in enumerate(cell, start=1):
            row["rank"] = first.setdefault(lowest_first(row), place)
    return ordered


def _beside(row: dict[str, Any], cell: Cell, resampled: Real) -> dict[str, Any]:
    """What stands beside rho: interval, tau-b, rho given params, and whether the proxy is a control."""
    mine = cell.series(row["proxy"])
    if row["rho"] is None:
        return {"control": row["proxy"] in CONTROLS}
    scores = cell.scores[:, mine].T
    low, high = statistics.interval(resampled[:, mine].mean(axis=1))
    tau = [statistics.kendall(values, cell.accuracy) for values in scores]
    partial = [statistics.partial_spearman(values, cell.accuracy, cell.params) for values in scores]
    return {
        "low": low,
        "high": high,
        "tau_b": float(np.mean(tau)),
        "rho_given_params": None if row["proxy"] == "params" else float(np.mean(partial)),
        "control": row["proxy"] in CONTROLS,
    }


def _paired(cell: Cell, of_a: np.ndarray, of_b: np.ndarray, draws: int, seed: int) -> dict[str, Any]:
    if not len(of_a) or not len(of_b):
        return {"n": 0}
    both = np.concatenate([of_a, of_b])
    shared = np.isfinite(cell.scores[:, both]).all(axis=1)
    accuracy, scores = cell.accuracy[shared], cell.scores[shared][:, both]
    rho = np.array([statistics.spearman(values, accuracy) for values in scores.T])
    resampled = statistics.bootstrap_spearman(accuracy, scores, draws, np.random.default_rng(seed))
    rho_a, rho_b = rho[: len(of_a)].mean(), rho[len(of_a) :].mean()
    apart = resampled[:, : len(of_a)].mean(axis=1) - resampled[:, len(of_a) :].mean(axis=1)
    known = bool(np.isfinite(rho_a - rho_b)) and draws > 0
    low, high = statistics.interval(apart) if known else (np.nan, np.nan)
    p = statistics.bootstrap_p(np.array([rho_a - rho_b]), apart[:, None])[0] if known else np.nan
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


def reals(table: pa.Table, name: str) -> Real:
    """A column as float64, NaN where null."""
    return table[name].cast(pa.float64()).to_numpy()


def as_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """The rows as a table: a statistic that is NaN is a null, and other keys are dropped."""
    names = schema.names
    clean = [{name: _null_for_nan(row.get(name)) for name in names} for row in rows]
    return pa.Table.from_pylist(clean, schema=schema)


def _null_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
