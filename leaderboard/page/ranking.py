"""Ranking: which proxy orders the architectures of a task best, how sure that is, and one proxy up close."""

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard import frame, reading, state
from leaderboard.charts.ranking import intervals
from leaderboard.filters import command, sidebar
from leaderboard.page.proxy import choose, draw_scatter, ranked_proxies
from leaderboard.selection import Filters
from leaderboard.standing import EMPTY, answered, question, standing
from leaderboard.theme import FADED, FAILED
from leaderboard.words import DASH, STATISTICS, plain
from store import StoreError
from store.overall import OVERALL

SHORT, TALL = 470, 640  # pixels of the scatter, as high as the chart beside of few proxies or of more
FEW = 20
HIGHEST = 500  # pixels of the table: a phone's screen holds it, and can be left past it
DRAWS = 1000  # redraws of the architectures for intervals and places
TITLES = {"rho_given_params": "rho given params", "milliseconds": "ms"}
HELP = {
    "place": STATISTICS["place"],
    "kind": "A control is a baseline to beat; a combiner ranks by several proxies at once.",
    "milliseconds": STATISTICS["ms"],
    "principle": "What the proxy measures.",
    "needs": "What the proxy must be given besides the untrained network.",
}
ANY, NO_LABELS, NO_IMAGES = "any", "no labels", "no images"
FREE = {NO_LABELS: ("none", "shape", "noise", "images"), NO_IMAGES: ("none", "shape", "noise")}
SAME = (
    "Some proxies failed on architectures or have not scored them yet. Switched on, all are judged on the "
    "same ones: those that every proxy with a rho has scored in every seed."
)
REASONS = """
SELECT proxy, arg_max(message, times) AS reason
FROM (SELECT proxy, message, count(*) AS times
      FROM scores JOIN (SELECT arch_id, space FROM architectures) USING (arch_id)
      WHERE space = {space} AND task = {task} AND message IS NOT NULL GROUP BY proxy, message)
GROUP BY proxy
"""


@dataclass(frozen=True)
class Rows:
    """Which rows the reader wants to see."""

    controls: bool
    combiners: bool
    principle: str
    needs: str

    @property
    def every(self) -> bool:
        """Whether no row is hidden."""
        return self.controls and self.principle == self.needs == ANY

    def of(self, everything: pd.DataFrame) -> pd.DataFrame:
        """Those rows. A principle or a need is a proxy's; controls and combiners have switches."""
        kept = everything["principle"].eq(self.principle) | (self.principle == ANY)
        kept &= everything["data"].isin(FREE.get(self.needs, ())) | (self.needs == ANY)
        return everything[(kept | everything["kind"].ne("proxy")) & (self.controls | ~everything["control"])]


def show() -> None:
    """Draw the page."""
    frame.heading(
        "Which proxy to trust",
        "How well zero-cost proxies, computed on **untrained** Vision Transformers, order them by the "
        "accuracy they reach. Bars are 95 % intervals; proxies whose places overlap are tied.",
    )
    filters = sidebar(mean=True)
    rows = choose_rows()
    if state.switch(st.sidebar, "Given params", "given_params", False, STATISTICS["rho given params"]):
        filters = replace(filters, given="params")
    quick = standing(filters)
    if quick.empty:
        raise StoreError(EMPTY)
    failed = quick[quick["rho"].isna()]
    if same_architectures(quick):
        filters = replace(filters, shared=tuple(sorted(quick.loc[quick["rho"].notna(), "proxy"])))
        quick = standing(filters)
    if rows.of(quick)["rank"].notna().any():
        shown = draw(filters, quick, rows)
    else:
        st.warning(nothing_ranked(filters))
        shown = rows.of(quick)
    # A proxy that failed throughout shares no architecture with any; it stays listed as what it is.
    unranked = pd.concat([shown[shown["rank"].isna()], rows.of(failed)]).drop_duplicates("proxy")
    list_unranked(filters, unranked)
    asked = reading.asked("overall", question(filters, shown))
    frame.offer(shown, f"ranking-{filters.label}", asked, apart(shown, rows))


def apart(shown: pd.DataFrame, rows: Rows) -> str:
    """What these rows have beside the answer of `Benchmark.overall`, and what they have not."""
    combiners = int(shown["kind"].isin(("combiner", "fitted combiner")).sum())
    beside = f"the page's {combiners} combiners, which hold places too, and " if combiners else ""
    told = f"The download has beside it {beside}each row's kind, principle and needs"
    return f"{told}." if rows.every else f"{told}, and only the rows that the filters leave."


