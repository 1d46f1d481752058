"""Tasks: what accuracies are like, how far they can be trusted, and which proxy does well where."""

import streamlit as st

from leaderboard import frame, reading
from leaderboard.charts import tasks as charts
from leaderboard.filters import sidebar
from leaderboard.selection import Filters
from leaderboard.words import DASH, plain
from store.noise import NOISE

NOISE_COLUMNS = [
    "task", "recipe", "architectures", "seeds", "accuracy", "architecture_std", "seed_std", "binomial_std",
    "ceiling", "low", "high", "reason",
]  # fmt: skip
STATES = {True: "out of line", False: "in line"}
ABREAST = 3  # factors side by side


def show() -> None:
    """Draw the page."""
    frame.heading(
        "Tasks beside one another",
        "A proxy that orders architectures well on one task may not on the next; and accuracies that hardly "
        "differ, or change with the training seed, cannot be ordered by anything.",
    )
    filters = sidebar(reads=())
    left, right = st.columns([6, 5], gap="large")
    with left:
        heat(filters)
    with right:
        st.subheader(f"Accuracies on {plain(filters.task)}", anchor=False)
        accuracies = reading.ask("accuracy", **filters.accuracies).dropna(subset="accuracy")
        frame.chart(st, charts.accuracies, accuracies, key="accuracies", alt="Accuracies")
        curves = reading.ask("curves", **filters.accuracies)
        if (curves.groupby(["arch_id", "seed"])["epoch"].nunique() >= 2).any():
            frame.chart(st, charts.learning_curves, curves, key="curves", alt="By epoch")
    noise(filters)
    factors(filters)


def heat(filters: Filters) -> None:
    """rho of every proxy on every task, the best mean on top."""
    where = {"space": filters.space, "protocol": filters.protocol}
    answer = reading.ask("rhos", **where)
    cells = answer.dropna(subset="rho")
    repeated = cells.groupby("task")["recipe"].nunique().max() > 1
    if repeated:  # recipes are never mixed: each has its column
        cells["task"] = cells["task"] + " · " + cells["recipe"]
        order = list(reading.ask("rhos", **filters.meeting)["proxy"])
    else:
        order = list(reading.ask("overall", **where, draws=0)["proxy"])
    shown = [proxy for proxy in order if proxy in set(cells["proxy"])]
    st.subheader("rho of every proxy on every task", anchor=False)
    st.caption(
        f"{plain(filters.space)}, accuracies from {plain(filters.protocol)}; "
        + ("ordered by the chosen task." if repeated else "ordered by the mean; without one, last.")
    )
    tasks = sorted(cells["task"].unique())
    frame.chart(st, charts.heat, cells, shown, tasks, key="heat", alt="rho of every proxy on every task")
    frame.offer(answer, f"tasks-{filters.space}-{filters.protocol}", reading.asked("rhos", where))


def noise(filters: Filters) -> None:
    """How well accuracies repeat, task by task."""
    found = reading.ask("noise", space=filters.space, protocol=filters.protocol, split="test")
    st.subheader("How far accuracies can be trusted", anchor=False)
    config = {}
    for name in NOISE_COLUMNS:
        about = {key.decode(): text.decode() for key, text in NOISE.field(name).metadata.items()}
        kind = (
            st.column_config.TextColumn
            if about["unit"] in ("name", "text")
            else st.column_config.NumberColumn
        )
        style = {"fraction": "percent", "0..1": "%.3f", "-1..1": "%.3f"}.get(about["unit"])
        config[name] = kind(
            name.replace("_", " "), help=about["meaning"], **({"format": style} if style else {})
        )
    st.dataframe(
        found[NOISE_COLUMNS], hide_index=True, column_config=config, placeholder=DASH, key="noise",
        alt="Noise of the accuracies by task",
    )  # fmt: skip
    frame.explain("noise", "ceiling")


def factors(filters: Filters) -> None:
    """Mean accuracy by each choice that makes an architecture, to see a level that went wrong."""
    found = reading.ask("factors", **filters.accuracies)
    found = found.assign(
        low=found["accuracy"] - found["std"].fillna(0),
        high=found["accuracy"] + found["std"].fillna(0),
        state=found["out_of_line"].map(STATES).fillna("not judged"),
    )
    st.subheader("Accuracy by factor", anchor=False)
    wrong = found[found["state"] == "out of line"]
    levels = ", ".join(f"{plain(row.factor)} {plain(row.level)}" for row in wrong.itertuples())
    st.caption(
        "Mean accuracy of the architectures of each level, one standard deviation around. "
        + (
            f"**Out of line with the others (triangles): {levels}.**"
            if levels
            else "No level is out of line."
        )
    )
    names = list(dict.fromkeys(found["factor"]))
    for start in range(0, len(names), ABREAST):
        for box, name in zip(st.columns(ABREAST), names[start : start + ABREAST], strict=False):
            levels = found[found["factor"] == name]
            frame.chart(box, charts.factor, levels, name, alt=f"Accuracy by {name}")
