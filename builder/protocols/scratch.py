"""The scratch protocol: every architecture trained alone, from its own weights, by one recipe."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import spaces
from builder import plan
from builder.errors import TrainingFailed
from builder.protocols.rows import Ledger, recipe_of, splits_of
from builder.provenance import Run
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.evaluate import evaluate
from builder.training.images import SplitImages
from builder.training.train import Training
from spaces import Architecture


def run(settings: Settings, run: Run) -> None:
    """Train every architecture that has no accuracy yet, seed by seed; each is written as it is done."""
    task, wanted = Task(settings.task, run.root / "cache"), settings.accuracy
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo = ledger.missing(chosen)
        if todo:
            images = splits_of(task, run)
            to_train_on = SplitImages.of(task, "train", run.device)
        failed = 0
        for architecture in tqdm(todo, f"scratch {task.name} seed {seed}", unit="arch", disable=not todo):
            started = time.monotonic()
            try:
                rows = _train(settings, ledger, task, to_train_on, images, architecture)
            except (TrainingFailed, torch.OutOfMemoryError) as error:
                reason = str(error).splitlines()[0]
                rows = ledger.failed(architecture, reason, time.monotonic() - started)
            failed += rows[0]["status"] != "ok"
            ledger.write(rows)
            # The accuracy is the product, the weights are not; one that failed is tried anew.
            _checkpoint(ledger, architecture).unlink(missing_ok=True)
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {task.name}, scratch "
            f"{ledger.recipe}, seed {seed}: {len(todo)} trained, {failed} failed"
        )


def _train(
    settings: Settings,
    ledger: Ledger,
    task: Task,
    to_train_on: SplitImages,
    images: dict[str, SplitImages],
    architecture: Architecture,
) -> list[dict[str, Any]]:
    """Train one architecture and return its rows."""
    run, wanted = ledger.run, settings.accuracy
    draw = derive_seed("scratch", architecture.arch_id, task.name, ledger.recipe, ledger.seed)
    network = spaces.get(architecture.space).build(architecture, seed=draw, **task.shape).to(run.device)
    training = Training(
        network,
        lambda batch, _: network(batch),
        task,
        to_train_on,
        recipe_of(settings),
        draw,
        architecture.arch_id,
    )
    seconds = training.run(_checkpoint(ledger, architecture), wanted.checkpoint_seconds)
    size = wanted.evaluation_batch_size
    results = {name: evaluate(network, task, split, size) for name, split in images.items()}
    return ledger.rows(architecture, results, images, seconds)


def _checkpoint(ledger: Ledger, architecture: Architecture) -> Path:
    name = f"{architecture.arch_id}-{ledger.task}-{ledger.recipe}-seed{ledger.seed}.pt"
    return ledger.run.root / "checkpoints" / name
