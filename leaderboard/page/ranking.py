"""Ranking: which proxy orders the architectures of a task best, how sure that is, and one proxy up close."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from leaderboard import charts, reading, state
from leaderboard.filters import command, sidebar
from leaderboard.reading import Filters
from store import StoreError
from store.rank import RANKING

COLUMNS = [
    "rank", "proxy", "rho", "low", "high", "tau_b", "rho_given_params", "n", "failed", "unscored", "seconds"
]  # fmt: skip
TITLES = {"tau_b": "tau-b", "rho_given_params": "rho given params", "seconds": "ms"}
DASH = "–"
BOXES = 44  # pixels that the choices above the scatter take more than the line above the intervals
SWITCH = 41  # pixels of the switch for logarithmic scores, where there is one
INTERVAL = (
    "**low to high**: the 95 % interval, in which rho falls for 95 % of 1000 random redraws of the "
    "architectures (bootstrap); neighbours whose intervals overlap may well be equal."
)
GIVEN_PARAMS = (
    "**rho given params**: the rank correlation that is left once the parameter count has explained what it "
    "can (partial rho); near 0, the proxy tells nothing beyond size."
)
SAME = (
    "Some proxies failed on architectures or have not scored them yet. Switched on, all are judged on the "
    "same ones: those that every proxy with a rho has scored in every seed."
)
REASONS = """
SELECT proxy, arg_max(message, times) AS reason
FROM (SELECT proxy, message, count(*) AS times
      FROM scores JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
      WHERE space = '{space}' AND task = '{task}' AND message IS NOT NULL GROUP BY proxy, message)
GROUP BY proxy
"""


def show() -> None:
    """Draw the page."""
    filters = sidebar()
    controls = state.switch(
        st.sidebar, "Show controls", "controls", True, "Baselines that any proxy worth its name beats."
    )
    everything = reading.ranking(filters)
    if everything.empty:
        raise StoreError("No architecture of these params has an accuracy. Widen the window of params.")
    if same_architectures(everything):
        filters, everything = on_the_same(filters, everything)
    shown = everything if controls else everything[~everything["control"]]
    ranked = shown[shown["rho"].notna()].astype({"rank": int})
    if ranked.empty:
        st.warning(nothing_ranked(filters))
    else:
        draw(filters, ranked)
        if not controls:
            st.caption("The ranks count the controls, which are hidden.")
    list_unranked(filters, shown[shown["rho"].isna()])
    draw_curves(filters)
    download(filters, shown)


def same_architectures(everything: pd.DataFrame) -> bool:
    """Choose whether all proxies are judged on the same architectures; no question where they are anyway."""
    ranked = everything[everything["rho"].notna()]
    alike = ranked["n"].nunique() <= 1 and not ranked[["failed", "unscored"]].any(axis=None)
    return not alike and state.switch(st.sidebar, "Same architectures", "shared", False, SAME)


def on_the_same(filters: Filters, everything: pd.DataFrame) -> tuple[Filters, pd.DataFrame]:
    """The filters and the ranking that leave only architectures which every ranked proxy scored."""
    has_rho = everything["rho"].notna()
    filters = replace(filters, shared=tuple(sorted(everything.loc[has_rho, "proxy"])))
    # A proxy that failed throughout shares nothing with any; it stays listed as what it is.
    return filters, pd.concat([reading.ranking(filters), everything[~has_rho]], ignore_index=True)


def nothing_ranked(filters: Filters) -> str:
    """Why no proxy has a rho, and what to do."""
    if filters.shared:
        return (
            "No architecture was scored by every proxy, or too few to rank by; "
            "switch 'Same architectures' off in the sidebar."
        )
    return f"No proxy has a rho here. Run: {command('score', filters.space, filters.scores_from)}"


def draw(filters: Filters, ranked: pd.DataFrame) -> None:
    """The charts side by side, and the table under them."""
    left, right = st.columns([6, 5], gap="large")
    with right:
        picked = one_proxy(filters, ranked)
    with left:
        st.subheader(f"Ranking on {filters.task}", anchor=False)
        st.caption(
            f"{filters.space}, accuracy from {filters.protocol} · {filters.recipe}{scored_on(filters)}"
            + (f", only the {ranked['n'].iloc[0]} architectures scored by all" if filters.shared else "")
        )
        kinds = ranked["control"].map({True: "control", False: "proxy"})
        noise = reading.noise(filters)
        # Of the architectures that all proxies scored, which may be few, the ceiling is another.
        top = None if filters.shared or pd.isna(noise["ceiling"]) else noise["ceiling"]
        chart = charts.intervals(ranked.assign(kind=kinds), picked, top)
        st.altair_chart(chart, width="stretch", key="intervals", on_select=pick)
    table(ranked)
    st.caption(f"{INTERVAL}  \n{GIVEN_PARAMS}" + ("" if top is None else f"  \n{ceiling(noise)}"))


def ceiling(noise: pd.Series) -> str:
    """What the dashed line in the chart is."""
    return (
        f"**ceiling**, dashed: about {noise['ceiling']:.2f} [{noise['low']:.2f}, {noise['high']:.2f}] is the "
        f"rho that even a perfect proxy would reach, since {noise['seeds']} training seeds order the "
        "architectures differently."
    )


def pick() -> None:
    """Show the proxy whose row was clicked."""
    clicked = st.session_state["intervals"].selection["picked"]
    if clicked:
        st.session_state["proxy"] = clicked[0]["proxy"]


def scored_on(filters: Filters) -> str:
    """Where the scores are from, when that is not the ranked task itself."""
    return "" if filters.scores_from == filters.task else f", scores on images of {filters.scores_from}"


def one_proxy(filters: Filters, ranked: pd.DataFrame) -> str:
    """Draw the architectures as one proxy sees them; returns the proxy."""
    st.subheader("One proxy, every architecture", anchor=False)
    boxes = st.columns([4, 2, 2], vertical_alignment="bottom")
    # The best proxy that is no control, if there is one, is what a reader came for.
    first = ranked.sort_values(["control", "rank"])["proxy"].iloc[0]
    picked = state.select(boxes[0], "Proxy", "proxy", list(ranked["proxy"]), first)
    points = reading.points(filters, picked)
    seeds = sorted(points["seed"].unique().tolist())
    seed = state.select(boxes[1], "Proxy seed", "seed", seeds)
    colours = [name for name in charts.NAMES if name in points]
    colour = state.select(boxes[2], "Colour", "colour", colours, spell=charts.NAMES.get)
    points = points[points["seed"] == seed]
    log = charts.wide(points) and state.switch(st, "Logarithmic scores", "log", True)
    row = ranked.set_index("proxy").loc[picked]
    height = charts.height(len(ranked)) - BOXES - SWITCH * charts.wide(points)
    chart = charts.scatter(
        points, colour, log, f"{picked}: rho {interval(row)}", small_print(row, seed), height
    )
    st.altair_chart(chart, width="stretch", key="scatter")
    return picked


def interval(row: pd.Series) -> str:
    """rho with its interval, where it has one."""
    if pd.isna(row["low"]):
        return f"{row['rho']:.2f}"
    return f"{row['rho']:.2f}  [{row['low']:.2f}, {row['high']:.2f}],  n = {row['n']}"


def small_print(row: pd.Series, seed: int) -> str:
    """What the numbers of the title are over, and what the points leave out."""
    seeds = f"points: seed {seed}, rho: mean of {row['seeds']} seeds" if row["seeds"] > 1 else f"seed {seed}"
    return seeds + (f", {row['failed']} failed scores not drawn" if row["failed"] else "")


def table(ranked: pd.DataFrame) -> None:
    """The ranking in numbers, every column explained; rows that miss architectures stand out."""
    shown = ranked.assign(
        seconds=ranked["seconds"] * 1000,
        proxy=ranked["proxy"].where(~ranked["control"], ranked["proxy"] + " (control)"),
    )[COLUMNS]
    styled = shown.style.apply(emphasis, axis=1, controls=set(shown.index[ranked["control"]]))
    st.dataframe(
        styled,
        hide_index=True,
        height=35 * (len(shown) + 1) + 3,
        column_config=explained(),
        placeholder=DASH,
        key="ranking",
    )


def emphasis(row: pd.Series, controls: set[int]) -> list[str]:
    """Controls in grey; a count of failed or unscored architectures in red when it is not 0."""
    plain = "color: #7b8490" if row.name in controls else ""
    warned = "color: #B4370B; font-weight: 600"
    return [warned if name in ("failed", "unscored") and row[name] else plain for name in row.index]


def explained() -> dict[str, object]:
    """The columns' titles, formats, and the meaning and unit that `store` gives them."""
    config: dict[str, object] = {}
    for name in COLUMNS:
        about = {key.decode(): text.decode() for key, text in RANKING.field(name).metadata.items()}
        help, title = f"{about['meaning']} ({about['unit']})", TITLES.get(name, name)
        if name == "seconds":
            config[name] = st.column_config.NumberColumn(
                title, help=f"{about['meaning']}, in milliseconds", format="%.1f"
            )
        elif name == "proxy":
            config[name] = st.column_config.TextColumn(title, help=help, width="medium")
        elif about["unit"] == "-1..1":
            config[name] = st.column_config.NumberColumn(title, help=help, format="%.3f")
        else:
            config[name] = st.column_config.NumberColumn(title, help=help, format="%d")
    return config


