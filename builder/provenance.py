"""Who wrote a row: every job is a run, recorded with its configuration, code, packages and machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from builder.settings import Settings, TaskSettings
from store import Benchmark, StoreError, write_part
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

    The id is made of what decides the rows (job, settings, code, packages, machine), so that a run that was
    killed goes on under its own id.
    """

    def __init__(self, job: str, settings: Settings, device: torch.device) -> None:
        config = {name: value for name, value in asdict(settings).items() if name not in ("jobs", "root")}
        self.root = Path(settings.root)
        self.device = device
        self.cost = Cost()
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
        attempt = len(list((self.root / "runs").glob("*.parquet"))) if replaces else 0
        text = "\n".join(str(value) for value in (*self._row.values(), attempt))
        self.id = hashlib.blake2b(text.encode()).hexdigest()[:16]

    def __enter__(self) -> Run:
        """Write the row of a run that has begun; one that goes on keeps its first start and what it spent.

        What killed runs of this machine left half written is removed.
        """
        clean_temporary(self.root)
        before = self._before()
        self._started = before.pop("started", None) or datetime.now(UTC)
        self.cost = Cost(before.get("images") or 0, before.get("seconds") or 0.0, before.get("peak_bytes"))
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._write("running", None)
        return self

    def spend(self, cost: Cost) -> None:
        """Record what a training or evaluations took."""
        self.cost.add(cost)
        self._write("running", None)

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
        write_part(self.root, "runs", [{**row, **spent}], self.id)

    def _before(self) -> dict[str, Any]:
        """Return the row this run left when it was interrupted, empty if there is none."""
        if not (self.root / "runs" / f"{self.id}.parquet").exists():
            return {}
        try:
            with Benchmark.open(self.root) as benchmark:
                found = benchmark.sql(f"SELECT * FROM runs WHERE run_id = '{self.id}'").to_pylist()
        except StoreError:
            return {}  # whatever is wrong with the tables, the job that reads them will say
        return found[0] if found else {}


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
