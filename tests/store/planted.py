"""A small synthetic benchmark whose proxies order the architectures as well as they were told to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from store.write import write_part

# Proxy: correlation of its scores with the hidden quality of the architectures.
CORRELATIONS = {
    "params": 0.6,
    "macs": 0.55,
    "depth": 0.3,
    "width": 0.4,
    "random": 0.0,
    "zico": 0.9,
    "snip": 0.7,
    "synflow": 0.4,
    "grasp": -0.5,
}
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def write_planted(
    root: Path,
    architectures: int = 60,
    spaces: Sequence[str] = ("autoformer-micro",),
    tasks: Sequence[str] = ("digits", "flowers"),
    recipes: Sequence[tuple[str, str]] = (("scratch", "micro"), ("published", "paper")),
    correlations: Mapping[str, float] = CORRELATIONS,
    training_seeds: int = 2,
    proxy_seeds: int = 2,
    failures: int = 3,
    seed: int = 0,
) -> Path:
    """Write a whole benchmark under `root` and return it.

    architectures: number in each space
    recipes:       (protocol, recipe) pairs; each gets its own accuracies, the second in reverse order
    correlations:  proxy -> Pearson correlation of its scores with the hidden quality
    failures:      architectures of each space on which proxy "grasp" runs out of memory
    """
    generator = np.random.default_rng(seed)
    write_run(root, "planted")
    for space in spaces:
        quality = generator.standard_normal(architectures)
        names = write_architectures(root, space, quality, generator)
        for task in tasks:
            for place, (protocol, recipe) in enumerate(recipes):
                signed = quality if place % 2 == 0 else -quality
                _write_accuracies(root, names, task, protocol, recipe, signed, training_seeds, generator)
            _write_scores(root, names, task, quality, correlations, proxy_seeds, failures, generator)
    return root


def write_run(root: Path, run_id: str, minutes: int = 0) -> None:
    """A run that started the given minutes after the first."""
    started = STARTED + timedelta(minutes=minutes)
    row = {
        "run_id": run_id,
        "job": "score",
        "config": "{}",
        "commit": None,
        "packages": "{}",
        "host": "here",
        "device": "cpu",
        "started": started,
        "ended": started + timedelta(seconds=30),
        "status": "done",
        "images": None,
        "seconds": None,
        "images_per_second": None,
        "peak_bytes": None,
    }
    write_part(root, "runs", [row], run_id)


def write_architectures(
    root: Path, space: str, quality: np.ndarray, generator: np.random.Generator
) -> list[str]:
    """Architectures whose params grow with their quality, at correlation 0.6. Returns their arch_ids."""
    params = np.round(np.exp(14 + 0.3 * mixed(quality, 0.6, generator))).astype(int)
    rows = []
    for index, count in enumerate(params):
        genome = json.dumps({"depth": index})
        rows.append(
            {
                "arch_id": hashlib.blake2b(f"{space}\n{genome}".encode(), digest_size=8).hexdigest(),
                "space": space,
                "genome": genome,
                "params": int(count),
                "macs": int(count) * 64,
                "sample_seed": 0,
                "sample_index": index,
                "run_id": "planted",
            }
        )
    write_part(root, "architectures", rows, space)
    return [row["arch_id"] for row in rows]


def mixed(quality: np.ndarray, correlation: float, generator: np.random.Generator) -> np.ndarray:
    """Numbers with the given correlation with quality."""
    noise = generator.standard_normal(len(quality))
    return correlation * quality + np.sqrt(1 - correlation**2) * noise


def accuracy_row(arch_id: str, accuracy: float | None, **other: object) -> dict[str, object]:
    """One row of table accuracies; `other` overrides any column."""
    row = {
        "arch_id": arch_id,
        "task": "digits",
        "protocol": "scratch",
        "recipe": "micro",
        "seed": 0,
        "split": "test",
        "epoch": 16,
        "accuracy": accuracy,
        "loss": None,
        "images": 360,
        "seconds": 6.0,
        "source": "planted",
        "status": "error" if accuracy is None else "ok",
        "message": "diverged" if accuracy is None else None,
        "run_id": "planted",
    }
    return row | other


def score_row(arch_id: str, value: float | None, **other: object) -> dict[str, object]:
    """One row of table scores; `other` overrides any column."""
    row = {
        "arch_id": arch_id,
        "task": "digits",
        "proxy": "snip",
        "seed": 0,
        "value": value,
        "status": "oom" if value is None else "ok",
        "message": "out of memory at batch 16" if value is None else None,
        "seconds": 0.5,
        "marginal_seconds": 0.1,
        "peak_bytes": None,
        "batch_size": 16,
        "image_size": 8,
        "run_id": "planted",
    }
    return row | other


def _write_accuracies(root, names, task, protocol, recipe, quality, seeds, generator) -> None:
    where = {"task": task, "protocol": protocol, "recipe": recipe}
    rows = []
    for seed in range(seeds):
        noisy = mixed(quality, 0.98, generator)
        for arch_id, value in zip(names, 1 / (1 + np.exp(-noisy)), strict=True):
            rows.append(accuracy_row(arch_id, float(value), seed=seed, **where))
            rows.append(accuracy_row(arch_id, 0.1, seed=seed, epoch=1, **where))
    write_part(root, "accuracies", rows, f"{task}/{protocol}-{recipe}-{names[0]}")


def _write_scores(root, names, task, quality, correlations, seeds, failures, generator) -> None:
    for price, (proxy, correlation) in enumerate(correlations.items()):
        rows = []
        for seed in range(seeds):
            values = np.exp(mixed(quality, correlation, generator))
            for place, arch_id in enumerate(names):
                failed = proxy == "grasp" and place < failures
                value = None if failed else float(values[place])
                where = {"task": task, "proxy": proxy, "seed": seed, "seconds": 0.1 * (price + 1)}
                rows.append(score_row(arch_id, value, **where))
        write_part(root, "scores", rows, f"{task}/{proxy}-{names[0]}")
