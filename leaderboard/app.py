"""The leaderboard: its header and its pages. Run it with `vitzero-leaderboard [path]`."""

import streamlit as st

from leaderboard import reading
from leaderboard.page import ranking
from store import SCHEMA_VERSION, StoreError

PAGES = [st.Page(ranking.show, title="Ranking", url_path="ranking", default=True)]

# Streamlit leaves a hand's breadth empty above and beside the page; the first screen is worth more than that.
TIGHT = "<style>.stMainBlockContainer {padding: 2.2rem 3.5rem 2rem}</style>"


def main() -> None:
    """Draw the header and the page that the address names."""
    st.set_page_config(page_title="ViT-Zero-Bench", layout="wide")
    st.html(TIGHT)
    page = st.navigation(PAGES)
    try:
        header()
        page.run()
    except StoreError as error:
        st.error(str(error))


def header() -> None:
    """What this is, and which data it shows."""
    st.title("ViT-Zero-Bench", anchor=False)
    st.markdown(
        "How well do zero-cost proxies, computed on **untrained** Vision Transformers, "
        "order them by the accuracy they reach?"
    )
    architectures = reading.sql("SELECT count(*) AS n FROM architectures")["n"][0]
    st.caption(
        f"Benchmark `{reading.path()}` · {architectures:,} architectures · data version {SCHEMA_VERSION} · "
        + written_by()
    )


def written_by() -> str:
    """The commits that wrote the data, and when the last run ended."""
    runs = reading.sql(
        """SELECT list(DISTINCT left("commit", 8)) AS commits, count(*) AS runs,
        strftime(max(coalesce(ended, started)), '%Y-%m-%d') AS day FROM runs"""
    ).iloc[0]
    if not runs["runs"]:
        return "no run recorded"
    commits = ", ".join(sorted(commit for commit in runs["commits"] if commit)) or "unknown"
    return f"commit {commits} · last run {runs['day']}"


if __name__ == "__main__":
    main()
