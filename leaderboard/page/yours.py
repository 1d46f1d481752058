"""Your proxy: a reader's own scores ranked beside the others. They stay in the session; nothing is stored."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from leaderboard import combining, frame, reading, upload
from leaderboard.charts import proxy as scatters
from leaderboard.charts.ranking import intervals
from leaderboard.filters import sidebar
from leaderboard.selection import Filters
from leaderboard.standing import EMPTY, described, question
from leaderboard.words import DASH, plain
from store import Benchmark, StoreError

SHOWN = 50  # bad rows shown
BESIDE = 12  # proxies that yours is compared with in pairs
APART = (
    "It takes a file with the columns arch_id (or genome), value and, if you like, seed, and without a wrong "
    "row; the download has each row's kind, principle and needs beside it."
)


@dataclass(frozen=True)
class Given:
    """A reader's own scores. Kept in the session, and nowhere else."""

    file: str
    file_id: str
    checked: upload.Checked


@dataclass(frozen=True)
class Ranked:
    """What the reader's scores are worth. Kept in the session under what was asked, and nowhere else."""

    ranking: pd.DataFrame
    comparisons: pd.DataFrame
    points: pd.DataFrame


def show() -> None:
    """Draw the page."""
    frame.heading(
        "Your proxy beside the others",
        "Upload a score for each architecture and see where it ranks. The file stays in this session's "
        "memory and is gone with the tab; nothing is stored.",
    )
    filters = sidebar()
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    file = left.file_uploader(
        "CSV or Parquet with the columns arch_id (or genome), value and, if you like, seed; higher is better",
        type=["csv", "tsv", "txt", "parquet"],
        max_upload_size=2,
        key="file",
    )
    st.session_state.setdefault("own name", st.session_state.get("own called", "mine"))
    name = right.text_input("Name in the ranking", max_chars=40, key="own name")
    try:
        scores = given(file)
        if scores is None:
            example(filters)
            return
        taken = set(reading.names("proxies")) | set(combining.combiners.names())
        name = st.session_state["own called"] = upload.named(name, taken)
    except upload.UploadError as error:
        st.error(plain(error, 400))
        return
    preview(scores.checked)
    if len(scores.checked.good) < 3:
        st.warning("Fewer than 3 rows can be ranked; nothing is shown.")
        return
    try:
        result(filters, name, ranked(filters, name, scores), scores.file)
    except StoreError as error:
        st.error(plain(error, 400))


def given(file: UploadedFile | None) -> Given | None:
    """The scores of a file, or of the last one: Streamlit forgets a file when another page is looked at.

    Raises UploadError.
    """
    kept = st.session_state.get("own scores")
    if file is None:
        if kept is None:
            return None
        line = st.container(horizontal=True, vertical_alignment="center")
        line.markdown(f"Your scores of **{plain(kept.file)}** are still here.", width="content")
        line.button("Forget them", icon=":material/delete:", key="forget", on_click=forget)
        return kept
    if kept is None or kept.file_id != file.file_id:
        checked = upload.check(upload.read(file.name, file.getvalue()), reading.benchmark().arch_id)
        st.session_state["own scores"] = Given(file.name, file.file_id, checked)
    return st.session_state["own scores"]


def forget() -> None:
    """Let go of the reader's scores and of what they were worth."""
    for name in ("own scores", "own name", "own called", "own", "own key"):
        st.session_state.pop(name, None)


def example(filters: Filters) -> None:
    """What a file looks like, with architectures of this benchmark."""
    known = reading.ask("accuracy", **filters.accuracies)["arch_id"].head(3)
    st.markdown("A file looks like this; the page *Architectures* lists every arch_id and genome:")
    st.code(
        "\n".join(["arch_id,value", *(f"{one},{place}.5" for place, one in enumerate(known))]),
        language="text",
    )
    st.caption(
        f"At most {upload.MOST_BYTES // 2**20} MB, {upload.MOST_ROWS:,} rows, {upload.MOST_COLUMNS} columns. "
        "An empty value is a failed score: it is counted, never replaced."
    )


def preview(checked: upload.Checked) -> None:
    """How many rows are taken, and the first of those that are not, each with the reason."""
    taken = f"{len(checked.good):,} rows taken"
    if checked.bad.empty:
        st.success(f"{taken}; every row is fine.", icon=":material/check:")
        return
    st.warning(f"{taken}; {len(checked.bad):,} cannot be ranked and are left out:", icon=":material/warning:")
    st.dataframe(
        checked.bad.head(SHOWN),
        hide_index=True,
        key="bad",
        alt="Rows that cannot be ranked",
        placeholder=DASH,
    )


