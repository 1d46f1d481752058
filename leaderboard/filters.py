"""The filters in the sidebar, and what to run next where a benchmark has nothing to filter yet."""

import math
from collections.abc import Collection

import pandas as pd
import streamlit as st

from leaderboard import reading, state
from leaderboard.selection import Filters
from leaderboard.words import short
from store import StoreError

OWN = "own"  # scores computed on the images of the ranked task itself
ALL, EACH = "all", "each"  # tasks; recipes, one a task
SPELLED = {ALL: "all tasks, mean"}
SCORES_FROM, PARAMS, SEEDS = "scores_from", "params", "seeds"
STEPS = 40  # of the params slider, about

# What most architectures have comes first: it is what a reader sees who chose nothing.
ACCURACIES = """
SELECT space, task, protocol, recipe, count(*) AS architectures FROM final_accuracies
WHERE split = 'test' AND accuracy IS NOT NULL AND space IS NOT NULL
GROUP BY ALL ORDER BY space, task, architectures DESC, protocol, recipe
"""
SCORED = """
SELECT DISTINCT space, task FROM scores JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
ORDER BY ALL
"""
SEEDS_THERE = """
SELECT DISTINCT seed FROM scores JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
WHERE space = {space} ORDER BY seed
"""
SPANS = "SELECT space, min(params) AS least, max(params) AS most FROM architectures GROUP BY space"


def sidebar(mean: bool = False, reads: Collection[str] = (SCORES_FROM, PARAMS, SEEDS)) -> Filters:
    """Draw the filters and return what they say. Raises StoreError where there is nothing to rank.

    mean:  offer the mean over all tasks as well
    reads: of the filters that not every page has, those that change what this one shows
    """
    accuracies, scored = reading.sql(ACCURACIES), reading.sql(SCORED)
    check_complete(accuracies, scored)
    space = state.select(st.sidebar, "Space", "space", list(accuracies["space"].unique()))
    here = accuracies[accuracies["space"] == space]
    tasks = list(here["task"].unique())
    several = [ALL] if mean and len(tasks) > 1 else []
    task = state.select(
        st.sidebar, "Task", "task", several + tasks, spell=lambda name: SPELLED.get(name, name)
    )
    here = here if task == ALL else here[here["task"] == task]
    tasks, protocol, recipe = accuracy(here)
    elsewhere = list(scored.loc[scored["space"] == space, "task"])
    scores_from = scores_task(task, elsewhere) if SCORES_FROM in reads and task != ALL else None
    window = params_window(space) if PARAMS in reads else (None, None)
    seeds = proxy_seeds(space) if SEEDS in reads else None
    return Filters(space, tasks, protocol, recipe, scores_from, window, seeds=seeds)


def check_complete(accuracies: pd.DataFrame, scored: pd.DataFrame) -> None:
    """Raise StoreError that says which job to run when there is nothing to rank.

    accuracies, scored: the space and task of each that there is
    """
    spaces = reading.sql("SELECT DISTINCT space FROM architectures ORDER BY ALL")
    if spaces.empty:
        raise StoreError(f"This benchmark has no architectures yet. Run: {command('sample')}")
    if accuracies.empty:
        known = spaces if scored.empty else scored
        table, job = "accuracies on the split 'test'", "accuracy"
    elif scored.empty:
        known, table, job = accuracies, "scores", "score"
    else:
        return
    first = known.iloc[0]  # of several any will do: the page has something to show after it
    raise StoreError(
        f"This benchmark has no {table} yet. Run: {command(job, first['space'], first.get('task'))}"
    )


def command(job: str, space: str | None = None, task: str | None = None) -> str:
    """What to type to run a job for this benchmark, with space and task where they are known."""
    known = {"job": job, "root": reading.path(), "space": space, "task": task}
    return " ".join(["python -m builder", *(f"{name}={value}" for name, value in known.items() if value)])


def accuracy(here: pd.DataFrame) -> tuple[tuple[str, ...], str, str | None]:
    """Choose a protocol and its recipe; returns the tasks that have them too.

    here: protocol, recipe and task of the accuracies there are
    """
    known: dict[str, tuple[str, str | None]] = {}
    order = (
        here.groupby("protocol", sort=False)["architectures"]
        .sum()
        .sort_values(ascending=False, kind="stable")
    )
    for protocol in order.index:
        of_protocol = here[here["protocol"] == protocol]
        recipes = list(of_protocol["recipe"].unique())
        # Every training has a recipe of its own: over several tasks, that of each may be meant.
        if len(recipes) > 1 and len(of_protocol) == of_protocol["task"].nunique():
            known[f"{protocol}/{EACH}"] = (protocol, None)
        else:
            known |= {f"{protocol}/{recipe}": (protocol, recipe) for recipe in recipes}
    chosen = state.select(
        st.sidebar,
        "Accuracy",
        "accuracy",
        list(known),
        spell=lambda name: " · ".join((known[name][0], known[name][1] or "each task's recipe")),
        help="Protocol and recipe: how the true accuracies were got. They are never mixed.",
    )
    protocol, recipe = known[chosen]
    met = here[(here["protocol"] == protocol) & (here["recipe"].eq(recipe) | (recipe is None))]
    return tuple(met["task"].unique()), protocol, recipe


def scores_task(task: str, scored: list[str]) -> str | None:
    """Choose the task whose images the scores were computed on; no question where there is no choice.

    Returns None for the task itself.
    """
    others = [name for name in scored if name != task]
    if not others:
        return None
    chosen = state.select(
        st.sidebar,
        "Scores from",
        SCORES_FROM,
        [OWN, *others],
        spell=lambda name: f"{task} itself" if name == OWN else name,
        help="Task whose images the proxies saw.",
    )
    return None if chosen == OWN else chosen


def proxy_seeds(space: str) -> tuple[int, ...] | None:
    """Choose the mean over all proxy seeds or one of them; no question where there is one."""
    known = reading.sql(SEEDS_THERE, space=space)["seed"].tolist()
    if len(known) < 2:
        return None
    chosen = state.select(
        st.sidebar,
        "Proxy seeds",
        SEEDS,
        [ALL, *map(str, known)],
        spell=lambda seed: f"all {len(known)}, mean" if seed == ALL else f"seed {seed} alone",
        help="Seed of initial weights, mini-batch and draws of a proxy.",
    )
    return None if chosen == ALL else (int(chosen),)


def params_window(space: str) -> state.Window:
    """Choose a window of parameter counts."""
    span = reading.sql(SPANS).set_index("space").loc[space]
    least, most = int(span["least"]), int(span["most"])
    if least == most:
        return None, None
    step = 10 ** max(0, math.floor(math.log10((most - least) / STEPS)) + 1)
    grid = range(least // step * step, -(-most // step) * step + 1, step)
    return state.window(
        st.sidebar, "Params", PARAMS, grid, short, "Rank only the architectures of this size."
    )