def choose_rows() -> Rows:
    """Ask which rows to show."""
    bar = st.sidebar
    principles = [ANY, "complexity", "trainability", "expressivity", "saliency"]
    principle = state.select(bar, "Principle", "principle", principles, help="What the proxy measures.")
    needs = state.select(bar, "Needs", "needs", [ANY, *FREE], help="What the proxy can do without.")
    about = "Baselines that any proxy worth its name beats."
    controls = state.switch(bar, "Show controls", "controls", True, about)
    about = "Rankings made out of several proxies; those fitted to accuracies by their honest number."
    return Rows(controls, state.switch(bar, "Show combiners", "combiners", True, about), principle, needs)


def same_architectures(everything: pd.DataFrame) -> bool:
    """Choose whether all proxies are judged on the same architectures; no question where they are anyway."""
    ranked = everything[everything["rho"].notna()]
    alike = ranked["n"].nunique() <= 1 and not ranked[["failed", "unscored"]].any(axis=None)
    return not alike and state.switch(st.sidebar, "Same architectures", "shared", False, SAME)


def nothing_ranked(filters: Filters) -> str:
    """Why no proxy has a rho, and what to do."""
    if filters.shared:
        return (
            "No architecture was scored by every proxy, or too few to rank by; "
            "switch 'Same architectures' off in the sidebar."
        )
    job = command("score", filters.space, filters.scored_on)
    return f"No proxy to show has a rho here. Show others, or run: {plain(job, 300)}"


