"""The page in a real browser, served by its own command."""

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")
from tests.leaderboard.screenshot import CHROMIUM, browsing, serving, visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium"),
]


def test_the_page_is_drawn_and_a_shared_address_is_followed(benchmark: Path, tmp_path: Path) -> None:
    with serving(benchmark) as address, browsing() as page:
        visit(page, f"{address}/?accuracy=scratch/micro&task=digits")
        assert page.get_by_test_id("stException").count() == 0
        assert "proxy=zico" in page.url
        intervals, scatter = (page.get_by_test_id("stVegaLiteChart").nth(place) for place in (0, 1))
        told = intervals.inner_html() + scatter.inner_html()
        assert page.get_by_text("Not ranked").is_visible()
        # A click on a row of the chart shows that proxy, and the address follows.
        box = intervals.bounding_box()
        intervals.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
        page.wait_for_url(lambda url: "proxy=zico" not in url)
        shared, picture = page.url, tmp_path / "page.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 50_000, told
        with browsing() as other:
            visit(other, shared)
            assert other.get_by_test_id("stAlert").count() == 0
            assert other.url == shared
