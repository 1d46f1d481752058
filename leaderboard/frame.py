"""What every page has: a heading, and a way to take its numbers away."""

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard import reading
from leaderboard.words import STATISTICS


def heading(title: str, sentence: str) -> None:
    """The page's question, and in one sentence what it shows."""
    st.title(title, anchor=False)
    st.markdown(sentence)


def numbers() -> DeltaGenerator:
    """Where a row of numbers goes: side by side, and in as many lines as a narrow screen needs."""
    return st.container(horizontal=True, gap="large")


def number(
    where: DeltaGenerator, name: str, value: str, below: str | None = None, help: str | None = None
) -> None:
    """A number that matters; what stands below it is no change of it, so it has no arrow."""
    where.metric(name, value, below, delta_color="off", delta_arrow="off", help=help, width="content")


def explain(*statistics: str) -> None:
    """One sentence for each statistic on the page."""
    st.caption("  \n".join(f"**{name}**: {STATISTICS[name]}" for name in statistics))


def offer(shown: pd.DataFrame, name: str, question: str, arguments: Mapping[str, Any]) -> None:
    """Let the reader take exactly these rows, as CSV or Parquet, and the query that gives them."""
    with st.expander("Download these numbers, or ask for them yourself", icon=":material/download:"):
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
        st.code(reading.asked(question, arguments), language="python")


def parquet(table: pd.DataFrame) -> bytes:
    """The table as a Parquet file."""
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()
