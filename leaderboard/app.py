"""The leaderboard: its frame and its pages. Run it with `vitzero-leaderboard`."""

import streamlit as st

from leaderboard import reading, state
from leaderboard.page import (
    about,
    architectures,
    combine,
    cost,
    layers,
    proxy,
    ranking,
    search,
    tasks,
    yours,
)
from leaderboard.words import plain
from store import StoreError

PAGES = [
    st.Page(ranking.show, title="Ranking", url_path="ranking", default=True),
    st.Page(proxy.show, title="Proxy", url_path="proxy"),
    st.Page(tasks.show, title="Tasks", url_path="tasks"),
    st.Page(combine.show, title="Combine", url_path="combine"),
    st.Page(layers.show, title="Layers", url_path="layers"),
    st.Page(cost.show, title="Cost", url_path="cost"),
    st.Page(architectures.show, title="Architectures", url_path="architectures"),
    st.Page(search.show, title="Search", url_path="search"),
    st.Page(yours.show, title="Your proxy", url_path="yours"),
    st.Page(about.show, title="About", url_path="about"),
]

# Streamlit leaves a hand's breadth empty around the page: the first screen is worth more than that, and a
# phone's is narrow.
TIGHT = """<style>
.stMainBlockContainer {padding: 4rem 3.5rem 2rem}
@media (max-width: 640px) {.stMainBlockContainer {padding: 4rem 1rem 2rem} h1 {font-size: 1.5rem !important}}
</style>"""


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="ViT-Zero-Bench", page_icon=":material/leaderboard:", layout="wide")
    st.html(TIGHT)
    page = st.navigation(PAGES, position="top")
    try:
        state.check_address(reading.version())
        st.caption(about_data())
        page.run()
    except StoreError as error:
        st.error(plain(error, most=500))


def about_data() -> str:
    """What this is, and which data it shows, in one line."""
    count = reading.sql("SELECT count(*) AS n FROM architectures")["n"][0]
    return (
        f"**ViT-Zero-Bench** · {plain(reading.name())} · {count:,} architectures · "
        f"data version {plain(reading.version())}"
    )


if __name__ == "__main__":
    main()
