"""The leaderboard in a real browser on a release's full size: `python -m bench.leaderboard [folder]`.

First paint, every filter, memory over many interactions, many sessions at once. A synthetic benchmark of
bench/full_size.py is written where no folder is given. Times are the browser's own: from the click to the
first change inside a chart, and to the end of the run that it caused.
"""

import argparse
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench.full_size import write_full_size
from tests.leaderboard.screenshot import launched, served, settle

WINDOW = {"width": 1400, "height": 1600}
PATIENCE = 300  # seconds
FIRST_PAINT, FILTER = 3.0, 0.5  # seconds, to reach
PAGES = ("ranking", "proxy", "tasks", "combine", "layers", "cost", "architectures", "search", "about")
Act = Callable[[Page], None]

WATCH = """
window.clicked = performance.now(); window.changed = null;
if (window.watcher) window.watcher.disconnect();
window.watcher = new MutationObserver(found => {
    if (window.changed === null && found.some(one => {
        const at = one.target.nodeType === 1 ? one.target : one.target.parentElement;
        return at && at.closest('[data-testid=stVegaLiteChart] svg');
    })) window.changed = performance.now();
});
window.watcher.observe(document.querySelector('[data-testid=stMain]'),
    {subtree: true, childList: true, characterData: true, attributes: true});
"""


