"""Accuracies and the scores that meet them, in SQL: a cell is one ranking's numbers, as arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from store.schema import TEXT, column
from store.statistics import Real

# query(sql, parameters, tables): one statement that may name the given Arrow tables
Query = Callable[[str, dict[str, Any], dict[str, pa.Table]], pa.Table]

CELL = [
    column("space", TEXT, "name", "search space", nullable=True),
    column("task", TEXT, "name", "task whose accuracies are ordered"),
    column("protocol", TEXT, "name", "how the weights were got; never mixed"),
    column("recipe", TEXT, "name", "training recipe; never mixed"),
]

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


def mean(values: Real) -> float:
    """NaN of nothing, and where one of them is NaN."""
    return float(np.mean(values)) if values.size else float("nan")


def fewest(counts: np.ndarray) -> int:
    """0 of nothing."""
    return int(counts.min()) if counts.size else 0
