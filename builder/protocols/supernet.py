"""The supernet protocol: train one entangled supernet, then let every architecture inherit its weights.

Source: Chen et al., "AutoFormer", ICCV 2021: single path, one uniformly drawn architecture a step. Ours
differs in the recipe, which `conf/protocol/supernet.yaml` states.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

import spaces
from builder import plan
from builder.protocols.rows import Ledger, Splits, checkpoint_of, first_line, recipe_of
from builder.provenance import Cost, Run
from builder.sanity import write_sanity
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.images import SplitImages
from builder.training.train import Training
from proxies.probe.outcome import is_out_of_memory
from spaces import Architecture, Supernet


def run(settings: Settings, run: Run) -> None:
    """Train a supernet for each seed unless its accuracies are all there, and write what is missing."""
    wanted = settings.accuracy
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo, failed = ledger.missing(chosen), 0
        if todo:
            task = Task(settings.task, run.root / "cache")
            splits = Splits(settings, task, run.device)
            supernet = supernet_of(settings, task, ledger)
            with tqdm(total=len(todo), desc=f"inherit {task.name} seed {seed}", unit="arch") as bar:
                for block in plan.blocks(todo, wanted.block):
                    failed += _inherit(supernet, block, splits, ledger, bar)
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {settings.task.name}, "
            f"supernet {ledger.recipe}, seed {seed}: {len(todo)} evaluated, {failed} failed"
        )
        if failed:
            print(
                f"!!! WARNING: {failed} of {len(todo)} architectures have no accuracy; the messages of their "
                "rows say why. retry_failed=true tries them again."
            )
        write_sanity(run.root, settings.space.name, settings.task.name, "supernet", ledger.recipe, seed)


def _inherit(
    supernet: Supernet, block: Sequence[Architecture], splits: Splits, ledger: Ledger, bar: tqdm
) -> int:
    """Measure a block's architectures and write their rows, on an interruption those there are.

    Returns how many failed.
    """
    rows: list[dict[str, Any]] = []
    try:
        for architecture in block:
            started = time.monotonic()
            try:
                results = splits.measure(supernet.extract(architecture))
                rows += ledger.rows(architecture, results, splits.images, time.monotonic() - started)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                rows += ledger.failed(architecture, first_line(error), time.monotonic() - started)
            bar.update()
    finally:
        if rows:
            ledger.write(rows)
            ledger.run.spend(splits.take_cost())
    return len({row["arch_id"] for row in rows if row["status"] != "ok"})


def supernet_of(settings: Settings, task: Task, ledger: Ledger) -> Supernet:
    """Return the supernet: of the checkpoint asked for, or trained from where its own checkpoint stops."""
    run, path = ledger.run, checkpoint_of(settings)
    if path is not None:
        return spaces.get(ledger.space).supernet(**task.shape).load(path).to(run.device)
    supernet, training = training_of(settings, task, ledger)
    training.run(checkpoint_path(ledger), settings.accuracy.checkpoint_seconds)
    if not training.charged:
        run.spend(Cost.of(training.seen, training.seconds, run.device))
        training.charge(checkpoint_path(ledger))
    return supernet


def training_of(settings: Settings, task: Task, ledger: Ledger) -> tuple[Supernet, Training]:
    """Return a supernet and its training, not begun."""
    space, device = spaces.get(ledger.space), ledger.run.device
    draw = derive_seed("supernet", space.name, task.name, ledger.recipe, ledger.seed)
    supernet = space.supernet(seed=draw, **task.shape).to(device)
    training = Training(
        supernet,
        lambda images, choices: supernet(images, space.draw(choices)),
        task,
        SplitImages.of(task, "train", device),
        recipe_of(settings),
        draw,
        f"supernet {space.name} {task.name} seed {ledger.seed}",
    )
    return supernet, training


def checkpoint_path(ledger: Ledger) -> Path:
    """Return where the supernet of a ledger is kept."""
    name = f"{ledger.space}-{ledger.task}-{ledger.recipe}-seed{ledger.seed}.pt"
    return ledger.run.root / "checkpoints" / name
