"""The scratch protocol: every architecture trained alone, from its own weights, by one recipe."""

from __future__ import annotations

import time

import torch
from tqdm import tqdm

import spaces
from builder import plan
from builder.errors import BuilderError
from builder.protocols.rows import Ledger, recipe_of, splits_of
from builder.provenance import Run
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.evaluate import SplitImages, evaluate
from builder.training.train import train
from spaces import Architecture


def run(settings: Settings, run: Run) -> None:
    """Train every architecture that has no accuracy yet, seed by seed; each is written as it is done."""
    task, wanted = Task(settings.task), settings.accuracy
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo = ledger.missing(chosen)
        images = splits_of(task, run) if todo else {}
        failed = 0
        for architecture in tqdm(todo, f"scratch {task.name} seed {seed}", unit="arch", disable=not todo):
            rows = _trained(settings, ledger, task, images, architecture)
            failed += rows[0]["status"] != "ok"
            ledger.write(rows)
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {task.name}, scratch "
            f"{ledger.recipe}, seed {seed}: {len(todo)} trained, {failed} failed"
        )


def _trained(
    settings: Settings, ledger: Ledger, task: Task, images: dict[str, SplitImages], architecture: Architecture
) -> list[dict[str, object]]:
    """Train one architecture and return its rows; one that fails gets nulls and does not end the job."""
    draw = derive_seed("scratch", architecture.arch_id, task.name, ledger.recipe, ledger.seed)
    run = ledger.run
    network = spaces.get(architecture.space).build(architecture, seed=draw, **task.shape).to(run.device)
    checkpoint = (
        run.root / "checkpoints" / f"{architecture.arch_id}-{task.name}-{ledger.recipe}-seed{ledger.seed}.pt"
    )
    started = time.monotonic()
    try:
        seconds = train(
            network,
            lambda batch, _: network(batch),
            task,
            recipe_of(settings),
            seed=draw,
            checkpoint=checkpoint,
            checkpoint_seconds=settings.accuracy.checkpoint_seconds,
            label=architecture.arch_id,
        )
        size = settings.accuracy.evaluation_batch_size
        results = {name: evaluate(network, task, split, size) for name, split in images.items()}
    except (BuilderError, torch.OutOfMemoryError) as error:
        return ledger.failed(architecture, str(error).splitlines()[0], time.monotonic() - started)
    checkpoint.unlink(missing_ok=True)  # the network's accuracy is the product, its weights are not
    return ledger.rows(architecture, results, images, seconds)