def main() -> None:
    """Print the four tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="a benchmark; without it a synthetic one")
    parser.add_argument("--interactions", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument(
        "--only", choices=("paint", "filters", "memory", "sessions"), help="one of the tables"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = asked.folder or write_full_size(Path(temporary) / "full")
        tables = {
            "paint": lambda: first_paint(root),
            "filters": lambda: filters(root),
            "memory": lambda: memory(root, asked.interactions),
            "sessions": lambda: sessions(root, asked.sessions),
        }
        for name, table in tables.items():
            if asked.only in (None, name):
                table()


def first_paint(root: Path) -> None:
    """Seconds until the first chart or table of each page, for its first reader and the next."""
    began = time.perf_counter()
    with served(root) as (address, _), launched() as browser:
        print(f"the server listens after {time.perf_counter() - began:.1f} s")
        print(f"{'page':16}{'first reader s':>16}{'next reader s':>16}   to reach: {FIRST_PAINT} s")
        for name in PAGES:
            took = [painted(browser, f"{address}/{'' if name == 'ranking' else name}") for _ in range(2)]
            print(f"{name:16}{took[0]:16.2f}{took[1]:16.2f}", flush=True)


def painted(browser: Browser, address: str) -> float:
    """Seconds from asking for an address to the first chart or table, in a browser that kept nothing."""
    with tab(browser) as page:
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator(
            "[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas, "
            "[data-testid=stDataFrame] canvas"
        ).first.wait_for(timeout=PATIENCE * 1000)
        took = time.perf_counter() - began
        settle(page, PATIENCE)
        return took


def filters(root: Path) -> None:
    """Seconds from a click to the first change of a chart, and until all of the page is there."""
    titles = f"{'first change s':>16}{'all there s':>14}{'asked again s':>16}"
    print(f"\n{'filter':34}{titles}   to reach: {FILTER} s")
    with served(root) as (address, _), launched() as browser, tab(browser) as page:
        page.goto(f"{address}/?task=cifar10&combiners=no")
        settle(page, PATIENCE)
        for name, act, undo in actions():
            first = timed(page, act)
            timed(page, undo)
            again = timed(page, act)
            timed(page, undo)
            print(f"{name:34}{first[0]:16.2f}{first[1]:14.2f}{again[0]:16.2f}", flush=True)


def actions() -> Iterator[tuple[str, Act, Act]]:
    """Every filter of the ranking: its name, how it is set, and how it is set back."""
    for label, other, usual in (
        ("Principle", "saliency", "any"),
        ("Needs", "no labels", "any"),
        ("Task", "svhn", "cifar10"),
        ("Accuracy", "scratch · scratch-cifar10", "supernet · supernet-cifar10"),
        ("Proxy seeds", "seed 1 alone", "all 5, mean"),
        ("Scores from", "pets", "cifar10 itself"),
        ("Proxy", "snip", "zico"),
        ("Colour", "params", "width"),
    ):
        yield f"{label}: {other}", choose(label, other), choose(label, usual)
    for label in ("Show controls", "Given params", "Same architectures", "Show combiners"):
        yield label, toggle(label), toggle(label)
    yield "Params: one step", slide("ArrowRight"), slide("ArrowLeft")


def choose(label: str, option: str) -> Callable[[Page], None]:
    """Choose an option of a box."""

    def act(page: Page) -> None:
        boxes = page.get_by_test_id("stSelectbox").filter(has=page.get_by_text(label, exact=True))
        boxes.first.get_by_role("combobox").click()
        page.keyboard.type(option)  # a long list draws only the options in view
        found = page.get_by_role("option", name=option, exact=True)
        found.wait_for(timeout=10_000)
        page.evaluate(WATCH)
        found.click()

    return act


def toggle(label: str) -> Callable[[Page], None]:
    """Press a switch."""

    def act(page: Page) -> None:
        page.evaluate(WATCH)
        page.get_by_test_id("stCheckbox").filter(has_text=label).locator("label").first.click()

    return act


def slide(key: str) -> Callable[[Page], None]:
    """Move the lower end of the window of params by a step."""

    def act(page: Page) -> None:
        handle = page.get_by_role("slider").first
        handle.focus()
        page.evaluate(WATCH)
        handle.press(key)

    return act


def timed(page: Page, act: Callable[[Page], None]) -> tuple[float, float]:
    """Seconds from what was done to the first change, and until nothing runs any more."""
    act(page)
    page.wait_for_function("window.changed !== null", timeout=PATIENCE * 1000)
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=PATIENCE * 1000)
    times = page.evaluate("[window.clicked, window.changed, performance.now()]")
    settle(page, PATIENCE)
    return (times[1] - times[0]) / 1000, (times[2] - times[0]) / 1000


def memory(root: Path, interactions: int) -> None:
    """Memory of the server while one reader changes filters, over and over."""
    print(f"\n{'interactions':>14}{'server MiB':>14}")
    with served(root) as (address, process), launched() as browser, tab(browser) as page:
        page.goto(f"{address}/?task=cifar10&combiners=no")
        settle(page, PATIENCE)
        proxies = ("snip", "synflow", "nwot", "zico", "meco")
        for count in range(interactions + 1):
            if count % max(1, interactions // 10) == 0:
                print(f"{count:14}{resident(process):14.0f}", flush=True)
            timed(page, choose("Proxy", proxies[count % len(proxies)]))


def sessions(root: Path, count: int) -> None:
    """How long readers wait when many come at once, and the server's answer meanwhile."""
    with served(root) as (address, process), launched() as browser:
        painted(browser, f"{address}/?task=cifar10")
        began = time.perf_counter()
        tabs = [browser.new_context(viewport=WINDOW).new_page() for _ in range(count)]
        for page in tabs:
            page.goto(f"{address}/?task=cifar10", wait_until="commit")
        answers = []
        waiting = list(tabs)
        while waiting and time.perf_counter() - began < 300:
            answers.append(health(address))
            waiting = [page for page in waiting if not page.get_by_test_id("stVegaLiteChart").count()]
        took = time.perf_counter() - began
        drawn = count - len(waiting)
        print(
            f"\n{drawn} of {count} sessions drawn after {took:.1f} s, all in one browser on this machine; "
            f"meanwhile the server answered in {statistics.median(answers):.3f} s (median), "
            f"{max(answers):.3f} s (longest); {resident(process):.0f} MiB"
        )


def health(address: str) -> float:
    """Seconds until the server says that it is well."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{address}/_stcore/health", timeout=60) as answer:
        answer.read()
    return time.perf_counter() - began


def resident(process: int) -> float:
    """Memory of a process in MiB: its own, shared pages not counted twice."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"Process {process} has no Pss.")


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own: no cache, no cookie."""
    context = browser.new_context(viewport=WINDOW)
    try:
        yield context.new_page()
    finally:
        context.close()


if __name__ == "__main__":
    sys.exit(main())
