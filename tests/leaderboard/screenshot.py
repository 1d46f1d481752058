"""The leaderboard in a browser: `python -m tests.leaderboard.screenshot <folder> [benchmark] [page ...]`.

Writes a picture of every page, light and dark, at the width of a desktop and of a phone.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

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
PAGES = (
    "ranking", "proxy", "tasks", "combine", "layers", "cost", "architectures", "search", "yours", "about",
)  # fmt: skip
# Streamlit scrolls inside the page, so a full-page picture stops at the window: the window must be tall.
WINDOWS = {"desktop": (1400, 2600), "phone": (390, 4200)}
THEMES = ("light", "dark")
PATIENCE = 30  # seconds
STARTED = "Uvicorn server started"  # all that a server says
STARTING = 180  # seconds until the server listens: it draws every page before


@contextmanager
def serving(benchmark: Path | None, home: Path | None = None) -> Iterator[str]:
    """The address of a leaderboard over a benchmark, or the built-in sample, started by its own command.

    home: the folder that the process takes for its user's
    """
    with served(benchmark, home) as (address, _):
        yield address


@contextmanager
def served(
    benchmark: Path | None, home: Path | None = None, under: Sequence[str] = ()
) -> Iterator[tuple[str, int]]:
    """The same, with the process's number; under: a command that becomes the server's, such as a tracer.

    Raises RuntimeError where the server complained of something, if only as it ended.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chosen = [] if benchmark is None else ["--release", str(benchmark)]
    command = [*under, sys.executable, "-m", "leaderboard", *chosen, "--port", str(port)]
    environment = os.environ | ({"HOME": str(home)} if home else {})
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    try:
        _wait(server, f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(PATIENCE)
        with server.stderr as stream:
            complaints = [line for line in stream.read().decode().splitlines() if STARTED not in line]
    if complaints:
        raise RuntimeError("\n".join(["The leaderboard complained:", *complaints[:20]]))


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing(window: str = "desktop", theme: str = "light") -> Iterator[Page]:
    """A blank page of a headless Chromium."""
    width, height = WINDOWS[window]
    with launched() as browser:
        yield browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)


def visit(page: Page, address: str) -> None:
    """Open an address and wait until the page is drawn."""
    page.goto(address)
    settle(page)


def settle(page: Page, patience: float = PATIENCE) -> None:
    """Wait until the page has run, and every chart in it is drawn; patience: seconds for each."""
    page.get_by_test_id("stMainBlockContainer").locator("h1, [data-testid=stAlert]").first.wait_for(
        timeout=patience * 1000
    )
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=patience * 1000)
    for chart in page.get_by_test_id("stVegaLiteChart").all():
        chart.locator("svg, canvas").first.wait_for(timeout=patience * 1000)


def take(page: Page, picture: Path) -> None:
    """Save a picture of all that the page shows."""
    page.wait_for_timeout(600)  # the fonts and the canvas of a table
    used = page.get_by_test_id("stMainBlockContainer").bounding_box()["height"]
    width, tall = page.viewport_size["width"], page.viewport_size["height"]
    page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": width, "height": min(used + 40, tall)})


def album(folder: Path, benchmark: Path | None, pages: list[str]) -> None:
    """Every page, light and dark, wide and narrow."""
    folder.mkdir(parents=True, exist_ok=True)
    with serving(benchmark) as address:
        for window in WINDOWS:
            for theme in THEMES:
                with browsing(window, theme) as page:
                    for name in pages or PAGES:
                        visit(page, f"{address}/{'' if name == 'ranking' else name}")
                        take(page, folder / f"{name}-{window}-{theme}.png")


def _wait(server: subprocess.Popen, health: str) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    server.terminate()
    raise RuntimeError(f"The leaderboard did not start: {server.stderr.read().decode().strip()}")


if __name__ == "__main__":
    _, to, *rest = sys.argv
    album(Path(to), Path(rest[0]) if rest else None, rest[1:])
