"""Time and memory of planning, status and compaction on synthetic tables: python -m bench.plan [rows ...]

Each of three tables (accuracies, scores, layers) has about so many rows, in parts of 800. Every step runs in
a process of its own: the plan of job=score with a twentieth of its rows missing, status, compaction, then
plan and status of the compacted tables. Imports are not timed.

Last, the command for all scores of bench/full_size.py, 2.7 million on six tasks, given again when nothing is
missing: the whole command by the clock, as its parts were written and compacted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

import spaces
from bench import full_size
from builder import plan
from builder.jobs import status
from builder.plan import Wanted
from store import TABLES, write_part
from store.compact import COMPACTABLE, compact
from store.write import part_name

SPACE, TASK = "autoformer-micro", "digits"
# Architectures in a part: 800 rows of each table.
PART = {"accuracies": 400, "scores": 16, "layers": 16}
NAMES = (*full_size.PROXIES, *full_size.CONTROLS)
BLOCK = 64  # architectures in a part of them
PROXIES = [f"proxy{index:02}" for index in range(50)]
LAYERS = [f"layer{index:02}" for index in range(50)]
SEEDS = [0, 1, 2, 3, 4]
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = {
    "accuracies": {"split": ["validation", "test"]},
    "scores": {"proxy": PROXIES},
    "layers": {"layer": LAYERS},
}


def write_tables(root: Path, rows: int) -> None:
    """Write the tables, but a twentieth of the scores; the first architectures have all their rows."""
    space = spaces.get(SPACE)
    drawn = space.sample(max(PART["scores"], rows // (len(PROXIES) * len(SEEDS))), seed=0)
    about = {"space": SPACE, "params": 1, "macs": 1, "sample_seed": 0, "run_id": "run"}
    named = [
        about | {"arch_id": one.arch_id, "genome": one.genome, "sample_index": index}
        for index, one in enumerate(drawn)
    ]
    write_part(root, "architectures", named, "all")
    ids = sorted(one.arch_id for one in drawn)
    few = max(1, rows // (2 * len(SEEDS)))  # of accuracies there are two an architecture and seed
    more = ids + [f"{index:016x}" for index in range(max(0, few - len(ids)))]
    run = dict.fromkeys(TABLES["runs"].schema.names) | {"job": "score", "packages": "{}", "device": "cpu"}
    run |= {
        "run_id": "run",
        "config": "{}",
        "host": "here",
        "started": STARTED,
        "ended": STARTED,
        "status": "done",
    }
    write_part(root, "runs", [run], "run")
    for name, architectures in (("accuracies", more), ("scores", ids), ("layers", ids)):
        kept = architectures[: len(architectures) * 19 // 20] if name == "scores" else architectures
        blocks = [(seed, block) for seed in SEEDS for block in plan.blocks(kept, PART[name])]
        for seed, block in tqdm(blocks, desc=f"write {name}", unit="part", disable=None, leave=False):
            write_part(root, name, _rows(name, seed, block), part_name(SPACE, TASK, seed, keys=block))
    for name, job in (("scores", "score"), ("layers", "layers")):
        by = {"proxy": PROXIES} if job == "score" else {}
        keys = {"arch_id": ids, "task": [TASK], "seed": SEEDS, **by}
        Wanted(job, name, SPACE, TASK, keys, by="proxy" if by else "seed").note(root)


def _rows(name: str, seed: int, block: tuple[str, ...]) -> pa.Table:
    """Rows of one part: every architecture of the block by every value of the table's own column."""
    ((column, values),) = COLUMNS[name].items()
    count = len(block) * len(values)
    usual = {
        "protocol": "scratch",
        "recipe": "alone",
        "epoch": 1,
        "images": 1,
        "source": "bench",
        "batch_size": 64,
    }
    usual |= {
        "image_size": 8,
        "place": 0,
        "depth_percentile": 0,
        "params": 1,
        "status": "ok",
        "run_id": "run",
    }
    columns = {}
    for field in TABLES[name].schema:
        if field.name == "arch_id":
            found = np.repeat(block, len(values))
        elif field.name == column:
            found = np.tile(values, len(block))
        elif pa.types.is_floating(field.type):
            found = np.linspace(0, 1, count)
        else:
            found = [{"task": TASK, "seed": seed, **usual}.get(field.name)] * count
        columns[field.name] = pa.array(found, field.type)
    return pa.table(columns, schema=TABLES[name].schema)


