"""The supernet protocol: train one entangled supernet, then let every architecture inherit its weights.

Source: Chen et al., "AutoFormer", ICCV 2021: single path, one uniformly drawn architecture a step. Ours
differs in the recipe, which `conf/protocol/supernet.yaml` states.
"""

from __future__ import annotations

import time
from pathlib import Path

from tqdm import tqdm

import spaces
from builder import plan
from builder.protocols.rows import Ledger, recipe_of, splits_of
from builder.provenance import Run
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.evaluate import evaluate
from builder.training.train import train
from spaces import Supernet


def run(settings: Settings, run: Run) -> None:
    """Train a supernet for each seed unless its accuracies are all there, and write what is missing."""
    wanted = settings.accuracy
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo = ledger.missing(chosen)
        if todo:
            supernet = _trained(settings, run, ledger)
            task = Task(settings.task)
            images = splits_of(task, run)
            label = f"inherit {task.name} seed {seed}"
            with tqdm(total=len(todo), desc=label, unit="arch") as bar:
                for block in plan.blocks(todo, wanted.block):
                    rows = []
                    for architecture in block:
                        started = time.monotonic()
                        network = supernet.extract(architecture)
                        size = wanted.evaluation_batch_size
                        results = {
                            name: evaluate(network, task, split, size) for name, split in images.items()
                        }
                        rows += ledger.rows(architecture, results, images, time.monotonic() - started)
                        bar.update()
                    ledger.write(rows)
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {settings.task.name}, "
            f"supernet {ledger.recipe}, seed {seed}: {len(todo)} evaluated"
        )


def _trained(settings: Settings, run: Run, ledger: Ledger) -> Supernet:
    """Return the supernet: of the checkpoint asked for, or trained from where its own checkpoint stops."""
    space, task = spaces.get(settings.space.name), Task(settings.task)
    if settings.protocol.checkpoint is not None:
        return (
            space.supernet(**task.shape).load(Path(settings.protocol.checkpoint).expanduser()).to(run.device)
        )
    draw = derive_seed("supernet", space.name, task.name, ledger.recipe, ledger.seed)
    supernet = space.supernet(seed=draw, **task.shape).to(run.device)
    train(
        supernet,
        lambda images, choices: supernet(images, space.draw(choices)),
        task,
        recipe_of(settings),
        seed=draw,
        checkpoint=run.root
        / "checkpoints"
        / f"{space.name}-{task.name}-{ledger.recipe}-seed{ledger.seed}.pt",
        checkpoint_seconds=settings.accuracy.checkpoint_seconds,
        label=f"supernet {space.name} {task.name} seed {ledger.seed}",
    )
    return supernet
