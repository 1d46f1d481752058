"""How well accuracies repeat: their noise, the ceiling it sets, and whether protocols agree."""

from typing import Any

import numpy as np
import pyarrow as pa

from store import resampling, statistics
from store.cells import CELL, Query, as_table, reals
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

MOST = 100  # ways to cut the seeds that are tried: every one of up to 8 seeds
RESAMPLED = 8  # of them, those that the interval rests on

NOISE = pa.schema(
    [
        *CELL,
        column("split", TEXT, "name", "part of the data set the accuracies were measured on"),
        column("architectures", WHOLE, "count", "architectures with an accuracy"),
        column("seeds", WHOLE, "count", "training seeds that gave an accuracy"),
        column("trainings", WHOLE, "count", "trainings that gave an accuracy"),
        column("failed", WHOLE, "count", "trainings that failed and are left out"),
        column("accuracy", REAL, "fraction", "mean over the architectures", nullable=True),
        column(
            "architecture_std",
            REAL,
            "fraction",
            "standard deviation over architectures of their mean accuracy over seeds",
            nullable=True,
        ),
        column(
            "seed_std",
            REAL,
            "fraction",
            "standard deviation over seeds of one architecture's accuracy, pooled; null for one seed",
            nullable=True,
        ),
        column(
            "binomial_std",
            REAL,
            "fraction",
            "sqrt(p (1 - p) / images), root mean square: what the finite number of images alone gives; "
            "null where the source does not say how many",
            nullable=True,
        ),
        column("compared", WHOLE, "count", "architectures trained with every compared seed"),
        column("group", WHOLE, "count", "seeds in each of the two groups", nullable=True),
        column("rho", REAL, "-1..1", "Spearman's rho between disjoint groups of seeds, mean", nullable=True),
        column(
            "reliability",
            REAL,
            "0..1",
            "that rho, by Spearman-Brown for the mean over all seeds of an architecture",
            nullable=True,
        ),
        column("ceiling", REAL, "0..1", "the rho that a perfect proxy could reach", nullable=True),
        column(
            "low",
            REAL,
            "0..1",
            "lower end of the 95 % bootstrap interval of the ceiling over architectures",
            nullable=True,
        ),
        column("high", REAL, "0..1", "upper end of that interval", nullable=True),
        column("reason", TEXT, "text", "why there is no ceiling; null where there is one", nullable=True),
    ]
)

AGREEMENT = pa.schema(
    [
        *CELL[:2],
        column("split", TEXT, "name", "part of the data set the accuracies were measured on"),
        *(
            column(f"{what}_{one}", TEXT, "name", f"{what} of the {place} accuracies")
            for one, place in (("a", "first"), ("b", "second"))
            for what in ("protocol", "recipe")
        ),
        column("n", WHOLE, "count", "architectures that have accuracies by both"),
        column("rho", REAL, "-1..1", "Spearman's rho between both", nullable=True),
        column(
            "low", REAL, "-1..1", "lower end of its 95 % bootstrap interval over architectures", nullable=True
        ),
        column("high", REAL, "-1..1", "upper end of that interval", nullable=True),
        column("tau_b", REAL, "-1..1", "Kendall's tau-b between both", nullable=True),
    ]
)

CHOSEN = """
SELECT dense_rank() OVER (ORDER BY space, task, protocol, recipe, split) - 1 AS cell,
       space, task, protocol, recipe, split, arch_id, seed, accuracy, images
FROM trainings LEFT JOIN (SELECT arch_id, params FROM architectures) USING (arch_id)
WHERE ($task IS NULL OR task = $task) AND ($protocol IS NULL OR protocol = $protocol)
  AND ($recipe IS NULL OR recipe = $recipe) AND ($space IS NULL OR space = $space)
  AND ($split IS NULL OR split = $split)
  AND ($least IS NULL OR params >= $least) AND ($most IS NULL OR params <= $most)
ORDER BY cell, arch_id, seed
"""

# `behind` is how many seeds stand behind an accuracy: the harmonic mean, since noise falls as 1 / seeds.
SPREAD = """
WITH repeated AS (
    SELECT cell, arch_id, avg(accuracy ORDER BY seed) AS accuracy, count(accuracy) AS seeds,
           var_samp(accuracy ORDER BY seed) AS variance
    FROM chosen GROUP BY cell, arch_id HAVING count(accuracy) > 0
), over_architectures AS (
    SELECT cell, count(*) AS architectures, avg(accuracy ORDER BY arch_id) AS accuracy,
           stddev_samp(accuracy ORDER BY arch_id) AS architecture_std,
           sqrt(sum(variance * (seeds - 1) ORDER BY arch_id) / nullif(sum(seeds - 1), 0)) AS seed_std,
           count(*) / sum(1 / seeds) AS behind
    FROM repeated GROUP BY cell
)
SELECT cell, space, task, protocol, recipe, split,
       coalesce(any_value(architectures), 0) AS architectures,
       count(DISTINCT seed) FILTER (chosen.accuracy IS NOT NULL) AS seeds,
       count(chosen.accuracy) AS trainings, count(*) - count(chosen.accuracy) AS failed,
       any_value(over_architectures.accuracy) AS accuracy,
       any_value(architecture_std) AS architecture_std, any_value(seed_std) AS seed_std,
       sqrt(avg(chosen.accuracy * (1 - chosen.accuracy) / images ORDER BY arch_id, seed)) AS binomial_std,
       any_value(behind) AS behind
FROM chosen LEFT JOIN over_architectures USING (cell)
GROUP BY cell, space, task, protocol, recipe, split ORDER BY cell
"""

