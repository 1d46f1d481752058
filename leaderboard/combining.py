"""Combiners as if they were proxies: their ranking of the architectures becomes scores, for `store` to judge.

A combiner that looks at accuracies is shown by its honest number: every architecture's score is given by what
was fitted on the half of the architectures that it is not in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leaderboard.selection import Filters
from proxies import combiners
from proxies.combiners import Choice, Judgement
from proxies.combiners.judge import unseen
from store import Benchmark

# Left out of the ranking: two need scikit-learn, which the page does without; one is a draw of two proxies.
MOST = 12  # proxies that a combination is held against
SLOW = ("gradient_boosted", "linear", "two_random")

SCORES = """
SELECT arch_id, proxy, value, params, accuracy
FROM scores JOIN (
    SELECT arch_id, accuracy FROM final_accuracies
    WHERE split = 'test' AND accuracy IS NOT NULL AND space = {space} AND task = {task}
      AND protocol = {protocol} AND ({recipe} IS NULL OR recipe = {recipe})
) USING (arch_id) JOIN (SELECT arch_id, params FROM architectures) USING (arch_id)
WHERE task = {scores_from} QUALIFY seed = min(seed) OVER (PARTITION BY proxy) ORDER BY arch_id
"""


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
    reasons: dict[str, str] = {}
    for task in filters.tasks:
        arch_ids, table = met(benchmark, filters, task)
        for name in names if table else ():
            try:
                values = values_of(name, table)
            except combiners.ProxyError as error:
                reasons[name] = str(error)
                continue
            about = {"proxy": name, "task": filters.scores_from or task}
            rows += [
                about | {"arch_id": arch_id, "value": float(value)}
                for arch_id, value in zip(arch_ids, values, strict=True)
            ]
    return [row for row in rows if row["proxy"] not in reasons], reasons


@dataclass(frozen=True)
class Combined:
    """A combiner on one task, and what it is worth.

    proxies:     those it reads, in the order of choice
    choice:      why LIBRA chose them; None for another combiner
    judgement:   its rho as published, and on what it has not seen
    ranking:     rows of `Benchmark.rank`: the combination, by its honest scores, and the proxies it reads
    comparisons: rows of `Benchmark.compare`: the combination against each of them
    """

    name: str
    proxies: tuple[str, ...]
    choice: Choice | None
    judgement: Judgement
    ranking: pd.DataFrame
    comparisons: pd.DataFrame


def combined(
    benchmark: Benchmark, filters: Filters, name: str, chosen: Sequence[str], tasks: Sequence[str]
) -> Combined:
    """Fit a combiner on the proxies chosen, or on all, and judge it.

    tasks: the tasks with such accuracies, to judge it on one that it has not seen

    Raises ProxyError where the scores lack what the combiner needs.
    """
    arch_ids, table = met(benchmark, filters, filters.task)
    if table is None:
        raise combiners.ProxyError("Fewer than 3 architectures have both scores and an accuracy.")
    wanted = [proxy for proxy in chosen if proxy in table.scores] or list(table.proxies)
    table = table.only(wanted)
    others = {task: met(benchmark, filters.on(task), task)[1] for task in tasks if task != filters.task}
    known = {task: other for task, other in others.items() if other is not None}
    judgement = combiners.judge(name, {filters.task: table} | known, only=filters.task)[filters.task]
    combination = combiners.get(name).fit([table])
    own = {"arch_id": arch_ids, "value": values_of(name, table).tolist()}
    task = filters.scores_from or filters.task
    with_own = benchmark.with_scores(own, proxy=name, task=task)
    parts = combination.proxies[:MOST]
    chosen_of = filters.meeting | {"proxies": (name, *parts), "shared": False}
    comparisons = [with_own.compare(name, proxy, **filters.comparing).to_pandas() for proxy in parts]
    ranking = with_own.rank(**chosen_of).to_pandas()
    return Combined(name, combination.proxies, combination.choice, judgement, ranking, pd.concat(comparisons))


def met(benchmark: Benchmark, filters: Filters, task: str) -> tuple[list[str], combiners.Table | None]:
    """The scores and accuracies of a task as combiners read them, and the arch_id of each row.

    Of several proxy seeds the first, as a search would have it. No table where fewer than 3 architectures
    have both.
    """
    found = benchmark.sql(_query(filters, task)).to_pandas()
    least, most = filters.params
    found = found[found["params"].between(least or 0, most or float("inf"))]
    wide = found.pivot(index="arch_id", columns="proxy", values="value").sort_index()
    wide = wide[[name for name in wide if wide[name].notna().any()]]
    if len(wide) < 3 or wide.columns.empty:
        return [], None
    mine = found.drop_duplicates("arch_id").set_index("arch_id").loc[wide.index]
    values = {str(name): wide[name].to_numpy(np.float64) for name in wide}
    return list(wide.index), combiners.Table(values, mine["accuracy"], mine["params"])


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


def _query(filters: Filters, task: str) -> str:
    names = {
        "space": filters.space,
        "task": task,
        "protocol": filters.protocol,
        "recipe": filters.recipe,
        "scores_from": filters.scores_from or task,
    }
    return SCORES.format(**{name: _quoted(value) for name, value in names.items()})


def _quoted(name: str | None) -> str:
    return "NULL" if name is None else "'" + name.replace("'", "''") + "'"