def list_unranked(filters: Filters, unranked: pd.DataFrame) -> None:
    """The proxies without a rho, each with the reason."""
    if unranked.empty:
        return
    st.subheader("Not ranked", anchor=False)
    st.caption(
        "No rho: a proxy seed has fewer than 3 architectures with score and accuracy, or all of them alike."
    )
    space, task = (name.replace("'", "''") for name in (filters.space, filters.scores_from))
    reasons = reading.sql(REASONS.format(space=space, task=task)).set_index("proxy")["reason"]
    columns = ["proxy", "n", "failed", "unscored"]
    st.dataframe(
        unranked[columns].assign(reason=unranked["proxy"].map(reasons)),
        hide_index=True,
        column_config={name: explained()[name] for name in columns} | {"reason": "most frequent failure"},
        placeholder=DASH,
        key="unranked",
    )


def draw_curves(filters: Filters) -> None:
    """How the trainings behind the accuracies went, where they were measured on the way."""
    curves = reading.curves(filters)
    if (curves.groupby(["arch_id", "seed"])["epoch"].nunique() < 2).all():
        return
    st.subheader("Learning curves", anchor=False)
    st.caption("Test accuracy by epoch, one line a training; the ranking is by the last epoch of each.")
    st.altair_chart(charts.learning_curves(curves), width="stretch", key="curves")


def download(filters: Filters, shown: pd.DataFrame) -> None:
    """The rows of the page, unranked ones included, with every column `store` gives."""
    name = f"ranking-{filters.space}-{filters.task}-{filters.protocol}-{filters.recipe}.csv"
    st.download_button("Download this ranking as CSV", shown.to_csv(index=False), name, "text/csv")