def draw(filters: Filters, quick: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    """The chart, one proxy beside it, and the table under them; returns the rows with their intervals.

    Their order takes no time, fitting and resampling do: the page shows the one, then puts the other there.
    """
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.subheader(ranked_on(filters), anchor=False)
        st.caption(accuracy_of(filters, quick))
        chart = st.empty()
    ordered = rows.of(quick[quick["rank"].notna()])
    with right:
        picked = choose_proxy(ordered)
        scatter = st.container()
    below = st.container()
    # The chart that readers come for is sent before the scatter, which is more work for a browser.
    if slow := not answered(filters, DRAWS, rows.combiners):
        frame.chart(chart, intervals, *pictured(filters, ordered, None, None))
        draw_proxy(scatter, filters, ordered, picked)
    shown = rows.of(standing(filters, DRAWS, rows.combiners))
    ranked = shown[shown["rank"].notna()]
    ceilings = ceilings_of(filters)
    top = ceilings.iloc[0]["ceiling"] if len(ceilings) == 1 else None
    of = pictured(filters, ranked, picked, top)
    frame.chart(chart, intervals, *of, key="intervals", on_select=pick)
    if not slow:
        draw_proxy(scatter, filters, ordered, picked)
    with below:
        if len(ranked) < shown["last_place"].max():
            st.caption("The places count the rows that are hidden, too.")
        table(filters, ranked)
        explain(ceilings, rows.combiners)
    return shown


def explain(ceilings: pd.DataFrame, combiners: bool) -> None:
    """The statistics of the table, one sentence each, and the ceilings in numbers."""
    frame.explain("place", "interval", "rho given params", *(["ceiling"] if len(ceilings) else []))
    if len(ceilings):
        st.caption(f"Ceiling, dashed where one task is shown: {told(ceilings)}.")
    if combiners:
        frame.explain("honest")


def choose_proxy(ranked: pd.DataFrame) -> str | None:
    """Choose the proxy that is shown up close; None where none can be."""
    known = ranked_proxies(ranked)
    if known.empty:
        return None
    st.subheader("One proxy, every architecture", anchor=False)
    return choose(st, known)


def draw_proxy(where: DeltaGenerator, filters: Filters, ranked: pd.DataFrame, picked: str | None) -> None:
    """Draw the architectures as the picked proxy sees them, about as high as the chart beside."""
    if picked is not None:
        with where:
            draw_scatter(filters, ranked, picked, SHORT if len(ranked) < FEW else TALL)


def pictured(
    filters: Filters, ranked: pd.DataFrame, picked: str | None, top: float | None
) -> tuple[pd.DataFrame, str | None, float | None, str]:
    """What the chart of intervals is of: of what is ranked by."""
    if filters.given:
        ranked = ranked.assign(rho=ranked["rho_given_params"])
    mean = "" if len(filters.tasks) == 1 else "mean "
    return ranked, picked, top, f"{mean}rho given params" if filters.given else f"{mean}rho"


def ranked_on(filters: Filters) -> str:
    """The heading: what is ranked."""
    tasks = plain(filters.task) if len(filters.tasks) == 1 else f"{len(filters.tasks)} tasks, mean"
    return f"Ranking on {tasks}"


def accuracy_of(filters: Filters, ranking: pd.DataFrame) -> str:
    """What lies behind the ranking, in one line."""
    recipe = "each task's recipe" if filters.recipe is None else plain(filters.recipe)
    elsewhere = f", scores on images of {plain(filters.scores_from)}" if filters.scores_from else ""
    few = f", only the {ranking['n'].min()} architectures scored by all" if filters.shared else ""
    return f"{plain(filters.space)}, accuracy from {plain(filters.protocol)} · {recipe}{elsewhere}{few}"


def ceilings_of(filters: Filters) -> pd.DataFrame:
    """The ceiling of each task that has one; none given params, or of a few architectures: it is another."""
    if filters.shared or filters.given:
        return pd.DataFrame()
    chosen = {"protocol": filters.protocol, "recipe": filters.recipe, "space": filters.space}
    rows = [
        reading.ask("noise", task=task, **chosen, params=filters.params, split="test")
        for task in filters.tasks
    ]
    return pd.concat(rows).dropna(subset="ceiling")


def told(ceilings: pd.DataFrame) -> str:
    """The ceilings in words."""
    return "; ".join(
        f"{plain(row.task)} about {row.ceiling:.2f} [{row.low:.2f}, {row.high:.2f}], of {row.seeds} seeds"
        for row in ceilings.itertuples()
    )


def pick() -> None:
    """Show the proxy whose row was clicked."""
    clicked = st.session_state["intervals"].selection["picked"]
    if clicked:
        st.session_state["proxy"] = clicked[0]["proxy"]


def table(filters: Filters, ranked: pd.DataFrame) -> None:
    """The ranking in numbers, every column explained; rows that miss architectures stand out."""
    several = list(filters.tasks) if len(filters.tasks) > 1 else []
    shown = ranked[columns_of(filters.given, several)]
    styled = shown.style.apply(emphasis, axis=1, controls=set(shown.index[ranked["control"]]))
    st.dataframe(
        styled,
        hide_index=True,
        height=min(35 * (len(shown) + 1) + 3, HIGHEST),
        column_config=explained(several, filters.given),
        placeholder=DASH,
        key="ranking",
        alt="The ranking in numbers",
    )


def columns_of(given: str | None, tasks: list[str]) -> list[str]:
    """The columns in their order: an interval stands behind the number that it is of."""
    by, other = ("rho_given_params", "rho") if given else ("rho", "rho_given_params")
    first = ["place", "proxy", "kind", by, "low", "high"]
    rest = ["n", "failed", "unscored", "milliseconds", "principle", "needs"]
    return [*first, *([other, *tasks] if given else [*tasks, other]), *rest]


def emphasis(row: pd.Series, controls: set[int]) -> list[str]:
    """Controls in grey; a count of failed or unscored architectures in red when it is not 0."""
    plainly = f"color: {FADED}" if row.name in controls else ""
    warned = f"color: {FAILED}; font-weight: 600"
    return [warned if name in ("failed", "unscored") and row[name] else plainly for name in row.index]


def explained(tasks: list[str], given: str | None = None) -> dict[str, object]:
    """The columns' titles, formats, and the meaning and unit that `store` gives them."""
    words, numbers = st.column_config.TextColumn, st.column_config.NumberColumn
    config: dict[str, object] = {task: numbers(task, help=f"rho on {task}", format="%.3f") for task in tasks}
    for name in columns_of(given, []):
        title, told = TITLES.get(name, name), HELP.get(name)
        if name in ("place", "kind", "principle", "needs"):
            config[name] = words(title, help=told)
            continue
        if name == "milliseconds":
            config[name] = numbers(title, help=told, format="%.1f")
            continue
        field = OVERALL.field(name)
        about = {key.decode(): text.decode() for key, text in field.metadata.items()}
        told = f"{about['meaning']} ({about['unit']})"
        if given and name in ("low", "high"):
            told = f"Of rho given params. {told}"
        if name == "proxy":
            config[name] = words(title, help=told, pinned=True)
        else:
            config[name] = numbers(title, help=told, format="%.3f" if about["unit"] == "-1..1" else "%d")
    return config


def list_unranked(filters: Filters, unranked: pd.DataFrame) -> None:
    """The proxies without a rank, each with the reason: never averaged over the tasks they happen to have."""
    reasons: dict[str, str] = {}
    for task in filters.tasks:
        found = reading.sql(REASONS, space=filters.space, task=filters.on(task).scored_on)
        reasons |= dict(zip(found["proxy"], found["reason"], strict=True))
    columns = ["proxy", "n", "failed", "unscored"]
    rows = unranked[columns].assign(reason=unranked["proxy"].map(reasons))
    if rows.empty:
        return
    st.subheader("Not ranked", anchor=False)
    st.caption(
        "No rho on every task shown: a proxy seed has fewer than 3 architectures with score and accuracy, or "
        "all of them alike."
    )
    st.dataframe(
        rows,
        hide_index=True,
        column_config={name: explained([])[name] for name in columns} | {"reason": "most frequent failure"},
        placeholder=DASH,
        key="unranked",
        alt="Proxies without a rank",
    )
