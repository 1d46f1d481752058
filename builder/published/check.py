"""Does a known factor explain it? The check that a column of published accuracies passes on import.

A table whose rows have slipped, or part of which was measured on broken weights, still reads as a table. What
it loses is what everybody knows of such networks: that depth, width or size decide some of the accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spaces import Architecture, Space
from store.factors import genes_of, judged
from store.statistics import Real

LEAST_ROWS = 50  # below it chance explains too much to tell
CHANCE = 0.05


@dataclass(frozen=True)
class Outlier:
    """A level of a factor that is out of line: see `store.Benchmark.factors`.

    accuracy, expected: their mean, and what the other values lead to expect (0..1).
    deviations:         how far beyond, in deviations within the others; None where those do not vary.
    """

    factor: str
    level: str
    rows: int
    accuracy: float
    expected: float
    deviations: float | None


@dataclass(frozen=True)
class Check:
    """What known factors explain of a column of accuracies.

    rows:      how many accuracies.
    explained: factor -> share of the variance of the accuracies' ranks that the factor's ranks explain
               (0..1).
    together:  the same for all factors at once, linear in each.
    chance:    probability of explaining as much when nothing is explained.
    farthest:  the level farthest out of line; None where none is.
    """

    rows: int
    explained: dict[str, float]
    together: float
    chance: float
    farthest: Outlier | None

    @property
    def refused(self) -> str:
        """Why the column is refused: "out of line", "unexplained", or empty when it passes."""
        if self.rows < LEAST_ROWS or not self.explained:
            return ""
        if self.farthest is not None:
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
            beyond = "" if level.deviations is None else f", {level.deviations:.1f} deviations out of line"
            return (
                f"the {level.rows} networks of {level.factor} {level.level} lie at {level.accuracy:.2%}, "
                f"where the others lead to expect {level.expected:.2%}{beyond}"
            )
        together = f"all factors together R2 {self.together:.2f} of the ranks"
        if self.refused:
            return (
                f"no known factor explains it: {best} R2 {self.explained[best]:.2f}, {together}, p = "
                f"{self.chance:.2g}, at most {CHANCE:g} allowed"
            )
        return f"{best} explains most of it: R2 {self.explained[best]:.2f}, {together}"


def factors(genomes: Sequence[str], params: Sequence[int]) -> dict[str, Real]:
    """Return what is known of networks before any is trained, by name, each (networks,) float64.

    genomes: the genome of each. A number is a factor; of a list of numbers its mean is.
    params:  number of parameters of each network.

    Factors that do not vary are left out.
    """
    genes = [genes_of(genome) for genome in genomes]
    found = {"params": np.array(params, dtype=np.float64)}
    for field in sorted({field for gene in genes for field in gene}):
        values = [gene.get(field) for gene in genes]
        if all(isinstance(value, float) for value in values):
            found[field] = np.array(values, dtype=np.float64)
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def factors_of(space: Space, architectures: Sequence[Architecture]) -> dict[str, Real]:
    """Return `factors` of architectures; where their genome is a text, multiply-accumulates beside params."""
    known = factors([a.genome for a in architectures], [space.params(a) for a in architectures])
    if known.keys() <= {"params"}:
        known["macs"] = np.array([space.macs(a) for a in architectures], dtype=np.float64)
    return known


def check(accuracies: Sequence[float], known: Mapping[str, Real]) -> Check:
    """Return what known factors explain of accuracies, and whether a level of one lies out of line.

    accuracies: (networks,), 0..1.
    known:      factor -> (networks,), as `factors` makes them.

    The ranks of the accuracies are regressed on the ranks of all factors; when nothing is explained, the
    share explained follows a beta distribution, which gives `chance`.
    """
    y = np.asarray(accuracies, dtype=np.float64)
    from scipy import stats  # imported here: it takes a second, and every command imports this module

    ranks = stats.rankdata(y)
    explained = {name: _share([stats.rankdata(values)], ranks)[0] for name, values in known.items()}
    together, used = _share([stats.rankdata(values) for values in known.values()], ranks)
    free = len(y) - 1 - used
    chance = float(stats.beta.sf(together, used / 2, free / 2)) if used and free > 0 else 1.0
    outliers = [
        Outlier(name, row["level"], row["n"], row["accuracy"], row["expected"], row["deviations"])
        for name, values in known.items()
        for row in judged(values.tolist(), y, banded=name == "params")
        if row.get("out_of_line")
    ]
    farthest = max(outliers, key=lambda one: abs(one.accuracy - one.expected), default=None)
    return Check(len(y), explained, together, chance, farthest)


def _share(columns: list[np.ndarray], y: np.ndarray) -> tuple[float, int]:
    """Return the share of y's variance that a linear model of the columns explains, and the columns used."""
    centred = y - y.mean()
    total = float(centred @ centred)
    if not columns or not total:
        return 0.0, len(columns)
    design = np.column_stack([column - column.mean() for column in columns])
    weights, _, rank, _ = np.linalg.lstsq(design, centred, rcond=None)
    left = centred - design @ weights
    return 1 - float(left @ left) / total, int(rank)
