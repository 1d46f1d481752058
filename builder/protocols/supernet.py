"""The supernet protocol: train one entangled supernet, then let every architecture inherit its weights.

Source: Chen et al., "AutoFormer", ICCV 2021: single path, one uniformly drawn architecture a step. Ours
differs in the recipe, which `conf/protocol/supernet.yaml` states.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

import spaces
from builder import plan
from builder.plan import Block, Work
from builder.protocols.rows import (
    EVALUATED,
    Ledger,
    Splits,
    checkpoint_of,
    first_line,
    of_accuracies,
    recipe_of,
)
from builder.provenance import Cost, Run
from builder.sanity import write_sanity
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.checkpoint import load_checkpoint
from builder.training.images import SplitImages
from builder.training.train import Training
from proxies.probe.outcome import is_out_of_memory
from spaces import Architecture, Supernet


def run(settings: Settings, run: Run) -> None:
    """Train a supernet for each seed unless its accuracies are all there, and write what is missing."""
    wanted, task = settings.accuracy, settings.task.name
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    work = worker(settings, run)
    for seed in wanted.seeds:
        ledger, found = Ledger(settings, run, seed), Counter[str]()
        todo = _blocks(settings, ledger, chosen)
        count = sum(block.size for block in todo)
        if todo:
            work(_training(ledger), lambda: None)
        with tqdm(total=count, desc=f"inherit {task} seed {seed}", unit="arch", disable=not todo) as bar:
            for block in todo:
                found += work(block, bar.update)
        failed = found["error"] // len(EVALUATED)
        summary = f"{count} evaluated, {failed} failed" if todo else "nothing to do"
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {task}, "
            f"supernet {ledger.recipe}, seed {seed}: {summary}"
        )
        if failed:
            print(
                f"!!! WARNING: {failed} of {count} architectures have no accuracy; the messages of their "
                "rows say why. retry_failed=true tries them again."
            )
        write_sanity(run.root, settings.space.name, task, "supernet", ledger.recipe, seed)


def blocks(settings: Settings, run: Run) -> list[Block]:
    """Return what the table lacks, in blocks; of each seed first the training, if it is not done."""
    chosen = plan.architectures(run.root, settings.space.name, settings.accuracy.architectures)
    found = []
    for seed in settings.accuracy.seeds:
        ledger = Ledger(settings, run, seed)
        todo = _blocks(settings, ledger, chosen)
        if todo and checkpoint_of(settings) is None and not _is_trained(ledger):
            found.append(_training(ledger))
        found += todo
    return found


def _is_trained(ledger: Ledger) -> bool:
    """Return whether the supernet's checkpoint is there, and of its last epoch."""
    kept = load_checkpoint(checkpoint_path(ledger))
    return kept is not None and kept.get("epoch") == ledger.epochs


def _training(ledger: Ledger) -> Block:
    return Block("accuracy", ledger.seed, f"training-{checkpoint_path(ledger).stem}", ())


def _blocks(settings: Settings, ledger: Ledger, chosen: Sequence[Architecture]) -> list[Block]:
    size = settings.accuracy.block or of_accuracies(settings, ledger.run).block
    lacking: dict[str, tuple[str, ...]] = {a.arch_id: () for a in ledger.missing(chosen)}
    return [
        Block("accuracy", ledger.seed, ledger.part(group), group, stage=1)
        for group, _ in plan.cut(chosen, lacking, size)
    ]


def worker(settings: Settings, run: Run) -> Work:
    """Return what trains a supernet, or measures a block that inherits from it."""
    task = Task(settings.task, run.cache)

    @lru_cache(maxsize=1)
    def ready(seed: int) -> tuple[Ledger, Supernet]:
        ledger = Ledger(settings, run, seed)
        return ledger, supernet_of(settings, task, ledger)

    @lru_cache(maxsize=1)
    def splits() -> Splits:
        return Splits(settings, task, run.device)

    def work(block: Block, done: Callable[[], object]) -> Counter[str]:
        ledger, supernet = ready(block.seed)
        return _inherit(supernet, block, splits(), ledger, done) if block.architectures else Counter()

    return work


def _inherit(
    supernet: Supernet, block: Block, splits: Splits, ledger: Ledger, done: Callable[[], object]
) -> Counter[str]:
    """Measure a block's architectures and write their rows, on an interruption those there are."""
    rows: list[dict[str, Any]] = []
    try:
        for architecture in block.architectures:
            started = time.monotonic()
            try:
                results = splits.measure(supernet.extract(architecture))
                rows += ledger.rows(architecture, results, splits.images, time.monotonic() - started)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                rows += ledger.failed(architecture, first_line(error), time.monotonic() - started)
            done()
    finally:
        if rows:
            ledger.write(rows)
            ledger.run.spend(splits.take_cost())
    return Counter(row["status"] for row in rows)


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
