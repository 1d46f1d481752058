"""The planted benchmark with what a release needs beside it: identities, runs that say what was done."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq

from store import write_part
from store.release.pack import pack
from tests.store.planted import CORRELATIONS, STARTED, write_planted

PROXIES = {name: {"principle": "chance", "source": "planted", "data": "none"} for name in CORRELATIONS}
CODE = {"version": "0.1.0", "commit": "c" * 40}


def write_releasable(root: Path, **planted: object) -> Path:
    """A benchmark that `pack` accepts."""
    write_planted(root, **({"tasks": ("digits", "flowers"), "architectures": 20} | planted))
    names = _true_identities(root)
    runs = []
    for path in sorted(root.rglob("*.parquet")):
        table = pq.read_table(path)
        rows = table.to_pylist()
        for row in rows:
            if path.relative_to(root).parts[0] == "architectures":
                row["arch_id"] = names[row["arch_id"]]
                continue
            if "arch_id" in row:
                row["arch_id"] = names[row["arch_id"]]
            if "task" in row:
                row["run_id"] = f"{row['task']}-{row.get('protocol', 'scores')}"
                runs.append((row["run_id"], row["task"], row.get("protocol", "scratch")))
        if path.parent.name != "runs":
            name = path.relative_to(root / path.relative_to(root).parts[0]).with_suffix("").as_posix()
            write_part(root, path.relative_to(root).parts[0], rows, name)
    for run_id, task, protocol in [*dict.fromkeys(runs), ("planted", "digits", "scratch")]:
        write_part(root, "runs", [run_row(run_id, task, protocol)], run_id)
    return root


def write_release(folder: Path, version: str = "1.0.0", **planted: object) -> Path:
    """A small release in `folder`/`version`."""
    root = write_releasable(folder / f"benchmark-{version}", **planted)
    return pack(root, folder / version, version, PROXIES, CODE)


def run_row(run_id: str, task: str, protocol: str) -> dict[str, object]:
    """A run that was told of this task and protocol, on a machine with a name and folders."""
    recipe = {"name": "micro", "epochs": 3, "augmentation": {"shift": 1, "mixup": 0.0}}
    config = {
        "task": {
            "name": task,
            "title": f"{task} (8 x 8)",
            "licence": "CC BY 4.0",
            "citation": "someone, 1998",
            "path": "/home/someone/data/x.parquet",
        },
        "protocol": {
            "name": protocol,
            "recipe": None if protocol == "published" else recipe,
            "published": {"importer": "x"} if protocol == "published" else None,
        },
    }
    return {
        "run_id": run_id,
        "job": "accuracy",
        "config": json.dumps(config),
        "commit": "a" * 40,
        "packages": "{}",
        "host": "someones-laptop",
        "device": "cpu",
        "started": STARTED,
        "ended": STARTED,
        "status": "done",
        "images": None,
        "seconds": None,
        "images_per_second": None,
        "peak_bytes": None,
    }


def _true_identities(root: Path) -> dict[str, str]:
    """What each planted arch_id would be: planted ones are blake2b of another length."""
    rows = [
        row for path in (root / "architectures").rglob("*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    return {
        row["arch_id"]: hashlib.blake2b(f"{row['space']}\n{row['genome']}".encode()).hexdigest()[:16]
        for row in rows
    }
