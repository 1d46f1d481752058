"""Every page in a real browser, served by the leaderboard's own command."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import ConsoleMessage, Page, expect

from store import Benchmark
from tests.leaderboard.conftest import PLANTED
from tests.leaderboard.screenshot import CHROMIUM, PAGES, browsing, serving, settle, visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium"),
]
QUERY = "space=autoformer-micro&task=digits&accuracy=scratch/micro&combiners=no"
WHERE = {"task": "digits", "protocol": "scratch", "recipe": "micro", "space": "autoformer-micro"}
PATIENCE = 20_000  # milliseconds


@pytest.fixture(scope="module")
def address(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server, which must leave nothing behind: neither beside its data nor in its user's folder."""
    home = tmp_path_factory.mktemp("home")
    before = {path: path.stat().st_mtime_ns for path in benchmark.rglob("*")}
    with serving(benchmark, home) as found:
        yield found
    assert list(home.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in benchmark.rglob("*")} == before


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    with harmless(address) as found:
        yield found


@contextmanager
def harmless(address: str) -> Iterator[Page]:
    """A page that must not complain, nor ask anything of another machine."""
    complaints: list[str] = []
    with browsing() as found:
        found.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        found.on("pageerror", lambda error: complaints.append(str(error)))
        found.on("request", lambda asked: at_home(asked.url, address) or complaints.append(asked.url))
        yield found
    assert complaints == []


def is_complaint(said: ConsoleMessage) -> bool:
    """Streamlit asks below the page's own address first where it is served: what is not there is fine."""
    return said.type == "error" and "/_stcore/" not in said.location["url"]


def at_home(url: str, address: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.netloc == urlsplit(address).netloc


def test_every_page_of_the_sample_is_drawn_without_a_complaint() -> None:
    with Benchmark.open() as sample:
        best = sample.rank(task="digits", protocol="supernet", draws=0).to_pylist()[0]
    with serving(None) as address, harmless(address) as page:
        visit(page, f"{address}/?task=digits&combiners=no")
        assert "proxy=" in page.url and page.get_by_text("built-in sample").is_visible()
        chart = page.get_by_test_id("stVegaLiteChart").first
        expect(chart.get_by_text(best["proxy"], exact=True).first).to_be_visible(timeout=PATIENCE)
        expect(chart.get_by_text(f"{best['rho']:.2f}", exact=True).first).to_be_visible(timeout=PATIENCE)
        for name in PAGES[1:]:
            title = "Your proxy" if name == "yours" else name.capitalize()
            page.get_by_test_id("stTopNavLinkContainer").filter(has_text=title).first.click()
            page.wait_for_url(f"**/{name}?*", timeout=PATIENCE)
            settle(page)
            assert page.get_by_test_id("stException").count() == 0
            assert page.get_by_test_id("stAlertContentError").count() == 0
            if name != "about":
                assert "task=digits" in page.url


def test_the_known_rank_is_there_and_a_click_and_a_filter_change_the_address(
    page: Page, address: str, benchmark: Path
) -> None:
    visit(page, f"{address}/?{QUERY}")
    assert "proxy=zico" in page.url
    assert page.get_by_text("Not ranked").is_visible()
    intervals = page.get_by_test_id("stVegaLiteChart").first
    for proxy in PLANTED:
        expect(intervals.get_by_text(proxy, exact=True).first).to_be_visible(timeout=PATIENCE)
    with Benchmark.open(benchmark) as planted:
        best = planted.rank(**WHERE, draws=0).to_pylist()[0]
    assert best["proxy"] == "zico"
    expect(intervals.get_by_text(f"{best['rho']:.2f}", exact=True).first).to_be_visible(timeout=PATIENCE)
    box = intervals.bounding_box()
    intervals.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    # The chart answers to a click on a row, and the address follows.
    page.wait_for_function("!location.search.includes('proxy=zico')", timeout=PATIENCE)
    page.get_by_text("Show controls").click()
    page.wait_for_function("location.search.includes('controls=no')", timeout=PATIENCE)
    settle(page)
    assert intervals.get_by_text("random", exact=True).count() == 0
    shared = page.url
    page.goto("about:blank")
    visit(page, shared)
    assert page.get_by_test_id("stAlert").count() == 0
    assert page.url == shared


def test_a_download_is_what_the_query_gives(page: Page, address: str, benchmark: Path) -> None:
    visit(page, f"{address}/?{QUERY}")
    page.get_by_text("Download these numbers").click()
    with page.expect_download() as told:
        page.get_by_role("button", name="CSV", exact=True).click()
    found = pd.read_csv(told.value.path())
    with page.expect_download() as told:
        page.get_by_role("button", name="Parquet", exact=True).click()
    again = pd.read_parquet(io.BytesIO(Path(told.value.path()).read_bytes()))
    with Benchmark.open(benchmark) as planted:
        expected = planted.overall(**WHERE, proxies=planted.proxies()).to_pandas()
    for rows in (found, again):
        assert rows["proxy"].tolist() == expected["proxy"].tolist()
        for name in ("rho", "low", "high", "n", "first_place"):
            assert rows[name].tolist() == pytest.approx(expected[name].tolist(), nan_ok=True)


def test_an_upload_is_ranked_and_a_hostile_one_refused(page: Page, address: str, benchmark: Path) -> None:
    with Benchmark.open(benchmark) as planted:
        rows = planted.accuracy(**WHERE).to_pandas()[["arch_id", "accuracy"]]
    visit(page, f"{address}/yours?{QUERY}".replace("&combiners=no", ""))
    box = page.get_by_test_id("stFileUploaderDropzoneInput")
    content = rows.rename(columns={"accuracy": "value"}).to_csv(index=False).encode()
    box.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("heading", name="mine: place 1").wait_for(timeout=PATIENCE)
    settle(page)
    box.set_input_files({"name": "evil.csv", "mimeType": "text/csv", "buffer": b"<img src=x>,b\n1,2\n"})
    page.get_by_text("needs a column").wait_for(timeout=PATIENCE)


def test_a_hostile_address_runs_nothing(page: Page, address: str) -> None:
    evil = "![x](http://127.0.0.1:9/x.png)<img src=http://127.0.0.1:9/y.png onerror=alert(1)>$x$"
    visit(page, f"{address}/?task={evil}&{evil}=1&proxy={evil}".replace(" ", "%20").replace("$", "%24"))
    assert page.get_by_text("![x](http://127.0.0.1:9/x.png)").count() >= 1
    assert page.locator("img[src*='127.0.0.1:9']").count() == 0