SHARED = """
SELECT dense_rank() OVER (ORDER BY a.space, a.task, a.protocol, a.recipe, b.protocol, b.recipe) - 1 AS cell,
       a.space, a.task, a.split, a.protocol AS protocol_a, a.recipe AS recipe_a, b.protocol AS protocol_b,
       b.recipe AS recipe_b, a.accuracy AS accuracy_a, b.accuracy AS accuracy_b
FROM final_accuracies AS a JOIN final_accuracies AS b USING (arch_id, task, split)
WHERE a.accuracy IS NOT NULL AND b.accuracy IS NOT NULL AND split = $split
  AND ($task IS NULL OR task = $task) AND ($space IS NULL OR a.space = $space)
  AND ($protocol_a IS NULL OR a.protocol = $protocol_a) AND ($recipe_a IS NULL OR a.recipe = $recipe_a)
  AND ($protocol_b IS NULL OR b.protocol = $protocol_b) AND ($recipe_b IS NULL OR b.recipe = $recipe_b)
  AND (a.protocol, a.recipe) <> (b.protocol, b.recipe)
  AND ($told_apart OR (a.protocol, a.recipe) < (b.protocol, b.recipe))
ORDER BY cell, arch_id
"""


def noise(query: Query, wanted: dict[str, Any], draws: int, seed: int) -> pa.Table:
    """The noise of every cell; see Benchmark.noise for every definition. Returns a table of schema NOISE."""
    chosen = query(CHOSEN, wanted, {})
    spread = query(SPREAD, {}, {"chosen": chosen}).to_pylist()
    cells = chosen["cell"].to_numpy()
    rows = []
    for row in spread:
        trainings = _trainings(chosen.filter(pa.array(cells == row["cell"])))
        rows.append({**row, **_repeat(trainings, row["behind"], draws, seed)})
    return as_table(rows, NOISE)


def agreement(
    query: Query,
    wanted: dict[str, Any],
    first: tuple[str | None, str | None],
    second: tuple[str | None, str | None],
    draws: int,
    seed: int,
) -> pa.Table:
    """Rank correlation of two protocols; see Benchmark.agreement. Returns a table of schema AGREEMENT."""
    names = {"protocol_a": first[0], "recipe_a": first[1], "protocol_b": second[0], "recipe_b": second[1]}
    # Asked the same of both sides, a pair is told once; else each side has its own place.
    shared = query(SHARED, {**wanted, **names, "told_apart": first != second}, {})
    cells = shared["cell"].to_numpy()
    rows = []
    for cell in np.unique(cells):
        mine = shared.filter(pa.array(cells == cell))
        a, b = reals(mine, "accuracy_a"), reals(mine, "accuracy_b")
        resampled = resampling.bootstrap_spearman(a, b[:, None], draws, np.random.default_rng(seed))
        rho = statistics.spearman(a, b)
        low, high = resampling.interval(resampled[:, 0]) if np.isfinite(rho) else (np.nan, np.nan)
        found = {"n": len(a), "rho": rho, "low": low, "high": high, "tau_b": statistics.kendall(a, b)}
        rows.append({**mine.slice(0, 1).to_pylist()[0], **found})
    return as_table(rows, AGREEMENT)


def _trainings(chosen: pa.Table) -> Real:
    """Accuracies (architectures, seeds) in the order of their names; NaN where there is none."""
    names, row = np.unique(chosen["arch_id"].to_numpy(), return_inverse=True)
    seeds, place = np.unique(chosen["seed"].to_numpy(), return_inverse=True)
    found = np.full((len(names), len(seeds)), np.nan)
    found[row, place] = reals(chosen, "accuracy")
    return found


def _repeat(trainings: Real, behind: float | None, draws: int, seed: int) -> dict[str, Any]:
    """rho between groups of seeds, and what follows from it, or the reason why there is none."""
    known = np.isfinite(trainings)
    if behind is None:
        return {"compared": 0, "reason": "every training failed"}
    repeated = known.sum(axis=1) >= 2
    if not repeated.any():
        return {"compared": 0, "reason": "one training seed"}
    usual = known[repeated].mean(axis=0) >= 0.5
    block = trainings[:, usual][known[:, usual].all(axis=1)]
    if len(block) < statistics.FEWEST or usual.sum() < 2:
        compared = len(block) if usual.sum() >= 2 else 0
        return {"compared": compared, "reason": "fewer than 3 architectures were trained with the same seeds"}
    groups = statistics.seed_groups(int(usual.sum()), MOST, np.random.default_rng(seed))
    means = [(block[:, a].mean(axis=1), block[:, b].mean(axis=1)) for a, b in groups]
    rho = np.mean([statistics.spearman(a, b) for a, b in means])
    found = {"compared": len(block), "group": len(groups[0][0])}
    if np.isnan(rho):
        return {**found, "reason": "the accuracies of a group of seeds are all alike"}
    factor = behind / found["group"]
    # The same resamples for every pair of groups: each is a draw of the whole procedure. More pairs would
    # hardly move the interval, and take long.
    resampled = [
        resampling.bootstrap_spearman(a, b[:, None], draws, np.random.default_rng(seed))
        for a, b in means[:RESAMPLED]
    ]
    reliability = statistics.spearman_brown(np.array([rho]), factor)
    possible = statistics.ceiling(statistics.spearman_brown(np.mean(resampled, axis=0)[:, 0], factor))
    low, high = resampling.interval(possible)
    top = float(statistics.ceiling(reliability)[0])
    return {**found, "rho": float(rho), "reliability": float(reliability[0]), "ceiling": top} | {
        "low": low,
        "high": high,
    }
