"""Gradients by depth: the curve of log sigma, where its spikes lie, and what Lambda of an interval orders.

Source: Casarin et al., "L-SWAG", CVPR 2025, section on layer choice and Fig. 2. There the interval is read
off the curve by eye; the rule here is ours.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from store import resampling, statistics
from store.cells import CELL, Query, as_table
from store.schema import REAL, WHOLE, column
from store.statistics import Real

PERCENTILES = 10
INTERVALS = [(first, last) for first in range(PERCENTILES) for last in range(first, PERCENTILES)]
STEEPNESS = 2.0  # standard deviations above the median at which a tenth stands out

CURVE = pa.schema(
    [
        *CELL[:2],
        column("percentile", WHOLE, "decile", "tenth of the depth: 0 at the input, 9 at the output"),
        column("log_sigma", REAL, "log", "mean over architectures of the tenth's mean log sigma"),
        column("spread", REAL, "log", "standard deviation over architectures; null for one", nullable=True),
        column("layers", WHOLE, "count", "layers measured in that tenth, of all architectures"),
        column("architectures", WHOLE, "count", "architectures with a measured layer in that tenth"),
        column("spike", pa.bool_(), "flag", "inside the interval that the spikes of this curve choose"),
    ]
)

RHO_BY_INTERVAL = pa.schema(
    [
        *CELL,
        column("first", WHOLE, "decile", "first tenth of the depth in the interval"),
        column("last", WHOLE, "decile", "last tenth of the depth in it"),
        column("n", WHOLE, "count", "architectures with an accuracy and a Lambda for every interval"),
        column("rho", REAL, "-1..1", "Spearman's rho of Lambda over the interval, on all", nullable=True),
        column("rho_fitting", REAL, "-1..1", "that rho on the half to fit on", nullable=True),
        column("rho_other", REAL, "-1..1", "that rho on the other half", nullable=True),
        column(
            "low",
            REAL,
            "-1..1",
            "lower end of the 95 % bootstrap interval of rho_other over architectures",
            nullable=True,
        ),
        column("high", REAL, "-1..1", "upper end of that interval", nullable=True),
        column("whole", pa.bool_(), "flag", "all layers"),
        column("spike", pa.bool_(), "flag", "chosen by the spikes of the curve, without any accuracy"),
        column(
            "fitted",
            pa.bool_(),
            "flag",
            "has the highest rho_fitting: it looked at accuracies, not zero-shot",
        ),
    ]
)

# One architecture's tenth first, so that a network with more layers counts no more than another.
TENTHS = """
WITH tenths AS (
    SELECT space, task, arch_id, depth_percentile AS percentile, avg(log_sigma_mean) AS log_sigma,
           count(log_sigma_mean) AS layers
    FROM layers JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
    WHERE log_sigma_mean IS NOT NULL AND ($task IS NULL OR task = $task)
      AND ($space IS NULL OR space = $space)
    GROUP BY ALL
)
SELECT space, task, percentile, avg(log_sigma ORDER BY arch_id) AS log_sigma,
       stddev_samp(log_sigma ORDER BY arch_id) AS spread, sum(layers)::BIGINT AS layers,
       count(*) AS architectures
FROM tenths GROUP BY space, task, percentile ORDER BY space, task, percentile
"""

# A layer without a term adds nothing to Lambda, as in the proxy; an architecture that failed has no Lambda.
LAMBDAS = """
WITH sums AS (
    SELECT space, task, arch_id, seed, depth_percentile AS percentile,
           sum(coalesce(lambda_term, 0) ORDER BY place) AS term,
           bool_and(status IN ('ok', 'empty')) AS usable
    FROM layers JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
    GROUP BY ALL
), means AS (
    SELECT space, task, arch_id, percentile, avg(term ORDER BY seed) AS term
    FROM sums GROUP BY ALL HAVING bool_and(usable)
)
SELECT dense_rank() OVER (ORDER BY space, task, protocol, recipe) - 1 AS cell,
       space, task, protocol, recipe, arch_id, percentile, term, accuracy
FROM means JOIN final_accuracies USING (space, task, arch_id)
WHERE accuracy IS NOT NULL AND split = $split AND ($task IS NULL OR task = $task)
  AND ($protocol IS NULL OR protocol = $protocol) AND ($recipe IS NULL OR recipe = $recipe)
  AND ($space IS NULL OR space = $space)
