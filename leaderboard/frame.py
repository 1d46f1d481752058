"""What every page has: a heading, charts, and a way to take its numbers away."""

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard.charts.specification import specified
from leaderboard.words import STATISTICS

CHARTS = 100  # kept; the largest are some hundred kB


def heading(title: str, sentence: str) -> None:
    """The page's question, and in one sentence what it shows."""
    st.title(title, anchor=False)
    st.markdown(sentence)


def numbers(where: DeltaGenerator = st) -> DeltaGenerator:
    """Where a row of numbers goes: side by side, and in as many lines as a narrow screen needs."""
    return where.container(horizontal=True, gap="medium")


def number(
    where: DeltaGenerator, name: str, value: str, below: str | None = None, help: str | None = None
) -> None:
    """A number that matters; what stands below it is no change of it, so it has no arrow."""
    where.metric(name, value, below, delta_color="off", delta_arrow="off", help=help, width="content")


def chart(where: DeltaGenerator, draw: Callable[..., Any], *of: Any, own: bool = False, **how: Any) -> None:
    """Show what `draw(*of)` draws; what it draws for one reader is kept for the next, in the same theme.

    own: of a reader's own numbers, of which nothing is kept
    how: key, alt and on_select, as Streamlit has them
    """
    name = f"{draw.__module__}.{draw.__qualname__}"
    spec = specified(draw, of) if own else _kept(name, st.context.theme.type, of, draw)
    where.vega_lite_chart(spec, width="stretch", **how)


@st.cache_data(show_spinner=False, max_entries=CHARTS)
def _kept(name: str, theme: str | None, of: tuple[Any, ...], _draw: Callable[..., Any]) -> dict[str, Any]:
    return specified(_draw, of)


def explain(*statistics: str) -> None:
    """One sentence for each statistic on the page."""
    st.caption("  \n".join(f"**{name}**: {STATISTICS[name]}" for name in statistics))


@st.fragment
def folded(title: str, icon: str, key: str, fill: Callable[[], None]) -> None:
    """A box that is filled when it is opened: what highlights code weighs as much as the rest of a page."""
    box = st.expander(title, icon=icon, key=key, on_change="rerun")
    if box.open:
        with box:
            fill()


def offer(shown: pd.DataFrame, name: str, asked: str, apart: str = "") -> None:
    """Let the reader take exactly these rows, as CSV or Parquet, and the query that gives them.

    asked: the query, as `reading.asked` writes it
    apart: in a sentence, what the rows have beside its answer, and what they have not
    """

    def fill() -> None:
        left, right, _ = st.columns([1, 1, 3])
        # Made when the button is pressed: a page that is only read makes no file.
        left.download_button(
            "CSV", lambda: shown.to_csv(index=False), f"{name}.csv", "text/csv", key=f"{name} csv"
        )
        right.download_button(
            "Parquet",
            lambda: parquet(shown),
            f"{name}.parquet",
            "application/vnd.apache.parquet",
            key=f"{name} parquet",
        )
        st.code(asked, language="python")
        if apart:
            st.caption(apart)

    folded("Download these numbers, or ask for them yourself", ":material/download:", f"{name} box", fill)


def parquet(table: pd.DataFrame) -> bytes:
    """The table as a Parquet file."""
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()
