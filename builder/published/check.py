"""Does a known factor explain it? The check that a column of published accuracies passes on import.

A table whose rows have slipped, or part of which was measured on broken weights, still reads as a table. What
it loses is what everybody knows of such networks: that depth, width or size decide some of the accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEAST_ROWS = 50  # below it chance explains too much to tell
LEAST_ROWS_OF_A_LEVEL = 8
CHANCE = 0.05
# Of the 20 published columns measured, the one known to be broken lies at 15.7, the farthest other at 2.8.
FAR = 6.0
_TO_SIGMA = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


@dataclass(frozen=True)
class Level:
    """The rows of one value of a factor, and where they lie.

    median, expected: accuracy of the level, and what the two levels next to it lead to expect (0..1).
    deviation: how far it lies out of line, in robust standard deviations within a level; 0 if it does not.
    """

    factor: str
    value: float
    rows: int
    median: float
    expected: float
    deviation: float


@dataclass(frozen=True)
class Check:
    """What known factors explain of a column of accuracies.

    rows:      how many accuracies.
    explained: factor -> share of the variance of the accuracies' ranks that the factor's ranks explain
               (0..1).
    together:  the same for all factors at once, linear in each.
    chance:    probability of explaining as much when nothing is explained.
    farthest:  the level farthest out of line; None where no factor has three levels.
    """

    rows: int
    explained: dict[str, float]
    together: float
    chance: float
    farthest: Level | None

    @property
    def refused(self) -> str:
        """Why the column is refused: "out of line", "unexplained", or empty when it passes."""
        if self.rows < LEAST_ROWS or not self.explained:
            return ""
        if self.farthest is not None and self.farthest.deviation > FAR:
            return "out of line"
        return "unexplained" if self.chance > CHANCE else ""

    @property
    def summary(self) -> str:
        """The statistics in words, with their limits where they are broken."""
        if not self.explained:
            return "no known factor varies"
        if self.rows < LEAST_ROWS:
            return f"not checked: the check needs {LEAST_ROWS} rows"
        best = max(self.explained, key=self.explained.__getitem__)
        if self.refused == "out of line" and self.farthest is not None:
            level = self.farthest
            return (
                f"the {level.rows} networks of {level.factor} {level.value:g} lie at {level.median:.2%}, "
                f"where the levels beside them lead to expect {level.expected:.2%}: {level.deviation:.1f} "
                f"robust deviations out of line, at most {FAR:g} allowed"
            )
        together = f"all factors together R2 {self.together:.2f} of the ranks"
        if self.refused:
            return (
                f"no known factor explains it: {best} R2 {self.explained[best]:.2f}, {together}, p = "
                f"{self.chance:.2g}, at most {CHANCE:g} allowed"
            )
        return f"{best} explains most of it: R2 {self.explained[best]:.2f}, {together}"


def factors(genomes: Sequence[Mapping[str, Any]], params: Sequence[int]) -> dict[str, np.ndarray]:
    """Return what is known of networks before any is trained, by name, each (networks,) float64.

    genomes: the values of each genome. A number is a factor; of a list of numbers its mean is.
    params:  number of parameters of each network.

    Factors that do not vary are left out.
    """
    found: dict[str, list[float]] = {"params": [float(count) for count in params]}
    for field in sorted({field for genome in genomes for field in genome}):
        values = [genome.get(field) for genome in genomes]
        if all(isinstance(value, int | float) for value in values):
            found[field] = [float(value) for value in values]  # type: ignore[arg-type]
        elif all(_numbers(value) for value in values):
            found[f"mean {field}"] = [float(np.mean(value)) for value in values]  # type: ignore[arg-type]
    return {name: np.array(values) for name, values in found.items() if len(set(values)) > 1}


def check(accuracies: Sequence[float], known: Mapping[str, np.ndarray]) -> Check:
    """Return what known factors explain of accuracies, and whether a level of one lies out of line.

    accuracies: (networks,), 0..1.
    known:      factor -> (networks,), as `factors` makes them.

    Unexplained: the ranks of the accuracies are regressed on the ranks of all factors; when nothing is
                 explained
    the share explained follows a beta distribution, which gives `chance`. Out of line: see `Level`.
    """
    y = np.asarray(accuracies, dtype=np.float64)
    ranks = stats.rankdata(y)
    explained = {name: _share([stats.rankdata(values)], ranks)[0] for name, values in known.items()}
    together, used = _share([stats.rankdata(values) for values in known.values()], ranks)
    free = len(y) - 1 - used
    chance = float(stats.beta.sf(together, used / 2, free / 2)) if used and free > 0 else 1.0
    levels = [level for name, values in known.items() for level in _levels(name, values, y)]
    farthest = max(levels, key=lambda level: level.deviation, default=None)
    return Check(len(y), explained, together, chance, farthest)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, int | float) for v in value)


def _share(columns: list[np.ndarray], y: np.ndarray) -> tuple[float, int]:
    """Return the share of y's variance that a linear model of the columns explains, and the columns it
    used."""
    centred = y - y.mean()
    total = float(centred @ centred)
    if not columns or not total:
        return 0.0, len(columns)
    design = np.column_stack([column - column.mean() for column in columns])
    weights, _, rank, _ = np.linalg.lstsq(design, centred, rcond=None)
    left = centred - design @ weights
    return 1 - float(left @ left) / total, int(rank)


def _levels(name: str, values: np.ndarray, y: np.ndarray) -> list[Level]:
    """Return the levels of a factor that have rows enough; none where fewer than three have.

    A level is as far out of line as it lies both beyond all other levels and off the line through the two
    nearest of them, in units of the spread within levels. A strong factor alone does not put its last level
    out of
    line: there the line goes on.
    """
    counted = [value for value in np.unique(values) if (values == value).sum() >= LEAST_ROWS_OF_A_LEVEL]
    if len(counted) < 3:
        return []
    parts = [y[values == value] for value in counted]
    medians = np.array([np.median(part) for part in parts])
    spreads = _TO_SIGMA * np.array([np.median(np.abs(part - np.median(part))) for part in parts])
    found = []
    for i, value in enumerate(counted):
        others = np.delete(np.arange(len(counted)), i)
        near = sorted(others, key=lambda other: abs(counted[other] - value))[:2]
        (x0, x1), (y0, y1) = np.array(counted)[near], medians[near]
        expected = y0 + (y1 - y0) * (value - x0) / (x1 - x0)
        beyond = max(medians[i] - medians[others].max(), medians[others].min() - medians[i], 0.0)
        off = min(beyond, abs(medians[i] - expected))
        spread = max(spreads[i], float(np.median(spreads)))
        deviation = 0.0 if not off else off / spread if spread else np.inf
        found.append(
            Level(name, float(value), len(parts[i]), float(medians[i]), float(expected), float(deviation))
        )
    return found
