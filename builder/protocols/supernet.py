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
from builder.sanity import write_sanity
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.evaluate import evaluate
from builder.training.images import SplitImages
from builder.training.train import Training
from spaces import Supernet


def run(settings: Settings, run: Run) -> None:
    """Train a supernet for each seed unless its accuracies are all there, and write what is missing."""
    wanted = settings.accuracy
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo = ledger.missing(chosen)
        if todo:
            task = Task(settings.task, run.root / "cache")
            images = splits_of(task, run)
            supernet = _supernet(settings, task, ledger)
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
        write_sanity(run.root, settings.space.name, settings.task.name, "supernet", ledger.recipe, seed)


def _supernet(settings: Settings, task: Task, ledger: Ledger) -> Supernet:
    """Return the supernet: of the checkpoint asked for, or trained from where its own checkpoint stops."""
    run, space = ledger.run, spaces.get(settings.space.name)
    if settings.protocol.checkpoint is not None:
        path = Path(settings.protocol.checkpoint).expanduser()
        return space.supernet(**task.shape).load(path).to(run.device)
    draw = derive_seed("supernet", space.name, task.name, ledger.recipe, ledger.seed)
    supernet = space.supernet(seed=draw, **task.shape).to(run.device)
    training = Training(
        supernet,
        lambda images, choices: supernet(images, space.draw(choices)),
        task,
        SplitImages.of(task, "train", run.device),
        recipe_of(settings),
        draw,
        f"supernet {space.name} {task.name} seed {ledger.seed}",
    )
    name = f"{space.name}-{task.name}-{ledger.recipe}-seed{ledger.seed}.pt"
    training.run(run.root / "checkpoints" / name, settings.accuracy.checkpoint_seconds)
    return supernet
