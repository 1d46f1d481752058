"""Proxy: one proxy's page, from its definition to every architecture it scored."""

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard import frame, reading, state
from leaderboard.charts import proxy as charts
from leaderboard.definitions import Definition, definition
from leaderboard.filters import sidebar
from leaderboard.selection import Filters
from leaderboard.standing import NEEDS, described, place
from leaderboard.words import DASH, STATISTICS, plain, short

SWITCH = 41  # pixels of the switch for logarithmic scores, where there is one
FAILURES = """
SELECT status, message, count(*) AS scores, count(DISTINCT arch_id) AS architectures
FROM scores JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
WHERE space = {space} AND task = {task} AND proxy = {proxy} AND status != 'ok'
GROUP BY ALL ORDER BY scores DESC, status, message
"""


def show() -> None:
    """Draw the page."""
    filters = sidebar()
    ranking = described(reading.ask("overall", **filters.ranking, draws=0))
    ranked = ranked_proxies(ranking)
    if ranked.empty:
        frame.heading("One proxy, up close", "No proxy has a rho here; choose another task.")
        return
    name = choose(st.sidebar, ranked)
    about = definition(name)
    frame.heading(plain(name), about.summary or "A proxy that this version of the package does not define.")
    numbers = st.empty()
    facts(numbers, reading.ask("overall", **filters.ranking, draws=0), name, about)
    left, right = st.columns([6, 5], gap="large")
    with left:
        draw_scatter(filters, ranked, name, 500)
    with right:
        define(about)
    by_what(filters, name)
    failures(filters, name)
    # The places take resampling all proxies; the page is there before.
    facts(numbers, reading.ask("overall", **filters.ranking), name, about)
    asked = reading.asked("scatter", {"proxy": name} | filters.meeting | {"seeds": None})
    apart = "The download has width and depth beside it, where a genome has them."
    frame.offer(reading.points(filters, name), f"{filters.label}-{name}", asked, apart)


def ranked_proxies(ranking: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a rho and scores of their own."""
    return ranking[ranking["rho"].notna() & ranking["kind"].isin(("proxy", "control"))]


def choose(where: DeltaGenerator, ranked: pd.DataFrame) -> str:
    """Choose a proxy; the best that is no control, if there is one, is what a reader came for."""
    first = ranked.sort_values(["control", "rank"])["proxy"].iloc[0]
    return state.select(where, "Proxy", "proxy", list(ranked["proxy"]), first)


def draw_scatter(filters: Filters, ranked: pd.DataFrame, name: str, height: int) -> None:
    """Score against accuracy, of one seed and, where several are ranked, one task."""
    boxes = st.columns(3, vertical_alignment="bottom")
    task = filters.task
    if len(filters.tasks) > 1:
        task = state.select(boxes[2], "On task", "on", list(filters.tasks))
    points = reading.points(filters.on(task), name)
    if points.empty:
        st.caption(f"{plain(name)} has no score on {plain(task)}.")
        return
    # The points are those that the rho over them is of.
    seeds = sorted(filters.seeds or points["seed"].unique().tolist())
    seed = state.select(boxes[0], "Proxy seed", "seed", seeds)
    colours = [gene for gene in charts.NAMES if gene in points]
    colour = state.select(boxes[1], "Colour", "colour", colours, spell=lambda gene: charts.NAMES[gene])
    points = points[points["seed"] == seed]
    log = charts.wide(points) and state.switch(st, "Logarithmic scores", "log", True)
    row = ranked.set_index("proxy").loc[name]
    title = f"{name} on {task}: rho {row[task] if task in row else row['rho']:z.2f}"
    height -= SWITCH * charts.wide(points)
    of = (points, colour, log, title, small_print(row, seed), height)
    frame.chart(st, charts.scatter, *of, key="scatter", alt=f"{name}: score against accuracy")


def small_print(row: pd.Series, seed: int) -> str:
    """What the numbers of the title are over, and what the points leave out."""
    seeds = f"points: seed {seed}, rho: mean of {row['seeds']} seeds" if row["seeds"] > 1 else f"seed {seed}"
    return f"{seeds}, n = {row['n']:,}" + (
        f", {row['failed']} failed scores not drawn" if row["failed"] else ""
    )


def facts(slot: DeltaGenerator, found: pd.DataFrame, name: str, about: Definition) -> None:
    """The proxy in five numbers. found: rows of `Benchmark.overall`."""
    row = found.set_index("proxy").loc[name]
    between = None if pd.isna(row["low"]) else f"[{row['low']:z.2f}, {row['high']:z.2f}]"
    places = place(row["first_place"], row["last_place"]) or DASH
    beyond = DASH if pd.isna(row["rho_given_params"]) else f"{row['rho_given_params']:z.2f}"
    price = DASH if pd.isna(row["seconds"]) else f"{row['seconds'] * 1000:,.1f}"
    where = frame.numbers(slot)
    frame.number(where, "rho", f"{row['rho']:z.2f}", between, STATISTICS["interval"])
    frame.number(where, "place", places, f"of {found['rank'].notna().sum()}", STATISTICS["place"])
    frame.number(where, "rho given params", beyond, None, STATISTICS["rho given params"])
    frame.number(where, "milliseconds", price, "for one architecture", STATISTICS["ms"])
    frame.number(where, "needs", NEEDS.get(about.data, DASH), about.principle)


def define(about: Definition) -> None:
    """The definition, as its file has it."""
    st.subheader("Definition", anchor=False)
    if not about.doc:
        st.caption("This proxy was computed by a version of the package that had it; this one has not.")
    for label, text in about.paragraphs:
        st.markdown(f"**{label}.** {plain(text, 2000)}")
    if about.file:
        st.caption(f"From `{about.file}`, which computes it.")


def by_what(filters: Filters, name: str) -> None:
    """rho by task, by band of params and by proxy seed, each with its interval."""
    boxes = st.columns(3, gap="medium")
    everywhere = {"task": None, "recipe": None, "proxies": (name,), "shared": False}
    tasks = reading.ask("rank", **filters.meeting | everywhere)
    tasks = tasks.dropna(subset="rho")
    repeated = tasks["task"].duplicated(keep=False)
    tasks["at"] = tasks["task"].where(~repeated, tasks["task"] + " · " + tasks["recipe"])
    bands = reading.ask("bands", **(filters.meeting | {"proxies": (name,), "shared": False}))
    bands = bands.dropna(subset="rho")
    bands["at"] = [f"{short3(row.least)} to {short3(row.most)}" for row in bands.itertuples()]
    seeds = reading.ask("by_seed", **(filters.meeting | {"proxies": (name,), "shared": False}))
    seeds = seeds.dropna(subset="rho")
    seeds["at"] = "seed " + seeds["seed"].astype(str)
    for box, rows, title in (
        (boxes[0], tasks, f"By task, {filters.protocol}"),
        (boxes[1], bands, "By band of params"),
        (boxes[2], seeds, "By proxy seed"),
    ):
        if len(rows):
            frame.chart(box, charts.by, rows, "at", title, alt=title)


def short3(count: float) -> str:
    """A count of three digits: 5.72 M."""
    return short(float(f"{count:.3g}"))


def failures(filters: Filters, name: str) -> None:
    """Scores that are none, by reason."""
    found = reading.sql(FAILURES, space=filters.space, task=filters.scored_on, proxy=name)
    st.subheader("Failures", anchor=False)
    if found.empty:
        st.caption(f"None: every score of {plain(name)} on {plain(filters.task)} came out as a number.")
        return
    st.dataframe(found, hide_index=True, placeholder=DASH, key="failures", alt="Failed scores by reason")
