"""Every page drawn once before the server listens, so that the first reader waits no longer than the next.

The libraries are loaded, and the answers that pages open with are kept. Streamlit's own harness draws the
pages, for a session that nobody sees: each is a page as any reader has it, defaults and all. Run as a script,
this file is the page that its session names.
"""

import atexit
import contextlib
import gc
import logging
from pathlib import Path
from unittest.mock import patch

import streamlit as st

PATIENCE = 600  # seconds for one page


def warm() -> None:
    """Draw every page. What cannot be drawn is left to the reader's visit, which says why."""
    logging.disable(logging.WARNING)  # Streamlit tells at length that there is no server yet
    from leaderboard.app import PAGES

    # As it is imported the harness makes a folder, for scripts that it is given as text: none here.
    with patch("tempfile.TemporaryDirectory"):
        from streamlit.testing.v1 import AppTest
    for place in range(len(PAGES)):
        page = AppTest.from_file(Path(__file__), default_timeout=PATIENCE)
        page.session_state["place"] = place
        with contextlib.suppress(RuntimeError):  # it took longer
            page.run()
    # Libraries and nearly all of the answers stay: to look through them takes a tenth of a second each time.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # DuckDB complains at length of what is there when the interpreter ends
    logging.disable(logging.NOTSET)
    # Settings are read again as the server starts; that they are others than here is no news.
    logging.getLogger("streamlit.config").addFilter(lambda told: told.levelno >= logging.ERROR)


def main() -> None:
    """The page of this session."""
    from leaderboard.app import PAGES, draw

    show, _, name = PAGES[st.session_state["place"]]
    draw(name, show)


if __name__ == "__main__":
    main()