def ranked(filters: Filters, name: str, scores: Given) -> Ranked:
    """The ranking with the reader's scores in it, kept for as long as nothing it depends on changes."""
    key = (reading.version(), filters, name, scores.file_id)
    if st.session_state.get("own key") != key:
        good = scores.checked.good
        with st.spinner("Ranking yours beside the others"):
            rows = good.astype(object).where(good.notna(), None).to_dict("records")
            with reading.benchmark().with_scores(rows, proxy=name, task=filters.scored_on) as own:
                st.session_state["own"] = _ranked(own, filters, name)
        st.session_state["own key"] = key
    return st.session_state["own"]


def _ranked(own: Benchmark, filters: Filters, name: str) -> Ranked:
    # Asked for by name, it has a row even where it has no score that counts.
    proxies = (*reading.names("proxies"), name)
    ranking = own.overall(**filters.ranking | {"proxies": proxies}).to_pandas()
    if ranking.empty:
        raise StoreError(EMPTY)
    best = [proxy for proxy in ranking.dropna(subset="rank")["proxy"] if proxy != name][:BESIDE]
    controls = [row.proxy for row in ranking.itertuples() if row.control and row.proxy not in best]
    pairs = [own.compare(name, proxy, **filters.comparing).to_pandas() for proxy in best + controls]
    points = own.scatter(name, **filters.meeting).to_pandas()
    return Ranked(ranking, pd.concat(pairs) if pairs else pd.DataFrame(), points)


def result(filters: Filters, name: str, found: Ranked, file: str) -> None:
    """Where it ranks, and whether it beats each of the others."""
    ranking = described(found.ranking)
    ranking.loc[ranking["proxy"] == name, "kind"] = "yours"
    row = ranking.set_index("proxy").loc[name]
    if pd.isna(row["rank"]):
        st.warning(
            f"{plain(name)} has no rho on {plain(filters.task)}: fewer than 3 of its architectures have an "
            "accuracy here, or all its values are alike, or none has the proxy seed chosen."
        )
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.subheader(
            f"{plain(name)}: place {row['place']} of {int(ranking['rank'].notna().sum())}", anchor=False
        )
        shown = ranking[ranking["rank"].notna()]
        frame.chart(st, intervals, shown, name, None, "rho", own=True, key="own intervals")
    with right:
        st.subheader("Better than these?", anchor=False)
        st.caption("Paired bootstrap on the architectures that both have scored.")
        table(found.comparisons)
        draw_points(name, found.points)
    chosen = question(filters, ranking, name)
    frame.offer(ranking, f"yours-{filters.label}", asked(filters, name, file, chosen), APART)


def asked(filters: Filters, name: str, file: str, chosen: dict[str, Any]) -> str:
    """The lines of Python that rank a file's scores in the same way."""
    read = "read_parquet" if file.lower().endswith(".parquet") else "read_csv"
    own = f"with_scores(pandas.{read}({file!r}), proxy={name!r}, task={filters.scored_on!r})"
    return "import pandas\n\n" + reading.asked(f"{own}.overall", chosen)


def table(comparisons: pd.DataFrame) -> None:
    """The difference of rho to each of the others, in numbers and in a word."""
    verdicts = [
        DASH
        if pd.isna(row.low)
        else "tied"
        if not row.separable
        else "better"
        if row.difference > 0
        else "worse"
        for row in comparisons.itertuples()
    ]
    shown = comparisons.assign(verdict=verdicts)[["b", "verdict", "difference", "low", "high", "n"]]
    numbers = {name: st.column_config.NumberColumn(format="%+.3f") for name in ("difference", "low", "high")}
    told = "At 95 %, not corrected for the number of comparisons."
    st.dataframe(
        shown,
        hide_index=True,
        column_config=numbers
        | {"b": "against", "verdict": st.column_config.TextColumn("yours is", help=told)},
        placeholder=DASH,
        key="comparisons",
        alt="Yours against the others",
    )


def draw_points(name: str, points: pd.DataFrame) -> None:
    """The reader's scores, of their first seed, against the accuracies."""
    first = points[points["seed"] == points["seed"].min()]
    of = (first, "params", scatters.wide(first), name, f"{len(first):,} architectures", 380)
    frame.chart(st, scatters.scatter, *of, own=True, key="own scatter")
