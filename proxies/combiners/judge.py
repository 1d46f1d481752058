"""How well a combiner orders architectures, on those it has seen and on those it has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from proxies.combiners.ranks import percentiles, spearman
from proxies.combiners.registry import Combiner, get
from proxies.combiners.table import Real, Table
from proxies.errors import ProxyError
from proxies.options import unknown

FOLDS = 2  # fitted on one half, judged on the other
DRAWS = 5


@dataclass(frozen=True)
class Judgement:
    """Spearman's rho of a combiner with accuracy, on one task, three ways; means over draws.

    on_all:               fitted on the architectures it is judged on, as it is published.
    across_architectures: fitted on other architectures of the task.
    across_tasks:         fitted on all architectures of the other tasks; NaN where no other task has the
                          proxies of this one. Other tasks may have the same architectures.
    architectures:        how many have an accuracy.
    """

    on_all: float
    across_architectures: float
    across_tasks: float
    architectures: int

    @property
    def optimism(self) -> float:
        """How much higher rho is on what it has seen than on other architectures of the task."""
        return self.on_all - self.across_architectures

    @property
    def optimism_of_task(self) -> float:
        """How much higher rho is on what it has seen than on a task it has not."""
        return self.on_all - self.across_tasks


def judge(
    combiner: str | Combiner,
    tables: Mapping[str, Table],
    *,
    folds: int = FOLDS,
    draws: int = DRAWS,
    seed: int = 0,
    only: str | None = None,
) -> dict[str, Judgement]:
    """Return how well a combiner does on each task.

    combiner: one, or its name.
    tables:   by task, each with accuracies.
    folds:    parts that a task's architectures are cut into; each is judged by what was fitted on the others.
    draws:    how often architectures are cut, and anything random is drawn, anew.
    seed:     of the draws; with one seed, combiners are judged on the same cuts.
    only:     the one task to judge; the others are there to fit on.

    A combiner ranks all architectures of the task together, whichever of them it was fitted on: scores need
    no training. Where it does not fit, the three numbers are one.

    Raises ProxyError where a table lacks what the combiner needs, folds are below 2, draws below 1, or `only`
    names no table.
    """
    if folds < 2 or draws < 1:
        raise ProxyError(f"folds is {folds} and draws is {draws}; expected at least 2 and at least 1.")
    if only is not None and only not in tables:
        raise ProxyError(unknown("task", only, tables))
    found = get(combiner) if isinstance(combiner, str) else combiner
    trained = {task: table.trained() for task, table in tables.items()}
    return {
        task: _judged(found, task, trained, folds, draws, seed) for task in tables if only in (None, task)
    }


def _judged(
    combiner: Combiner, task: str, tables: Mapping[str, Table], folds: int, draws: int, seed: int
) -> Judgement:
    table = tables[task]
    others = [
        other.only(table.proxies)
        for name, other in tables.items()
        if name != task and set(table.proxies) <= set(other.proxies)
    ]
    found: list[tuple[float, float, float]] = []
    for draw in range(draws):
        generators = [np.random.default_rng([seed, draw, part]) for part in range(3)]
        on_all = spearman(combiner.combine(table, generators[0]), table.truth)
        if not combiner.fits:
            found.append((on_all, on_all, on_all))
            continue
        of_others = spearman(unseen(combiner, table, generators[1], folds), table.truth)
        found.append((on_all, of_others, _on_a_new_task(combiner, table, others, generators[2])))
    on_all, of_others, new_task = np.mean(found, axis=0).tolist()
    return Judgement(on_all, of_others, new_task, len(table))


def unseen(combiner: Combiner, table: Table, generator: np.random.Generator, folds: int = FOLDS) -> Real:
    """Return the place of each architecture in the whole ranking by what was fitted without it.

    combiner:  one that fits.
    table:     of one task, every architecture with an accuracy.
    generator: draws the folds.
    folds:     parts that the architectures are cut into.

    Returns (architectures,), 0..1, higher is better: as places in the same pool, numbers of differently
    fitted combinations can stand side by side. Raises ProxyError where the table lacks what the combiner
    needs.
    """
    fold = generator.permutation(np.arange(len(table)) % folds)
    places = np.empty(len(table))
    for part in range(folds):
        ranked = combiner.fit([table.rows(fold != part)], generator).rank(table)
        places[fold == part] = percentiles(ranked)[fold == part]
    return places


def _on_a_new_task(
    combiner: Combiner, table: Table, others: list[Table], generator: np.random.Generator
) -> float:
    if not others:
        return float("nan")
    return spearman(combiner.fit(others, generator).rank(table), table.truth)
