"""About: which data this is, what every number means, how to cite it and how to take it along."""

import streamlit as st

from leaderboard import frame, reading
from leaderboard.words import DASH, STATISTICS, plain

COUNTS = """
SELECT 'architectures' AS "table", count(*) AS rows FROM architectures
UNION ALL SELECT 'accuracies', count(*) FROM accuracies UNION ALL SELECT 'scores', count(*) FROM scores
UNION ALL SELECT 'layers', count(*) FROM layers UNION ALL SELECT 'searches', count(*) FROM searches
UNION ALL SELECT 'runs', count(*) FROM runs
"""
RUNS = """
SELECT job, status, left("commit", 12) AS "commit", device, count(*) AS runs,
       min(started) AS first, max(coalesce(ended, started)) AS last
FROM runs GROUP BY ALL ORDER BY job, first
"""
SOURCES = """
SELECT task, protocol, recipe, source, count(*) AS accuracies FROM accuracies GROUP BY ALL ORDER BY ALL
"""
CITE = """@software{vit_zero_bench,
  title = {ViT-Zero-Bench: zero-cost proxies for Vision Transformers},
  note = {data version %s},
  year = {2026}
}"""


def show() -> None:
    """Draw the page."""
    frame.heading(
        "About this page",
        "Zero-cost proxies guess how good a network will be from the untrained network. This page shows how "
        "well they guess for Vision Transformers, and how sure that is.",
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("What every number means", anchor=False)
        st.markdown("\n".join(f"- **{name}**: {sentence}" for name, sentence in STATISTICS.items()))
        st.caption(
            "A protocol is how accuracies were got: *supernet* (inherited), *scratch* (trained alone), "
            "*finetune* (tuned from inherited weights), *published* (of others). They are never mixed."
        )
    with right:
        st.subheader("The data", anchor=False)
        st.markdown(f"**{plain(reading.name())}**, data version **{plain(reading.version())}**")
        st.dataframe(reading.sql(COUNTS), hide_index=True, key="counts", alt="Rows of each table")
        frame.folded("How to cite", ":material/format_quote:", "cite", cite)
        st.subheader("Take it along", anchor=False)
        st.markdown(
            "Every page but this one has a download of the numbers in its main picture or table, as CSV and "
            "Parquet, and the query that gives them. The whole benchmark is Parquet files that DuckDB, "
            "pandas and polars read; every link to a page holds its filters and the data version."
        )
    st.subheader("Where the accuracies are from", anchor=False)
    st.dataframe(reading.sql(SOURCES), hide_index=True, placeholder=DASH, key="sources", alt="Sources")
    st.subheader("Runs that wrote the data", anchor=False)
    st.dataframe(reading.sql(RUNS), hide_index=True, placeholder=DASH, key="runs", alt="Runs")


def cite() -> None:
    """The entry for a bibliography."""
    st.code(CITE % reading.version(), language="bibtex", wrap_lines=True)