def make_plan(root: Path) -> str:
    """Plan the scores as job=score does: architectures, missing keys, cut into blocks."""
    chosen = plan.architectures(root, SPACE)
    with plan.opened(root, SPACE, "scores") as benchmark:
        lacking = plan.lacking(benchmark, "scores", chosen, TASK, SEEDS, "proxy", PROXIES)
    blocks = [block for seed in SEEDS for block in plan.cut(chosen, lacking[seed], PART["scores"])]
    return f"{len(blocks)} blocks"


def show_status(root: Path) -> str:
    """Do what job=status does, its output thrown away."""
    return f"{len(status.report(root).splitlines())} lines"


def merge(root: Path) -> str:
    """Do what job=compact does."""
    return f"{sum(compact(root, name)[0] for name in COMPACTABLE)} parts"


TIMED: dict[str, Callable[[Path], str]] = {"plan": make_plan, "status": show_status, "compaction": merge}


def scatter(root: Path) -> int:
    """Cut the scores of a full release into parts as workers write them, and count these."""
    whole = root / "scores" / "scores.parquet"
    rows = pq.read_table(whole).sort_by([(name, "ascending") for name in ("task", "seed", "arch_id")])
    whole.unlink()
    step = BLOCK * len(NAMES)
    parts = list(range(0, len(rows), step))
    for start in tqdm(parts, desc="write scores", unit="part", disable=None, leave=False):
        write_part(root, "scores", rows.slice(start, step), part_name(full_size.SPACE, keys=[str(start)]))
    return len(parts)


def again(root: Path) -> tuple[float, float]:
    """Give the command for all scores of a full release, and return its seconds and CPU seconds."""
    told = {
        "job": "score",
        "root": root,
        "space": full_size.SPACE,
        "task": ",".join(full_size.TASKS),
        "proxies.names": f"[{','.join(NAMES)}]",
        "score.seeds": "[0,1,2,3,4]",
        "score.batch_size": full_size.BATCH,
    }
    command = [sys.executable, "-m", "builder", *(f"{key}={value}" for key, value in told.items())]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if len(said) != 30 or not all(line.endswith("nothing to do") for line in said):
        raise SystemExit(f"Something was missing: {said}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show_again() -> None:
    """Print what the command takes in parts and compacted, each the second time: the first notes its plan."""
    with tempfile.TemporaryDirectory() as folder:
        root = full_size.write_full_size(Path(folder))
        count = scatter(root)
        for what in (f"{count} parts", "compacted"):
            again(root)
            seconds, processor = again(root)
            took = f"{seconds:.1f} s, {processor:.1f} CPU s"
            print(f"2,700,000 scores, the command again, {what}: {took}", flush=True)
            merge(root)


def measured(step: str, root: Path) -> tuple[str, float, float, float]:
    """Run a step in a process of its own; return what it did, seconds, CPU seconds, and MiB."""
    command = [sys.executable, "-m", "bench.plan", "--step", step, "--root", str(root)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said["what"], said["seconds"], said["processor"], said["bytes"] / 2**20


def main() -> None:
    """Print a line for each size and step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--step", choices=list(TIMED), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.step:
        started, worked = time.perf_counter(), time.process_time()
        what = TIMED[told.step](told.root)
        said = {
            "what": what,
            "seconds": time.perf_counter() - started,
            "processor": time.process_time() - worked,
            "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        print(json.dumps(said))
        return
    print(f"{'rows x 3':>9}  {'step':<18}{'did':<12}{'seconds':>8}{'CPU s':>8}{'peak MiB':>10}")
    for rows in told.rows:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_tables(root, rows)
            for place, step in enumerate(("plan", "status", "compaction", "plan", "status")):
                what, seconds, processor, peak = measured(step, root)
                name = f"{step}, compacted" if place > 2 else step
                print(
                    f"{rows:>9,}  {name:<18}{what:<12}{seconds:>8.2f}{processor:>8.2f}{peak:>10.0f}",
                    flush=True,
                )
    show_again()


if __name__ == "__main__":
    main()
