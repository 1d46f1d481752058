"""Architectures: found, sorted, and one of them in full."""

import functools
import json
from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import frame, reading, state
from leaderboard.charts import architecture as charts
from leaderboard.filters import PARAMS, sidebar
from leaderboard.selection import Filters
from leaderboard.words import DASH, plain, short

SORTS = {"accuracy": "accuracy", "params": "params", "macs": "macs", "depth": "depth", "width": "width"}
NEAREST = 8
LISTED = """
SELECT arch_id, space, genome, params, macs, accuracy
FROM architectures LEFT JOIN (
    SELECT arch_id, accuracy FROM final_accuracies
    WHERE task = {task} AND protocol = {protocol} AND recipe = {recipe} AND split = 'test'
) USING (arch_id)
WHERE space = {space}
"""
ACCURACIES = """
SELECT task, accuracy, protocol, accuracy_std, seeds, split, recipe FROM final_accuracies
WHERE arch_id = {arch} ORDER BY task, protocol, recipe, split
"""
SCORES = """
SELECT task, proxy, avg(value) AS score, count(value) AS seeds, count(*) - count(value) AS failed,
       median(seconds) * 1000 AS milliseconds
FROM scores WHERE arch_id = {arch} GROUP BY task, proxy ORDER BY task, proxy
"""


def show() -> None:
    """Draw the page."""
    frame.heading(
        "Every architecture",
        "Find, filter and sort; choose a row to see all that is known of it.",
    )
    filters = sidebar(reads=(PARAMS,))
    everything = reading.listed(filters)
    kept = searched(everything, filters)
    st.caption(f"{len(kept):,} of {len(everything):,} architectures of {plain(filters.space)}")
    picked = table(kept, filters)
    query = reading.quoted(LISTED, **filters.accuracies)
    apart = "The download has those found, in the order shown, and width and depth read from the genome."
    frame.offer(kept, f"architectures-{filters.label}", reading.asked("sql", {"query": query}), apart)
    if picked:
        record(everything.set_index("arch_id").loc[picked], filters)


def searched(everything: pd.DataFrame, filters: Filters) -> pd.DataFrame:
    """The rows that the reader looks for, in the order wanted."""
    left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
    words = state.text(left, "Find", "find", 'arch_id or part of a genome, such as "depth": 14')
    sorts = [name for name in SORTS if name in everything]
    by = state.select(middle, "Sort by", "sort", sorts)
    with right:
        rising = state.switch(st, "Rising", "rising", False)
    least, most = filters.params
    found = everything[everything["params"].between(least or 0, most or float("inf"))]
    if words:
        squeezed = "".join(words.split()).lower()
        within = (found["arch_id"] + found["genome"].str.replace(" ", "")).str.lower()
        found = found[within.str.contains(squeezed, regex=False)]
    return found.sort_values(by, ascending=rising, na_position="last")


def table(kept: pd.DataFrame, filters: Filters) -> str | None:
    """The rows; returns the arch_id of the one that was chosen, by a click or by the address."""
    columns = [
        name for name in ("arch_id", "accuracy", "params", "macs", "depth", "width", "genome") if name in kept
    ]
    shown = kept[columns].reset_index(drop=True)
    # A choice is the number of a row: rows in another order are another table; the address has the choice.
    order = hash(tuple(shown["arch_id"]))
    event = st.dataframe(
        shown,
        hide_index=True,
        height=420,
        column_config={
            "arch_id": st.column_config.TextColumn("architecture", pinned=True),
            "accuracy": st.column_config.NumberColumn(f"accuracy on {filters.task}", format="percent"),
            "params": st.column_config.NumberColumn(format="localized"),
            "macs": st.column_config.NumberColumn(format="compact", help="multiply-accumulates of one image"),
            "width": st.column_config.NumberColumn(format="%.3g"),
        },
        on_select="rerun",
        selection_mode="single-row",
        placeholder=DASH,
        key=f"architectures {order}",
        alt="Architectures",
    )
    rows = event.selection.rows
    clicked = shown["arch_id"][rows[0]] if rows and rows[0] < len(shown) else None
    first = shown["arch_id"].iloc[0] if len(shown) else None
    return state.pick("arch", clicked, reading.listed(filters)["arch_id"], first)


