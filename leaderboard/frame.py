"""What every page has: a heading, charts, and a way to take its numbers away."""

import hashlib
import io
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard import reading
from leaderboard.words import STATISTICS

CHARTS = 100  # kept; the largest are some hundred kB
PLAIN = {pa.large_string(): pa.string()}
# Of the chart that is being drawn, by name. Of a context, since sessions draw at the same time.
TABLES: ContextVar[dict[str, pa.Table] | None] = ContextVar("tables", default=None)
CHECKED = False  # charts, against the schema of Vega-Lite: that takes as long as drawing them; tests do it


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


def chart(where: DeltaGenerator, draw: Callable[..., Any], *of: Any, own: bool = False, **how: Any) -> None:
    """Show what `draw(*of)` draws; what it draws for one reader is kept for the next, in the same theme.

    own: of a reader's own numbers, of which nothing is kept
    how: key, alt and on_select, as Streamlit has them
    """
    name = f"{draw.__module__}.{draw.__qualname__}"
    spec = _specified(draw, of) if own else _kept(name, st.context.theme.type, of, draw)
    where.vega_lite_chart(spec, width="stretch", **how)


@st.cache_data(show_spinner=False, max_entries=CHARTS)
def _kept(name: str, theme: str | None, of: tuple[Any, ...], _draw: Callable[..., Any]) -> dict[str, Any]:
    return _specified(_draw, of)


def _specified(draw: Callable[..., alt.TopLevelMixin], of: tuple[Any, ...]) -> dict[str, Any]:
    """The chart as Vega-Lite says it, its rows as Arrow tables."""
    token = TABLES.set({})
    try:
        spec = draw(*of).to_dict(validate=CHECKED)
        return spec | {"datasets": TABLES.get()}
    finally:
        TABLES.reset(token)


def rows_as_table(rows: pd.DataFrame) -> Any:
    """Keep a chart's rows as a table, and return the name that they have in its specification.

    Altair's own way makes a dict of every row and a text of all, once a layer, which takes longer than all
    else that is done for a chart. It is the way outside of `chart`, as in a notebook.
    """
    tables = TABLES.get()
    if tables is None:
        return alt.default_data_transformer(rows, max_rows=None)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    # The browser's reader knows no large strings, as pandas has them.
    plain = [field.with_type(PLAIN.get(field.type, field.type)) for field in table.schema]
    table = table.cast(pa.schema(plain))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    name = f"data-{hashlib.blake2b(sink.getvalue(), digest_size=8).hexdigest()}"
    tables[name] = table
    return {"name": name}


alt.data_transformers.register("table", rows_as_table)
alt.data_transformers.enable("table")


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


def offer(shown: pd.DataFrame, name: str, question: str, arguments: Mapping[str, Any]) -> None:
    """Let the reader take exactly these rows, as CSV or Parquet, and the query that gives them."""

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
        st.code(reading.asked(question, arguments), language="python")

    folded("Download these numbers, or ask for them yourself", ":material/download:", f"{name} box", fill)


def parquet(table: pd.DataFrame) -> bytes:
    """The table as a Parquet file."""
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()
