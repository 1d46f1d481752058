"""Combiners as if they were proxies: their ranking of the architectures becomes scores, for `store` to judge.

A combiner that looks at accuracies is shown by its honest number: every architecture's score is given by what
was fitted on the half of the architectures that it is not in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import proxies.combiners as combiners
from leaderboard.selection import Filters
from proxies.combiners import Choice, Judgement
from proxies.combiners.judge import unseen
from store import Benchmark, StoreError

FEWEST = 3  # architectures below which a rank correlation says nothing
MOST = 12  # proxies that a combination is held against, the best it reads
# Left out of the ranking: two need scikit-learn, which the page does without; one is a draw of two proxies.
SLOW = ("gradient_boosted", "linear", "two_random")


def offered() -> list[str]:
    """The combiners that stand in a ranking."""
    return [name for name in combiners.names() if name not in SLOW]


def scores(
    benchmark: Benchmark, filters: Filters, names: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What combiners say of each architecture, as rows for `Benchmark.with_scores`.

    Returns the rows, and the reason of each combiner that cannot be had.
    """
    rows: list[dict[str, Any]] = []
    reasons: dict[str, str] = {
        name: "A proxy has this name." for name in names if name in benchmark.proxies()
    }
    for task in filters.tasks:
        arch_ids, table = met(benchmark, filters, task)
        for name in names if table else ():
            try:
                values = values_of(name, table)
            except combiners.ProxyError as error:
                reasons[name] = str(error)
                continue
            about = {"proxy": name, "task": filters.on(task).scored_on, "seed": seed_of(filters)}
            rows += [
                about | {"arch_id": arch_id, "value": float(value)}
                for arch_id, value in zip(arch_ids, values, strict=True)
            ]
    missing = set(names) - {row["proxy"] for row in rows}
    reasons = dict.fromkeys(missing, "Fewer than 3 architectures have scores and an accuracy.") | reasons
    return [row for row in rows if row["proxy"] not in reasons], reasons


@dataclass(frozen=True)
class Combined:
    """A combiner on one task, and what it is worth.

    proxies:     those it reads, in the order of choice
    choice:      why LIBRA chose them; None for another combiner
    judgement:   its rho as published, and on what it has not seen
    ranking:     rows of `Benchmark.rank`: the combination, by its honest scores, and the best it reads
    comparisons: rows of `Benchmark.compare`: the combination against each of them
    points:      rows of `Benchmark.scatter`: the combination, by its honest scores
    """

    name: str
    proxies: tuple[str, ...]
    choice: Choice | None
    judgement: Judgement
    ranking: pd.DataFrame
    comparisons: pd.DataFrame
    points: pd.DataFrame


def combined(
    benchmark: Benchmark, filters: Filters, name: str, chosen: Sequence[str], tasks: Sequence[str]
) -> Combined:
    """Fit a combiner on the proxies chosen, or on all, and judge it.

    tasks: the tasks with such accuracies, of one recipe each, to judge it on one that it has not seen

    Raises ProxyError where the scores lack what the combiner needs.
    """
    arch_ids, table = met(benchmark, filters, filters.task)
    if table is None:
        raise combiners.ProxyError("Fewer than 3 architectures have both scores and an accuracy.")
    wanted = [proxy for proxy in chosen if proxy in table.scores] or list(table.proxies)
    table = table.only(wanted)
    # Every training has a recipe of its own: of another task, that of this one names none.
    elsewhere = replace(filters, recipe=None)
    others = {task: met(benchmark, elsewhere, task)[1] for task in tasks if task != filters.task}
    known = {task: other for task, other in others.items() if other is not None}
    judgement = combiners.judge(name, {filters.task: table} | known, only=filters.task)[filters.task]
    combination = combiners.get(name).fit([table])
    own = pd.DataFrame({"arch_id": arch_ids, "value": values_of(name, table), "seed": seed_of(filters)})
    with_own = benchmark.with_scores(own, proxy=name, task=filters.scored_on)
    read = with_own.rhos(**filters.meeting | {"proxies": combination.proxies, "shared": False})
    parts = read["proxy"].to_pylist()[:MOST]
    ranking = with_own.rank(**filters.meeting | {"proxies": (name, *parts), "shared": False})
    comparisons = [with_own.compare(name, proxy, **filters.comparing).to_pandas() for proxy in parts]
    points = with_own.scatter(name, **filters.meeting)
    return Combined(
        name,
        combination.proxies,
        combination.choice,
        judgement,
        ranking.to_pandas(),
        pd.concat(comparisons),
        points.to_pandas(),
    )


def met(benchmark: Benchmark, filters: Filters, task: str) -> tuple[list[str], combiners.Table | None]:
    """The scores and accuracies of a task as combiners read them, and the arch_id of each row.

    No table where fewer than 3 architectures have both.
    """
    where = replace(filters.on(task), shared=())
    try:
        columns = benchmark.for_combiners(**where.meeting)
    except StoreError:
        return [], None
    known = benchmark.accuracy(**where.accuracies).to_pandas().dropna(subset="accuracy")
    if any(where.params):
        sizes = benchmark.architectures(where.space).to_pandas().set_index("arch_id")["params"]
        least, most = where.params
        known = known[known["arch_id"].map(sizes).between(least or 0, most or float("inf"))]
    scored = {name: column for name, column in columns["scores"].items() if np.isfinite(column).any()}
    if len(known) < FEWEST or not scored:
        return [], None
    table = combiners.Table(scored, columns["accuracies"], columns["params"])
    return sorted(known["arch_id"]), table


def seed_of(filters: Filters) -> int:
    """The proxy seed that a combination stands under: the one chosen, so that it is among what is ranked."""
    return filters.seeds[0] if filters.seeds else 0


def kind(name: str) -> str:
    """What a row of the ranking is called that is a combiner's."""
    return "fitted combiner" if combiners.get(name).fits else "combiner"


def values_of(name: str, table: combiners.Table) -> np.ndarray:
    """What a combiner says of each architecture, (architectures,); one that fits, by what has not seen it."""
    found = combiners.get(name)
    if not found.fits:
        return found.combine(table)
    # The first of the halvings that `judge` draws with its usual seed.
    return unseen(found, table, np.random.default_rng([0, 0, 1]))
