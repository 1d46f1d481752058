"""What the jobs on untrained networks share: the network, its mini-batches, its scores, whose rows mix."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

import proxies
import spaces
from builder.errors import BuilderError
from builder.plan import literals, quoted
from builder.provenance import Run, deciding
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.settings.jobs import ScoreSettings
from builder.taskonomy import Taskonomy
from builder.tasks import Task
from spaces import Architecture
from store import Benchmark

Batch = tuple[Tensor, Tensor | None]


def task_of(settings: Settings, run: Run) -> Task:
    """Return the task that networks are to be scored on."""
    kind = Task if settings.task.domain is None else Taskonomy
    return kind(settings.task, run.cache)


def mini_batches(
    task: Task, count: int, batch_size: int, seed: int, device: torch.device, noise: bool = False
) -> list[Batch]:
    """Return mini-batches on a device, which depend on (task, seed) alone. Arguments as `Task.batches`.

    noise: of N(0, 1) pixels without labels, where none of the proxies looks at an image.
    """
    found = (task.noise if noise else task.batches)(count, batch_size, seed)
    return [(images.to(device), None if labels is None else labels.to(device)) for images, labels in found]


def network_seed(architecture: Architecture, task: Task, seed: int) -> int:
    """Return the seed of an architecture's initial weights, and of all a proxy draws."""
    return derive_seed(architecture.arch_id, task.name, seed)


def untrained(architecture: Architecture, task: Task, seed: int) -> nn.Module:
    """Return an architecture's network for the task's images, on the CPU, its weights freshly drawn."""
    draw = network_seed(architecture, task, seed)
    return spaces.get(architecture.space).build(architecture, seed=draw, **task.shape)


def score_rows(
    architecture: Architecture,
    names: list[str],
    batches: list[Any],
    task: Task,
    seed: int,
    run: Run,
    wanted: ScoreSettings,
) -> list[dict[str, Any]]:
    """Return the rows of one architecture in `scores`, one a proxy; a proxy that fails is its row's null.

    names:   proxies by their own names.
    batches: what `mini_batches` returned, as many as the proxies need.
    """
    try:
        network = untrained(architecture, task, seed).to(run.device)
        draw = network_seed(architecture, task, seed)
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


def refuse_to_mix(
    settings: Settings, benchmark: Benchmark, seeds: Iterable[int], table: str = "scores"
) -> None:
    """Raise BuilderError when rows of this space, task and these seeds were computed under other settings.

    benchmark: with the table and the architectures. table: scores or layers.
    """
    before = benchmark.sql(
        f"""SELECT DISTINCT seed, config FROM runs JOIN (
            SELECT DISTINCT seed, written.run_id
            FROM parts.{table} AS written JOIN architectures USING (arch_id)
            WHERE space = {quoted(settings.space.name)} AND task = {quoted(settings.task.name)}
              AND list_contains({literals(seeds)}, seed)) USING (run_id) ORDER BY seed, config"""
    ).to_pylist()
    ours = deciding(settings.task) | {"batch_size": settings.score.batch_size}
    for row in before:
        config = json.loads(row["config"])
        theirs = config["task"] | {"batch_size": config["score"]["batch_size"]}
        for name, value in ours.items():
            if theirs.get(name, value) != value:
                raise BuilderError(
                    f"{table.capitalize()} of {settings.space.name} on {settings.task.name} with seed "
                    f"{row['seed']} in {benchmark.path} were computed with {name} {theirs[name]}, "
                    f"not {value}. Use another root or seed."
                )
