"""The page in a real browser, served by its own command."""

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")
from tests.leaderboard.screenshot import CHROMIUM, browsing, serving, visit
from tests.store.planted import CORRELATIONS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium"),
]


def test_the_page_is_drawn_and_a_shared_address_is_followed(benchmark: Path, tmp_path: Path) -> None:
    with serving(benchmark) as address, browsing() as page:
        visit(page, f"{address}/?accuracy=scratch/micro&task=digits")
        assert page.get_by_test_id("stException").count() == 0
        assert "proxy=zico" in page.url
        assert page.get_by_text("Not ranked").is_visible()
        intervals = page.get_by_test_id("stVegaLiteChart").first
        for proxy in CORRELATIONS:
            assert intervals.get_by_text(proxy, exact=True).first.is_visible()
        box = intervals.bounding_box()
        intervals.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
        # The chart answers to a click on a row, and the address follows.
        page.wait_for_function("!location.search.includes('proxy=zico')", timeout=10_000)
        shared = page.url
        page.goto("about:blank")
        visit(page, shared)
        assert page.get_by_test_id("stAlert").count() == 0
        assert page.url == shared
