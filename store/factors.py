"""Mean accuracy by each choice that makes an architecture, and whether one level of it is out of line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.cells import CELL, Query, as_table
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import FEWEST, Real

LEVELS, BANDS = 8, 5  # more different numbers than the first are cut into so many bands
STEEP = 3  # how much steeper than the other levels' steepest step the trend may be towards a level
DEVIATIONS, ERRORS = 5, 8  # what is out of line lies beyond that by both
RESOLUTION = 1e-9  # of an accuracy: what lies below is rounding

FACTORS = pa.schema(
    [
        *CELL,
        column("split", TEXT, "name", "part of the data set the accuracies were measured on"),
        column("factor", TEXT, "name", "field of the genome, or params"),
        column("level", TEXT, "text", "value of the factor, or its range in a band"),
        column("n", WHOLE, "count", "architectures of this level"),
        column("accuracy", REAL, "fraction", "their mean accuracy"),
        column("std", REAL, "fraction", "their standard deviation; null for one", nullable=True),
        column(
            "expected",
            REAL,
            "fraction",
            "accuracy that the other levels lead one to expect; null where they cannot",
            nullable=True,
        ),
        column(
            "beyond",
            REAL,
            "fraction",
            "how far the mean lies beyond what the trend of the other levels allows; 0 is within",
            nullable=True,
        ),
        column(
            "deviations", REAL, "ratio", "beyond, in standard deviations within the others", nullable=True
        ),
        column("errors", REAL, "ratio", "beyond, in standard errors of the difference", nullable=True),
        column("out_of_line", pa.bool_(), "flag", "both are large; null where not judged", nullable=True),
    ]
)

MEASURED = """
SELECT space, task, protocol, recipe, split, arch_id, genome, params, avg(accuracy ORDER BY seed) AS accuracy
FROM trainings JOIN (SELECT arch_id, genome, params FROM architectures) USING (arch_id)
WHERE accuracy IS NOT NULL AND split = $split AND ($seed IS NULL OR seed = $seed)
  AND ($task IS NULL OR task = $task) AND ($protocol IS NULL OR protocol = $protocol)
  AND ($recipe IS NULL OR recipe = $recipe) AND ($space IS NULL OR space = $space)
GROUP BY ALL ORDER BY space, task, protocol, recipe, split, arch_id
"""


@dataclass(frozen=True)
class Level:
    """The architectures of one level. place: where it lies on its factor's axis; None for a word."""

    name: str
    place: float | None
    accuracies: Real

    @property
    def variance(self) -> float:
        """Of the accuracies about their mean, 0 for one."""
        return float(self.accuracies.var(ddof=1)) if len(self.accuracies) > 1 else 0.0


def factors(query: Query, wanted: dict[str, Any]) -> pa.Table:
    """The sanity table; see Benchmark.factors for every definition. Returns a table of schema FACTORS."""
    cell = ("space", "task", "protocol", "recipe", "split")
    rows = []
    for about, group in groupby(query(MEASURED, wanted, {}).to_pylist(), lambda row: [row[c] for c in cell]):
        measured = list(group)
        accuracies = np.array([row["accuracy"] for row in measured])
        genes = [genes_of(row["genome"]) | {"params": row["params"]} for row in measured]
        for factor in dict.fromkeys(name for gene in genes for name in gene):
            carriers = [place for place, gene in enumerate(genes) if factor in gene]
            values = [genes[place][factor] for place in carriers]
            for found in judged(values, accuracies[carriers], banded=factor == "params"):
                rows.append({**dict(zip(cell, about, strict=True)), "factor": factor, **found})
    return as_table(rows, FACTORS)


def judged(values: list[float | str], accuracies: Real, banded: bool) -> list[dict[str, Any]]:
    """The rows of one factor, one a level: see `judge`.

    values, accuracies: of each architecture.
    banded:             cut numbers into bands however few there are, and place them by their logarithm.
    """
    levels = list(_levels(values, accuracies, banded))
    return [judge(level, levels[:place] + levels[place + 1 :]) for place, level in enumerate(levels)]


