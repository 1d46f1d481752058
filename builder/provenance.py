"""Who wrote a row: every job is a run, recorded with its configuration, code, packages and machine."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from builder.plan import Block
from builder.settings import Settings
from builder.settings.task import TaskSettings
from store import TABLES, Benchmark, StoreError, write_part
from store.location import is_remote, is_there, location
from store.parts import compacted
from store.write import clean_temporary

_PACKAGES = ("vit-zero-bench", "torch", "numpy", "scipy", "pyarrow", "duckdb", "datasets", "pillow")


@dataclass
class Cost:
    """What trainings and evaluations took: images shown, seconds, and the most memory on the device."""

    images: int = 0
    seconds: float = 0.0
    peak_bytes: int | None = None

    def add(self, other: Cost) -> None:
        """Add what more work took."""
        self.images += other.images
        self.seconds += other.seconds
        peaks = [cost.peak_bytes for cost in (self, other) if cost.peak_bytes is not None]
        self.peak_bytes = max(peaks, default=None)

    @staticmethod
    def of(images: int, seconds: float, device: torch.device) -> Cost:
        """Return what work of this process took."""
        peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        return Cost(images, seconds, peak)


class Run:
    """A job at work: its row in `runs` is written when it begins, as it spends, and when it ends.

    job:      the job's name.
    settings: all it is told.
    device:   where its networks run.
    block:    all of the job that it does; None: the job whole.

    The id is made of what decides the rows (job, block, settings, code, packages, machine), so that a run
    that was killed goes on under its own id.
    """

    def __init__(
        self, job: str, settings: Settings, device: torch.device, block: Block | None = None
    ) -> None:
        apart = ("jobs", "root", "launcher")
        config = {name: value for name, value in asdict(settings).items() if name not in apart}
        if block is not None:
            ids = [architecture.arch_id for architecture in block.architectures]
            config["block"] = {"name": block.name, "seed": block.seed, "architectures": ids}
        self.root = location(settings.root)
        self.device = device
        self._whole = block is None
        self.cost = Cost()
        self._writing = threading.Lock()
        self._row: dict[str, Any] = {
            "job": job,
            "config": json.dumps(config, sort_keys=True),
            "commit": commit(),
            "packages": json.dumps(_versions(), sort_keys=True),
            "host": platform.node(),
            "device": _device_name(device),
        }
        # What replaces rows must count as later than the run that wrote them, even by the same command.
        replaces = settings.retry_failed or settings.protocol.name == "published"
        attempt, self._later_than = _last(self.root) if replaces else (0, None)
        text = "\n".join(str(value) for value in (*self._row.values(), attempt))
        self.id = hashlib.blake2b(text.encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs of it; a lock is this one's."""
        return {**vars(self), "_writing": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it over, with a lock of one's own."""
        vars(self).update(state, _writing=threading.Lock())

    def __enter__(self) -> Run:
        """Write the row of a run that has begun; one that goes on keeps its first start and what it spent.

        What killed runs of this machine left half written is removed, but not once a block: it takes a look
        at every file.
        """
        if self._whole:
            clean_temporary(self.root)
        before = self._before()
        self._started = before.pop("started", None) or self._now()
        self.cost = Cost(before.get("images") or 0, before.get("seconds") or 0.0, before.get("peak_bytes"))
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._write("running", None)
        return self

    @property
    def cache(self) -> Path:
        """Where decoded images and fetched files are kept: in the root, or on a disk where that is none."""
        if not is_remote(self.root):
            return self.root / "cache"
        return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vitzero"

    def spend(self, cost: Cost) -> None:
        """Record what a training or evaluations took."""
        self.cost.add(cost)
        self._write("running", None)

    @contextmanager
    def heard(self, seconds: float = 60) -> Iterator[None]:
        """Write the row again every so many seconds: who was killed is not heard of any more."""
        ended = threading.Event()

        def write() -> None:
            while not ended.wait(seconds):
                with contextlib.suppress(OSError):  # the work itself will say so
                    self._write("running", None)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """Write how it ended."""
        self._write("done" if kind is None else "failed", datetime.now(UTC))

    def _write(self, status: str, ended: datetime | None) -> None:
        row = {"run_id": self.id, **self._row, "started": self._started, "ended": ended, "status": status}
        cost = self.cost
        spent = {
            "images": cost.images or None,
            "seconds": cost.seconds or None,
            "images_per_second": cost.images / cost.seconds if cost.seconds else None,
            "peak_bytes": cost.peak_bytes,
        }
        with self._writing:  # `heard` writes too
            write_part(self.root, "runs", [{**row, **spent}], self.id)

    def _now(self) -> datetime:
        """Return the time, and of a run that replaces rows one after all others', whatever the clock says."""
        now = datetime.now(UTC)
        return now if self._later_than is None else max(now, self._later_than + timedelta(microseconds=1))

    def _before(self) -> dict[str, Any]:
        """Return the row this run left when it was interrupted, empty if there is none."""
        own = self.root / "runs" / f"{self.id}.parquet"
        paths = [path for path in (own, *compacted(self.root / "runs")) if is_there(path)]
        if not paths:
            return {}
        try:
            with Benchmark(
                self.root, {name: paths if name == "runs" else [] for name in TABLES}
            ) as benchmark:
                found = benchmark.sql(f"SELECT * FROM runs WHERE run_id = '{self.id}'").to_pylist()
        except StoreError:
            return {}  # whatever is wrong with the tables, the job that reads them will say
        return found[0] if found else {}


def _last(root: Path) -> tuple[int, datetime | None]:
    """Return how many runs there were, and when the last one began."""
    if not is_there(root / "runs"):
        return 0, None
    with Benchmark.open(root) as benchmark:
        row = benchmark.sql("SELECT count(*) AS n, max(started) AS last FROM runs").to_pylist()[0]
    return row["n"], row["last"]


def deciding(task: TaskSettings) -> dict[str, Any]:
    """Return what of a task decides numbers: all but its description and where a copy of its images lies."""
    apart = ("title", "licence", "citation", "path", "columns")
    # Older than these are ids of recipes and rows: a task that does not use them keeps its own.
    later = ("hub_config", "hub_files", "spherical")
    return {
        name: value
        for name, value in asdict(task).items()
        if name not in apart and not (name in later and value is None)
    }


def commit() -> str | None:
    """Return the commit of the code, with + behind it where the code differs; None outside its checkout."""
    if told := os.environ.get("VITZERO_COMMIT"):  # where a copy of the checkout travels without its history
        return told
    folder = Path(__file__).resolve().parent.parent
    try:
        top, commit, changes = (
            subprocess.run(
                ["git", *command], cwd=folder, capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (
                ["rev-parse", "--show-toplevel"],
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--", "builder", "conf", "proxies", "spaces", "store"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    if Path(top).resolve() != folder:
        return None  # installed inside somebody else's checkout
    return commit + ("+" if changes else "")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
