"""Compute proxies on freshly initialised networks into the table of scores."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import torch
from tqdm import tqdm

import proxies
import spaces
from builder import plan
from builder.errors import BuilderError
from builder.plan import quoted
from builder.provenance import Run, deciding
from builder.seeds import derive_seed
from builder.settings import ScoreSettings, Settings
from builder.tasks import Task
from spaces import Architecture
from store import Benchmark
from store.write import part_name, write_part


def run(settings: Settings, run: Run) -> None:
    """Score every architecture by every proxy asked for, seed by seed, and write what is not there yet.

    A network's initial weights and a proxy's own draws depend on (arch_id, task, seed) alone, the
    mini-batches on (task, seed): the same row comes out in whatever order, beside whatever other proxies.
    """
    names = proxies.resolve(settings.proxies.names)
    needed = proxies.batches_needed(names)
    task, wanted = Task(settings.task, run.root / "cache"), settings.score
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        _refuse_to_mix(settings, run, seed)
        todo = _missing(settings, run, seed, chosen, names)
        found: Counter[str] = Counter()
        if todo:
            batches = task.batches(needed, wanted.batch_size, seed)
            batches = [(images.to(run.device), labels.to(run.device)) for images, labels in batches]
        with tqdm(
            total=len(todo), desc=f"score {task.name} seed {seed}", unit="arch", disable=not todo
        ) as bar:
            for block in plan.blocks(todo, wanted.block):
                rows = []
                for architecture, absent in block:
                    rows += _score(architecture, absent, batches, task, seed, run, wanted)
                    bar.update()
                keys = [(row["arch_id"], row["proxy"]) for row in rows]
                name = part_name(settings.space.name, task.name, f"seed{seed}", keys=keys)
                write_part(run.root, "scores", rows, name)
                found.update(row["status"] for row in rows)
        summary = ", ".join(f"{count} {status}" for status, count in sorted(found.items())) or "nothing to do"
        print(
            f"score: {len(chosen)} architectures x {len(names)} proxies on {task.name}, "
            f"seed {seed}: {summary}"
        )


def _score(
    architecture: Architecture,
    names: list[str],
    batches: list[Any],
    task: Task,
    seed: int,
    run: Run,
    wanted: ScoreSettings,
) -> list[dict[str, Any]]:
    """Return the rows of one architecture."""
    draw = derive_seed(architecture.arch_id, task.name, seed)
    try:
        network = spaces.get(architecture.space).build(architecture, seed=draw, **task.shape).to(run.device)
        scores = proxies.compute(names, network, batches, seed=draw, memory_gib=wanted.memory_gib)
    except torch.OutOfMemoryError as error:  # already the network was too large
        failure = proxies.Score(None, "oom", str(error).splitlines()[0], 0.0, 0.0, None)
        scores = dict.fromkeys(names, failure)
    return [
        {
            "arch_id": architecture.arch_id,
            "task": task.name,
            "proxy": name,
            "seed": seed,
            **vars(score),
            "batch_size": wanted.batch_size,
            "image_size": task.settings.image_size,
            "run_id": run.id,
        }
        for name, score in scores.items()
    ]


def _refuse_to_mix(settings: Settings, run: Run, seed: int) -> None:
    """Raise BuilderError when scores of this space, task and seed were computed under other settings."""
    with Benchmark.open(run.root) as benchmark:
        configs = benchmark.sql(
            f"""SELECT DISTINCT config FROM scores JOIN architectures USING (arch_id)
            JOIN runs ON runs.run_id = scores.run_id
            WHERE space = {quoted(settings.space.name)} AND task = {quoted(settings.task.name)}
              AND seed = {seed}"""
        )["config"].to_pylist()
    ours = deciding(settings.task) | {"batch_size": settings.score.batch_size}
    for config in map(json.loads, configs):
        theirs = config["task"] | {"batch_size": config["score"]["batch_size"]}
        for name, value in ours.items():
            if theirs.get(name, value) != value:
                raise BuilderError(
                    f"Scores of {settings.space.name} on {settings.task.name} with seed {seed} "
                    f"in {run.root} were computed with {name} {theirs[name]}, not {value}. "
                    "Use another root or seed."
                )


def _missing(
    settings: Settings, run: Run, seed: int, chosen: list[Architecture], names: list[str]
) -> list[tuple[Architecture, list[str]]]:
    """Return the architectures that lack scores, each with the proxies it lacks."""
    task = settings.task.name
    keys = [
        {"arch_id": a.arch_id, "task": task, "proxy": name, "seed": seed} for a in chosen for name in names
    ]
    absent: dict[str, list[str]] = {}
    for key in plan.missing(run.root, "scores", keys, settings.retry_failed):
        absent.setdefault(key["arch_id"], []).append(key["proxy"])
    return [(a, absent[a.arch_id]) for a in chosen if a.arch_id in absent]