def record(row: pd.Series, filters: Filters) -> None:
    """All that is known of one architecture."""
    arch_id, genome = str(row.name), json.loads(row["genome"])
    st.subheader(f"Architecture {plain(arch_id)}", anchor=False)
    where = frame.numbers()
    for name in ("params", "macs", "depth", "width"):
        if name in row and pd.notna(row[name]):
            frame.number(where, name, short(float(f"{row[name]:.4g}")))
    draw(genome)
    left, right = st.columns([5, 6], gap="large")
    with left:
        fill = functools.partial(copy, row["space"], genome)
        frame.folded("Copy as JSON, YAML or Python", ":material/content_copy:", "copy", fill)
        st.markdown("**Accuracies**")
        st.dataframe(
            reading.sql(ACCURACIES, arch=arch_id),
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="percent") for name in ("accuracy", "accuracy_std")
            },
            placeholder=DASH,
            key="accuracies",
            alt="Accuracies of the architecture",
        )
    with right:
        st.markdown("**Nearest neighbours** by genome")
        near(arch_id, filters)
        st.markdown("**Scores**, mean over seeds")
        st.dataframe(
            reading.sql(SCORES, arch=arch_id), hide_index=True, height=320, placeholder=DASH, key="scores",
            column_config={"milliseconds": st.column_config.NumberColumn("ms", format="%.1f")},
            alt="Scores of the architecture",
        )  # fmt: skip


def draw(genome: Any) -> None:
    """The fields that a genome has layer by layer, as bars."""
    fields = genome.items() if isinstance(genome, dict) else ()
    lists = {
        name: value
        for name, value in fields
        if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value)
    }
    for box, (name, value) in zip(st.columns(max(2, len(lists))), lists.items(), strict=False):
        layers = pd.DataFrame({"layer": range(1, len(value) + 1), "value": value})
        title = f"{name.replace('_', ' ')} by layer"
        frame.chart(box, charts.drawn, layers, "value", title, alt=title)


def near(arch_id: str, filters: Filters) -> None:
    """The architectures most like it, with their accuracy."""
    found = reading.ask("neighbours", architecture=arch_id, count=NEAREST)
    accuracy = reading.ask("accuracy", **filters.accuracies)[["arch_id", "accuracy"]]
    st.dataframe(
        found.merge(accuracy, on="arch_id", how="left")[
            ["arch_id", "accuracy", "params", "distance", "fields"]
        ],
        hide_index=True,
        column_config={
            "accuracy": st.column_config.NumberColumn(format="percent"),
            "distance": st.column_config.NumberColumn(
                format="%.3f",
                help="Mean over the genome's fields of how far both lie apart, as share of the range.",
            ),
            "params": st.column_config.NumberColumn(format="localized"),
            "fields": st.column_config.TextColumn("differs in"),
        },
        placeholder=DASH,
        key="near",
        alt="Nearest neighbours",
    )


def copy(space: str, genome: Any) -> None:
    """The architecture as text, three ways."""
    ways = st.tabs(["JSON", "YAML", "Python"])
    with ways[0]:
        st.code(json.dumps({"space": space, "genome": genome}, indent=None), language="json", wrap_lines=True)
    with ways[1]:
        st.code(yaml(space, genome), language="yaml", wrap_lines=True)
    with ways[2]:
        canonical = json.dumps(genome, sort_keys=True)
        code = f"from spaces import Architecture\n\nArchitecture({space!r}, {canonical!r})"
        st.code(code, language="python", wrap_lines=True)


def yaml(space: str, genome: Any) -> str:
    """As YAML: a line a field, its value as JSON, which is YAML too."""
    fields = genome if isinstance(genome, dict) else {"genome": genome}
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items()]
    return "\n".join([f"space: {json.dumps(space)}", "genome:", *lines])
