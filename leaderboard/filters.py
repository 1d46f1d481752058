"""The filters in the sidebar, and what to run next where a benchmark has nothing to filter yet."""

import math

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
    check_complete(len(accuracies), len(scored))
    state.check_names()
    space = state.select(st.sidebar, "Space", "space", list(accuracies["space"].unique()))
    here = accuracies[accuracies["space"] == space]
    task = state.select(st.sidebar, "Task", "task", list(here["task"].unique()))
    here = here[here["task"] == task]
    protocol, recipe = accuracy(list(zip(here["protocol"], here["recipe"], strict=True)))
    scores_from = scores_task(task, list(scored.loc[scored["space"] == space, "task"]))
    return Filters(space, task, protocol, recipe, scores_from, params_window(space))


def check_complete(accuracies: int, scores: int) -> None:
    """Raise StoreError that says which job to run when there is nothing to rank."""
    missing = None
    if not reading.sql("SELECT count(*) AS n FROM architectures")["n"][0]:
        missing = "architectures", "sample"
    elif not accuracies:
        missing = "accuracies on the split 'test'", "accuracy"
    elif not scores:
        missing = "scores", "score"
    if missing:
        table, job = missing
        raise StoreError(
            f"This benchmark has no {table} yet. Run: python -m builder job={job} root={reading.path()}"
        )


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
