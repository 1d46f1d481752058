"""The leaderboard in a browser: `python -m tests.leaderboard.screenshot <benchmark> <out.png> [query]`."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Streamlit scrolls inside the page, so a full-page picture stops at the window: the window must be tall.
WINDOW = {"width": 1400, "height": 2000}
PATIENCE = 30  # seconds


@contextmanager
def serving(benchmark: Path) -> Iterator[str]:
    """The address of a leaderboard over the benchmark, started by its own command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "leaderboard", str(benchmark), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ)
    try:
        _wait(server, f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE)
        server.stderr.close()


@contextmanager
def browsing() -> Iterator[Page]:
    """A blank page of a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser.new_page(viewport=WINDOW)
        finally:
            browser.close()


def visit(page: Page, address: str) -> None:
    """Open an address and wait until the table and both charts are drawn."""
    page.goto(address)
    page.get_by_test_id("stDataFrame").first.wait_for(timeout=PATIENCE * 1000)
    for chart in (0, 1):
        page.get_by_test_id("stVegaLiteChart").nth(chart).locator("svg, canvas").first.wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=PATIENCE * 1000)


def take(benchmark: Path, picture: Path, query: str = "") -> None:
    """Save a picture of the page."""
    with serving(benchmark) as address, browsing() as page:
        visit(page, f"{address}/{query}")
        page.wait_for_timeout(500)  # the fonts and the canvas of the table
        used = page.get_by_test_id("stMainBlockContainer").bounding_box()["height"]
        page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": WINDOW["width"], "height": used})


def _wait(server: subprocess.Popen, health: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    server.terminate()
    raise RuntimeError(f"The leaderboard did not start: {server.stderr.read().decode().strip()}")


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
