"""Layers: where in the depth gradients differ, and which interval of the depth orders architectures best."""

import streamlit as st

from leaderboard import frame, reading
from leaderboard.charts import layers as charts
from leaderboard.filters import command, sidebar
from leaderboard.words import plain


def show() -> None:
    """Draw the page."""
    frame.heading(
        "Gradients by depth",
        "L-SWAG reads the gradients of some layers only. The left picture chooses them without a single "
        "accuracy; the right one shows what each choice would be worth.",
    )
    filters = sidebar(reads=())
    curve = reading.ask("layers", task=filters.task, space=filters.space)
    if curve.empty:
        job = command("layers", filters.space, filters.task)
        st.info(f"No layers were measured for {plain(filters.task)} yet. Run: {plain(job, 300)}")
        return
    found = reading.ask("layer_intervals", **filters.accuracies)
    left, right = st.columns(2, gap="large")
    spread = curve["spread"].fillna(0)
    curve = curve.assign(low=curve["log_sigma"] - spread, high=curve["log_sigma"] + spread)
    frame.chart(left, charts.curve, curve, key="curve", alt="Log sigma by depth")
    if found.empty:
        right.caption("No architecture with an accuracy has every layer measured.")
    else:
        frame.chart(right, charts.by_interval, found, key="intervals", alt="rho of Lambda by interval")
        st.markdown(said(found))
    frame.explain("log sigma", "Lambda", "spikes")
    asked = reading.asked("layer_intervals", filters.accuracies)
    frame.offer(found, f"layers-{filters.label}", asked)


def said(found) -> str:
    """The three intervals that matter, each with its honest number."""
    lines = []
    for flag, what in (
        ("whole", "All layers"),
        ("spike", "The spikes' interval, chosen without accuracies"),
        ("fitted", "The interval fitted to one half of the architectures (not zero-shot)"),
    ):
        for row in found[found[flag]].itertuples():
            lines.append(
                f"- {what}, tenths {row.first} to {row.last}: rho {row.rho:z.2f} on all {row.n}, "
                f"**{row.rho_other:z.2f}** [{row.low:z.2f}, {row.high:z.2f}] on the half that nothing was "
                "fitted on."
            )
    return "\n".join(lines)