ORDER BY cell, arch_id, percentile
"""


def curves(query: Query, wanted: dict[str, Any]) -> pa.Table:
    """Log sigma by tenth of the depth, of every space and task; see Benchmark.layers."""
    rows = query(TENTHS, wanted, {}).to_pylist()
    for row in rows:
        row["spike"] = False
    for cell in dict.fromkeys((row["space"], row["task"]) for row in rows):
        of_cell = [row for row in rows if (row["space"], row["task"]) == cell]
        first, last = _spikes_of(of_cell)
        for row in of_cell:
            row["spike"] = first <= row["percentile"] <= last
    return as_table(rows, CURVE)


def spikes(curve: Real, spread: Real) -> tuple[int, int]:
    """The interval from where a curve's spikes begin to where they end. It looks at no accuracy.

    curve:  (tenths,) mean log sigma by tenth of the depth; NaN where no layer lies
    spread: (tenths,) its standard deviation over architectures; NaN where there is none

    A tenth stands out where it lies above the median of the curve by more than 2 robust standard deviations
    of the curve (1.4826 times the median absolute deviation), and by more than the median spread over
    architectures: a bump lower than the networks differ among themselves is none. Returns the first and
    the last tenth that stand out, and all that lies between; (0, tenths - 1) where none does, as on a flat
    or a steadily rising curve, or where half of the curve or more is raised.
    """
    usable = np.isfinite(curve)
    if usable.sum() < statistics.FEWEST:
        return 0, len(curve) - 1
    above = curve - np.median(curve[usable])
    noise = 1.4826 * np.median(np.abs(above[usable]))
    between = spread[np.isfinite(spread)]
    least = max(STEEPNESS * noise, float(np.median(between)) if len(between) else 0.0)
    out = np.flatnonzero(usable & (above > least) & (above > 1e-12))
    return (int(out[0]), int(out[-1])) if len(out) else (0, len(curve) - 1)


def by_interval(query: Query, wanted: dict[str, Any], draws: int, seed: int) -> pa.Table:
    """What Lambda of every interval orders; see Benchmark.layer_intervals."""
    chosen = query(LAMBDAS, wanted, {})
    names = {"task": wanted["task"], "space": wanted["space"]}
    measured = query(TENTHS, names, {}).to_pylist()
    rows = []
    cells = chosen["cell"].to_numpy()
    for cell in np.unique(cells):
        mine = chosen.filter(pa.array(cells == cell))
        of_cell = {name: mine[name][0].as_py() for name in ("space", "task", "protocol", "recipe")}
        curve = [row for row in measured if all(row[name] == of_cell[name] for name in ("space", "task"))]
        rows += [of_cell | row for row in _intervals(*_matrix(mine), _spikes_of(curve), draws, seed)]
    return as_table(rows, RHO_BY_INTERVAL)


def halves(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places 0 .. count - 1 in two random halves: to choose on, and to report on, which has the odd one."""
    order = generator.permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def _intervals(
    terms: Real, accuracies: Real, spike: tuple[int, int], draws: int, seed: int
) -> list[dict[str, Any]]:
    """The rows of one cell. terms: (architectures, tenths), summed over the tenth's layers."""
    sums = np.concatenate([np.zeros((len(terms), 1)), np.cumsum(terms, axis=1)], axis=1)
    lambdas = np.stack([sums[:, last + 1] - sums[:, first] for first, last in INTERVALS], axis=1)
    generator = np.random.default_rng(seed)
    fitting, other = halves(len(terms), generator)
    drawn = resampling.bootstrap_spearman(accuracies[other], lambdas[other], draws, generator)
    fits = [
        statistics.spearman(lambdas[fitting, place], accuracies[fitting]) for place in range(len(INTERVALS))
    ]
    best = INTERVALS[int(np.nanargmax(fits))] if np.isfinite(fits).any() else None
    rows = []
    for place, interval in enumerate(INTERVALS):
        low, high = resampling.interval(drawn[:, place])
        rows.append(
            {
                "first": interval[0],
                "last": interval[1],
                "n": len(terms),
                "rho": statistics.spearman(lambdas[:, place], accuracies),
                "rho_fitting": fits[place],
                "rho_other": statistics.spearman(lambdas[other, place], accuracies[other]),
                "low": low,
                "high": high,
                "whole": interval == INTERVALS[PERCENTILES - 1],
                "spike": interval == spike,
                "fitted": interval == best,
            }
        )
    return rows


def _matrix(chosen: pa.Table) -> tuple[Real, Real]:
    """Terms (architectures, tenths), 0 where a tenth has no layer, and accuracies (architectures,)."""
    _, places = np.unique(chosen["arch_id"].to_numpy(zero_copy_only=False), return_inverse=True)
    terms = np.zeros((places.max() + 1, PERCENTILES))
    accuracies = np.zeros(places.max() + 1)
    terms[places, chosen["percentile"].to_numpy()] = chosen["term"].to_numpy()
    accuracies[places] = chosen["accuracy"].to_numpy()
    return terms, accuracies


def _spikes_of(rows: list[dict[str, Any]]) -> tuple[int, int]:
    curve, spread = np.full(PERCENTILES, np.nan), np.full(PERCENTILES, np.nan)
    for row in rows:
        curve[row["percentile"]] = row["log_sigma"]
        spread[row["percentile"]] = np.nan if row["spread"] is None else row["spread"]
    return spikes(curve, spread)