def judge(level: Level, others: list[Level]) -> dict[str, Any]:
    """The row of one level: its numbers, and how it lies to the trend of the other levels of its factor.

    others: in the order of their places. Those below 3 architectures do not count; a level below 3, or with
    fewer than two others, is not judged.
    """
    mean, n = float(level.accuracies.mean()), len(level.accuracies)
    about = {"level": level.name, "n": n, "accuracy": mean, "std": level.variance**0.5 if n > 1 else None}
    others = [other for other in others if len(other.accuracies) >= FEWEST]
    if n < FEWEST or len(others) < 2:
        return about
    expected, allowed, nearest = _trend(level, others)
    degrees = [len(other.accuracies) - 1 for other in others]
    within = float(np.sqrt(np.average([other.variance for other in others], weights=degrees)))
    error = within * float(np.sqrt(1 / n + 1 / nearest))
    beyond = max(0.0, abs(mean - expected) - allowed)
    return about | {
        "expected": expected,
        "beyond": beyond,
        "deviations": beyond / within if within > 0 else None,
        "errors": beyond / error if within > 0 else None,
        "out_of_line": beyond > max(DEVIATIONS * within, ERRORS * error, RESOLUTION),
    }


def _trend(level: Level, others: list[Level]) -> tuple[float, float, int]:
    """Accuracy expected of a level, how much more or less is in line, and the architectures beside it."""
    means = np.array([other.accuracies.mean() for other in others])
    sizes = [len(other.accuracies) for other in others]
    if level.place is None:
        return float(np.median(means)), STEEP * float(np.ptp(means)), min(sizes)
    places = np.array([other.place for other in others], dtype=np.float64)
    apart = np.abs(places - level.place)
    steepest = np.abs(np.diff(means) / np.diff(places)).max()
    expected = np.interp(level.place, places, means)
    return float(expected), float(STEEP * steepest * apart.min()), sizes[int(apart.argmin())]


def _levels(values: list[float | str], accuracies: Real, banded: bool) -> Iterator[Level]:
    """The levels of a factor, numbers in their order; none where there are too many words to compare.

    banded: cut numbers into bands however few there are, and place them by their logarithm
    """
    if any(isinstance(value, str) for value in values):
        words = np.array([str(value) for value in values])
        names = np.unique(words)
        for name in names if len(names) <= LEVELS else ():
            yield Level(str(name), None, accuracies[words == name])
        return
    numbers = np.array(values, dtype=np.float64)
    distinct = np.unique(numbers)
    if not banded and len(distinct) <= LEVELS:
        for value in distinct:
            yield Level(f"{value:g}", float(value), accuracies[numbers == value])
        return
    band = _band(numbers)
    for place in np.unique(band):
        mine = numbers[band == place]
        ends = dict.fromkeys((_short(mine.min()), _short(mine.max())))
        # Accuracy follows the order of magnitude of params rather than their number.
        middle = np.log(max(mine.mean(), 1.0)) if banded else mine.mean()
        yield Level("..".join(ends), float(middle), accuracies[band == place])


def _band(numbers: Real) -> NDArray[np.intp]:
    """The band of each number: equally many in each, but equal numbers in one."""
    edges = np.quantile(numbers, np.arange(1, BANDS) / BANDS)
    return np.searchsorted(np.unique(edges), numbers, side="left")


def _short(number: float) -> str:
    """A number as people say it: 2.25, 18.2k, 5.72M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def genes_of(genome: str) -> dict[str, float | str]:
    """The fields of a genome that can be compared: numbers, words, and lists of numbers by their mean.

    A genome is any JSON; one that is a text instead of fields has none.
    """
    parsed = json.loads(genome)
    found: dict[str, float | str] = {}
    for name, gene in parsed.items() if isinstance(parsed, dict) else ():
        if isinstance(gene, list) and gene and all(_is_number(one) for one in gene):
            found[name] = float(np.mean(gene))
        elif _is_number(gene):
            found[name] = float(gene)
        elif isinstance(gene, str | bool):
            found[name] = str(gene)
    return found


def _is_number(gene: Any) -> bool:
    return isinstance(gene, int | float) and not isinstance(gene, bool)
