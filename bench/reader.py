"""How fast a release of full size is opened, asked and ranked, and in how much memory, beside the targets.

python -m bench.reader [folder]

The release is that of bench/full_size.py (2000 architectures, 6 tasks, 45 proxies, 5 seeds: 2.7 million
scores), made once in the folder and kept there. Every line is measured in an interpreter of its own; memory
is the largest that the whole process had, as the kernel counts it.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.full_size import CONTROLS, PROXIES, TASKS, write_full_size
from store import Benchmark
from store.release.manifest import Manifest
from store.release.pack import pack

WARM = (
    200  # times that a warm question is asked, each time of another architecture or task; the median counts
)


def main(arguments: list[str]) -> int:
    """Print the table. Returns 1 when a target is missed."""
    if arguments[:1] == ["--measure"]:
        print(json.dumps(MEASURES[arguments[1]](Path(arguments[2]))))
        return 0
    folder = Path(arguments[0]) if arguments else Path("runs/reader")
    release = folder / "1.0.0"
    if not release.exists():
        write_full_size(folder / "benchmark")
        started = time.perf_counter()
        known = {"principle": "chance", "source": "synthetic", "data": "none"}
        proxies = dict.fromkeys((*PROXIES, *CONTROLS), known)
        pack(folder / "benchmark", release, "1.0.0", proxies, {"version": "synthetic", "commit": "0" * 40})
        print(f"packed in {time.perf_counter() - started:.0f} s")
    files = Manifest.read(release).files
    print(f"{sum(file.rows or 0 for file in files if file.path.startswith('scores')):,} scores")
    size = sum(file.bytes for file in files) / 1e6
    missed = line("size of all files", size, 50, "MB")
    for name, targets in TARGETS.items():
        measured = _measured(name, release)
        for what, target in targets.items():
            missed += line(f"{name}: {what[:-3]}", measured[what], target, what[-2:])
    return 1 if missed else 0


def line(what: str, measured: float, target: float, unit: str) -> bool:
    """Print one line, and return whether the target is missed."""
    missed = measured >= target
    print(f"{what:<68}{measured:>9.1f} {unit}   target {target:>6} {unit}{'   MISSED' if missed else ''}")
    return missed


def opened(release: Path) -> dict[str, float]:
    """Opening alone: the imports are not counted in the time, all is counted in the memory."""
    started = time.perf_counter()
    with Benchmark.open(release) as benchmark:
        seconds = time.perf_counter() - started
        benchmark.tasks()
    return {"time ms": 1000 * seconds, "memory MB": _peak()}


def one_architecture(release: Path) -> dict[str, float]:
    """All scores and accuracies of one architecture on one task, another one each time."""
    with Benchmark.open(release) as benchmark:
        found = benchmark.architectures()["arch_id"].to_pylist()
        chosen = found[:: len(found) // (WARM + 1)]
        scores = _warm(lambda name: benchmark.scores(name, TASKS[0]), chosen)
        accuracy = _warm(lambda name: benchmark.accuracy(name, TASKS[0]), chosen)
    return {"scores ms": scores, "accuracy ms": accuracy, "memory MB": _peak()}


def leaderboard(release: Path) -> dict[str, float]:
    """The ranking of one task as it is asked for without further wishes."""
    with Benchmark.open(release) as benchmark:
        tasks = [TASKS[place % len(TASKS)] for place in range(WARM + 1)]
        return {"time ms": _warm(lambda task: benchmark.rank(task), tasks), "memory MB": _peak()}


def computed(release: Path) -> dict[str, float]:
    """The ranking of one task with 1000 draws for all proxies, nothing of it computed before."""
    with Benchmark.open(release) as benchmark:
        benchmark.tasks()
        started = time.perf_counter()
        benchmark.rank(TASKS[0], draws=1000, seed=1)
        return {"time ms": 1000 * (time.perf_counter() - started), "memory MB": _peak()}


def banded(release: Path) -> dict[str, float]:
    """The ranking of one task inside a band of params, without intervals."""
    with Benchmark.open(release) as benchmark:
        tasks = [*TASKS]
        return {"time ms": _warm(lambda task: benchmark.rank(task, draws=0, band=(0, 10**9)), tasks)}


def sample(_: Path) -> dict[str, float]:
    """A cold interpreter that opens the sample and prints a ranking."""
    code = "from store import Benchmark; print(Benchmark.open().rank().to_pylist()[0])"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return {"time ms": 1000 * (time.perf_counter() - started)}


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "open": opened,
    "one architecture on one task, warm": one_architecture,
    "leaderboard of one task": leaderboard,
    "the same, 1000 draws computed anew": computed,
    "the same, in a band, without draws": banded,
    "cold interpreter to a ranking of the sample": sample,
}
TARGETS: dict[str, dict[str, float]] = {
    "open": {"time ms": 1000, "memory MB": 300},
    "one architecture on one task, warm": {"scores ms": 5, "accuracy ms": 5, "memory MB": 300},
    "leaderboard of one task": {"time ms": 100, "memory MB": 300},
    "the same, 1000 draws computed anew": {"time ms": 2000},
    "the same, in a band, without draws": {"time ms": 1000},
    "cold interpreter to a ranking of the sample": {"time ms": 1000},
}


def _warm(ask: Callable[[str], Any], names: list[str]) -> float:
    """Median milliseconds of a question, after it was asked once."""
    ask(names[0])
    times = []
    for name in names[1:]:
        started = time.perf_counter()
        ask(name)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def _measured(name: str, release: Path) -> dict[str, float]:
    """The measure in an interpreter of its own."""
    command = [sys.executable, "-m", "bench.reader", "--measure", name, str(release)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _peak() -> float:
    """Largest memory of this process, in MB."""
    # Not getrusage's: that one counts what the parent had before this interpreter began.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
