"""The filters in the sidebar, and what to run next where a benchmark has nothing to filter yet."""

import math

import pandas as pd
import streamlit as st

from leaderboard import reading, state
from leaderboard.reading import Filters
from store import StoreError

OWN = "own"  # scores computed on the images of the ranked task itself
STEPS = 40  # of the params slider, about

ACCURACIES = """
SELECT DISTINCT space, task, protocol, recipe FROM final_accuracies
WHERE split = 'test' AND accuracy IS NOT NULL AND space IS NOT NULL ORDER BY ALL
"""
SCORED = """
SELECT DISTINCT space, task FROM scores JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
ORDER BY ALL
"""
PARAMS = "SELECT space, min(params) AS least, max(params) AS most FROM architectures GROUP BY space"


def sidebar() -> Filters:
    """Draw the filters and return what they say. Raises StoreError where there is nothing to rank."""
    accuracies, scored = reading.sql(ACCURACIES), reading.sql(SCORED)
    check_complete(accuracies, scored)
    state.check_names()
    space = state.select(st.sidebar, "Space", "space", list(accuracies["space"].unique()))
    here = accuracies[accuracies["space"] == space]
    task = state.select(st.sidebar, "Task", "task", list(here["task"].unique()))
    here = here[here["task"] == task]
    protocol, recipe = accuracy(list(zip(here["protocol"], here["recipe"], strict=True)))
    scores_from = scores_task(task, list(scored.loc[scored["space"] == space, "task"]))
    return Filters(space, task, protocol, recipe, scores_from, params_window(space))


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


def accuracy(pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """Choose a protocol and its recipe."""
    known = {f"{protocol}/{recipe}": (protocol, recipe) for protocol, recipe in pairs}
    chosen = state.select(
        st.sidebar,
        "Accuracy",
        "accuracy",
        list(known),
        spell=lambda name: " · ".join(known[name]),
        help="Protocol and recipe: how the true accuracies were got. They are never mixed.",
    )
    return known[chosen]


def scores_task(task: str, scored: list[str]) -> str:
    """Choose the task whose images the scores were computed on; no question where there is no choice."""
    others = [name for name in scored if name != task]
    if not others:
        return task
    chosen = state.select(
        st.sidebar,
        "Scores from",
        "scores_from",
        [OWN, *others],
        spell=lambda name: f"{task} itself" if name == OWN else name,
        help="Task whose images the proxies saw.",
    )
    return task if chosen == OWN else chosen


def params_window(space: str) -> state.Window:
    """Choose a window of parameter counts."""
    span = reading.sql(PARAMS).set_index("space").loc[space]
    least, most = int(span["least"]), int(span["most"])
    if least == most:
        return None, None
    step = 10 ** max(0, math.floor(math.log10((most - least) / STEPS)) + 1)
    grid = range(least // step * step, -(-most // step) * step + 1, step)
    return state.window(
        st.sidebar, "Params", "params", grid, short, "Rank only the architectures of this size."
    )


def short(count: int) -> str:
    """A count as people say it: 136 k, 5.7 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.6g} {unit}"
    return str(count)
