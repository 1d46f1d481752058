"""Search: what a search that trusts a proxy finds, beside what chance finds."""

import streamlit as st

from leaderboard import frame, reading, state
from leaderboard.charts import search as charts
from leaderboard.filters import command
from leaderboard.words import DASH, plain

COLUMNS = [
    "strategy", "seed", "evaluations", "arch_id", "value", "accuracy", "seconds", "gpu_days", "device",
    "status",
]  # fmt: skip
ORACLE = "accuracy"  # a search by it knows what it looks for
RANKER = "What a search asks about an architecture; accuracy is the oracle, which no proxy can beat."
FOUND = """
SELECT * EXCLUDE (evaluated, evaluated_values, evaluated_seconds) FROM searches
WHERE space = {space} AND task = {task} AND ranker = {ranker} ORDER BY strategy, seed
"""


def show() -> None:
    """Draw the page."""
    frame.heading(
        "What a search finds",
        "A search asks a proxy about one architecture after another. The curve tells how many known "
        "architectures are better than the best so far: lower is better; random search is the one to beat. "
        "The best is what the ranker takes for it: where the ranker errs, the curve rises.",
    )
    searches = reading.sql("SELECT DISTINCT space, task, ranker FROM searches ORDER BY ALL")
    if searches.empty:
        st.info(f"This benchmark has no searches yet. Run: {plain(command('search'), 300)}")
        return
    space = state.select(st.sidebar, "Space", "space", list(searches["space"].unique()))
    here = searches[searches["space"] == space]
    task = state.select(st.sidebar, "Task", "task", list(here["task"].unique()))
    rankers = list(here.loc[here["task"] == task, "ranker"])
    usual = next((one for one in rankers if one != ORACLE), ORACLE)
    ranker = state.select(st.sidebar, "Ranker", "ranker", rankers, usual, help=RANKER)
    progress = reading.ask("searches", space=space, task=task, ranker=ranker)
    if progress["better"].notna().any():
        frame.chart(st, charts.best_so_far, progress, key="searches", alt="Best so far")
    else:
        st.caption("No accuracy of an architecture that was found is known, so there is no curve.")
    found = reading.sql(FOUND, space=space, task=task, ranker=ranker)
    st.subheader("What was found", anchor=False)
    st.dataframe(
        found[COLUMNS],
        hide_index=True,
        column_config={"accuracy": st.column_config.NumberColumn(format="percent")},
        placeholder=DASH,
        key="found",
        alt="What each search found",
    )
    asked = reading.asked("searches", {"space": space, "task": task, "ranker": ranker})
    frame.offer(progress, f"search-{space}-{task}-{ranker}", asked)
