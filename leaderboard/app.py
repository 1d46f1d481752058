"""The leaderboard: its frame and its pages. Run it with `vitzero-leaderboard`."""

from collections.abc import Callable

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

# What draws a page, its name in the menu, its name in the address; one lands on the first.
PAGES = [
    (ranking.show, "Ranking", "ranking"),
    (proxy.show, "Proxy", "proxy"),
    (tasks.show, "Tasks", "tasks"),
    (combine.show, "Combine", "combine"),
    (layers.show, "Layers", "layers"),
    (cost.show, "Cost", "cost"),
    (architectures.show, "Architectures", "architectures"),
    (search.show, "Search", "search"),
    (yours.show, "Your proxy", "yours"),
    (about.show, "About", "about"),
]

# Streamlit leaves a hand's breadth empty around the page: the first screen is worth more than that, and a
# phone's is narrow.
TIGHT = """<style>
.stMainBlockContainer {padding: 4rem 3.5rem 2rem}
@media (max-width: 640px) {.stMainBlockContainer {padding: 4rem 1rem 2rem} h1 {font-size: 1.5rem !important}}
</style>"""


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="ViT-Zero-Bench", layout="wide")
    st.html(TIGHT)
    pages = [
        st.Page(show, title=title, url_path=name, default=place == 0)
        for place, (show, title, name) in enumerate(PAGES)
    ]
    page = st.navigation(pages, position="top")
    draw(page.url_path, page.run)


def draw(name: str, show: Callable[[], None]) -> None:
    """What every page begins with, and this one; or the reason why it cannot be shown."""
    try:
        state.turn_to(name)
        state.check_address(reading.version())
        st.caption(about_data())
        show()
    except StoreError as error:
        st.error(plain(error, most=500))
    state.write_address()


def about_data() -> str:
    """What this is, and which data it shows, in one line."""
    count = reading.sql("SELECT count(*) AS n FROM architectures")["n"][0]
    return (
        f"**ViT-Zero-Bench** · {plain(reading.name())} · {count:,} architectures · "
        f"data version {plain(reading.version())}"
    )


if __name__ == "__main__":
    main()
