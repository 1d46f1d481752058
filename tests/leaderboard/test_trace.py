"""What the server does to its machine, by its system calls: it reads what is its own, and only reads."""

import io
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import Page

from store import Benchmark
from tests.leaderboard.screenshot import CHROMIUM, PAGES, PATIENCE, browsing, served, settle, visit

CALLS = (
    "open", "openat", "openat2", "creat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename",
    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "chmod",
    "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "mknod", "mknodat", "bind", "connect",
    "sendto", "sendmsg", "sendmmsg",
)  # fmt: skip
# The tracer stands aside, so that the process which is started is the server.
STRACE = ["strace", "-D", "-f", "-y", "-q", "--seccomp-bpf", "-e", f"trace={','.join(CALLS)}", "-o"]
OPENS = ("open", "openat", "openat2")
CHANGES = CALLS[CALLS.index("creat") : CALLS.index("bind")]
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
INTERNET = re.compile(r"sa_family=AF_INET6?, \w+=htons\((\d+)\)")
# Of the machine: its libraries, what it tells of itself, and the interpreter with its packages.
MACHINE = ("/etc", "/proc", "/sys", "/dev", "/usr", "/lib", "/lib64")
ROOT = Path(__file__).parents[2]
PYTHON = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix, *sys.path)} - {ROOT, Path.cwd()}
# Of the checkout: the rooms that a page needs, and what says that they are installed.
ROOMS = ("leaderboard", "store", "proxies", "vit_zero_bench.egg-info", "pyproject.toml")
OWN = (*map(Path, MACHINE), *PYTHON, *(ROOT / room for room in ROOMS))


def can_trace() -> bool:
    """Whether strace is here and may do its work: some containers forbid it."""
    tried = ["strace", "-f", "-o", "/dev/null", "true"]
    return shutil.which("strace") is not None and subprocess.run(tried, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium"),
    pytest.mark.skipif(not can_trace(), reason="strace is not here, or not allowed: apt-get install strace"),
]


def test_the_process_reads_what_is_its_own_writes_nothing_and_connects_to_nothing(
    benchmark: Path, tmp_path: Path
) -> None:
    log, home = tmp_path / "calls", tmp_path / "home"
    home.mkdir()
    # Python would keep its bytecode beside the sources, where it may; a container's is made with it.
    under = ["env", "PYTHONDONTWRITEBYTECODE=1", *STRACE, str(log)]
    with served(benchmark, home, under) as (address, process), browsing() as page:
        use(page, address, benchmark)
    calls = list(finished(log, process))
    opened = [(Path(path), text) for name, text, path in calls if name in OPENS and path]
    # All that happened is there: the data, the pages, and the process that unpacks an upload.
    app, unpack = ROOT / "leaderboard" / "app.py", ROOT / "leaderboard" / "unpack.py"
    assert {app, unpack, *benchmark.glob("*/*.parquet")} <= {path for path, _ in opened}
    own = (benchmark, *OWN)
    assert [path for path, _ in opened if path != ROOT and not within(path, own)] == []
    assert [text for path, text in opened if WRITING.search(text) and path != Path("/dev/null")] == []
    assert [text for name, text, _ in calls if name in CHANGES and " = -1 " not in text] == []
    reached = [(name, found[1]) for name, text, _ in calls if (found := INTERNET.search(text))]
    assert reached == [("bind", address.rpartition(":")[2])]


def within(path: Path, places: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def use(page: Page, address: str, benchmark: Path) -> None:
    """Open every page, take a table away, and give one."""
    for name in PAGES:
        visit(page, f"{address}/{'' if name == 'ranking' else name}")
        assert page.get_by_test_id("stException").count() == 0
    visit(page, f"{address}/cost")
    page.get_by_text("Download these numbers").click()
    with page.expect_download() as told:
        page.get_by_role("button", name="Parquet", exact=True).click()
    assert Path(told.value.path()).stat().st_size > 0
    with Benchmark.open(benchmark) as planted:
        task, recipe = "digits", "micro"
        rows = planted.accuracy(task=task, protocol="scratch", recipe=recipe, space="autoformer-micro")
    visit(page, f"{address}/yours?space=autoformer-micro&task={task}&accuracy=scratch/{recipe}")
    content = io.BytesIO()
    pq.write_table(pa.table({"arch_id": rows["arch_id"], "value": rows["accuracy"]}), content)
    box = page.get_by_test_id("stFileUploaderDropzoneInput")
    file = {"name": "mine.parquet", "mimeType": "application/octet-stream", "buffer": content.getvalue()}
    box.set_input_files(file)
    page.get_by_role("heading", name="mine: place 1").wait_for(timeout=PATIENCE * 1000)
    settle(page)


def finished(log: Path, process: int) -> Iterator[tuple[str, str, str | None]]:
    """Every call: its name, its text, and the path of a file that it opened; once the tracer is done."""
    end = time.monotonic() + PATIENCE
    while not re.search(rf"^{process} +\+\+\+ ", log.read_text(errors="replace"), re.MULTILINE):
        assert time.monotonic() < end, "the trace does not end"
        time.sleep(0.1)
    begun: dict[str, str] = {}  # by thread: a call during which another was seen
    for line in log.read_text(errors="replace").splitlines():
        thread, text = line.split(maxsplit=1)
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>", text):
            text = begun.pop(thread) + text[resumed.end() :]
        path = re.search(r" = \d+<(.*)>$", text)
        yield text.partition("(")[0], text, path[1] if path else None
