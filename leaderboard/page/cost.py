"""Cost: what a proxy is worth for its price."""

import streamlit as st

from leaderboard import frame, reading
from leaderboard.charts import cost as charts
from leaderboard.filters import sidebar
from leaderboard.standing import described
from leaderboard.words import DASH, plain
from store.front import front


def show() -> None:
    """Draw the page."""
    frame.heading(
        "What a proxy costs, and what it is worth",
        "Up is better, left is cheaper. Named and joined are the proxies that no other beats in both. "
        "Combiners are not here: they cost what the proxies cost that they read.",
    )
    filters = sidebar(mean=True)
    found = described(reading.ask("overall", **filters.ranking, draws=0)).dropna(subset=["rho", "seconds"])
    found = found[found["seconds"] > 0]
    if found.empty:
        st.info("No proxy has both a rho and a price here.")
        return
    # Intervals would take resampling: these columns are empty.
    found = found.drop(columns=["low", "high", "place", "first_place", "last_place"])
    found = found.assign(front=front(found["seconds"].to_numpy(), found["rho"].to_numpy()))
    left, right = st.columns([5, 4], gap="medium")
    frame.chart(left, charts.against, found, key="cost", alt="rho against milliseconds")
    with right:
        best = found[found["front"]].sort_values("milliseconds")
        st.subheader("The Pareto front", anchor=False)
        st.dataframe(
            best[["proxy", "kind", "milliseconds", "rho", "needs"]],
            hide_index=True,
            column_config={
                "milliseconds": st.column_config.NumberColumn("ms", format="%.3g"),
                "rho": st.column_config.NumberColumn(format="%.3f"),
            },
            placeholder=DASH,
            key="front",
            alt="The Pareto front",
        )
        st.caption(f"Measured on: {devices()}.")
    frame.explain("ms", "Pareto front")
    asked = reading.asked("overall", filters.ranking | {"draws": 0})
    apart = "The download has only the proxies with a rho and a price, and whether they are on the front."
    frame.offer(found, f"cost-{filters.label}", asked, apart)


def devices() -> str:
    """Where the scores were computed: a price is that of a machine."""
    found = reading.sql(
        "SELECT DISTINCT device FROM runs WHERE run_id IN (SELECT run_id FROM scores) ORDER BY 1"
    )
    return (
        "; ".join(plain(device) for device in found["device"].dropna()) or "a machine that was not recorded"
    )
