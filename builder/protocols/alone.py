"""What scratch and finetune share: every architecture trained alone, by one process or by several."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from builder import plan
from builder.device import open_device
from builder.errors import BuilderError, TrainingFailed
from builder.interruption import terminable
from builder.protocols.rows import Ledger, Splits, recipe_of
from builder.provenance import Cost, Run
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.images import SplitImages
from builder.training.train import Training
from spaces import Architecture, SpaceError
from store import StoreError

# An architecture and a seed to the network that training begins with.
Begin = Callable[[Architecture, int], nn.Module]
# What makes it, once a process. A function of a module, so that another process finds it.
Beginning = Callable[[Settings, Task], Begin]
# Told after each architecture: what it took, and whether it failed.
Report = Callable[[Cost, bool], None]


def run(settings: Settings, run: Run, beginning: Beginning) -> None:
    """Train every architecture that has no accuracy yet, seed by seed; each is written as it is done."""
    wanted, protocol = settings.accuracy, settings.protocol.name
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo = ledger.missing(chosen)
        failures = 0
        label = f"{protocol} {settings.task.name} seed {seed}"
        with tqdm(total=len(todo), desc=label, unit="arch", disable=not todo) as bar:

            def report(cost: Cost, failed: bool, bar: tqdm = bar) -> None:
                nonlocal failures
                failures += failed
                run.spend(cost)
                bar.update()

            if wanted.workers > 1 and len(todo) > 1:
                _share(settings, run, beginning, seed, todo, report)
            elif todo:
                train_all(settings, run, beginning, seed, todo, report)
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {settings.task.name}, "
            f"{protocol} {ledger.recipe}, seed {seed}: {len(todo)} trained, {failures} failed"
        )


def train_all(
    settings: Settings,
    run: Run,
    beginning: Beginning,
    seed: int,
    todo: Sequence[Architecture],
    report: Report,
    bars: bool = True,
) -> None:
    """Train these architectures one after another; each one's rows are written before it is reported."""
    ledger, task = Ledger(settings, run, seed), Task(settings.task, run.root / "cache")
    splits, images = Splits(settings, task, run.device), SplitImages.of(task, "train", run.device)
    begin = beginning(settings, task)
    for architecture in todo:
        draw = derive_seed(ledger.protocol, architecture.arch_id, task.name, ledger.recipe, seed)
        network = begin(architecture, draw).to(run.device)
        training = training_of(network, task, images, settings, draw, architecture.arch_id if bars else "")
        rows = _rows(settings, ledger, architecture, training, splits)
        ledger.write(rows)
        cost = Cost.of(training.seen, training.seconds, run.device)
        cost.add(splits.take_cost())
        report(cost, rows[0]["status"] != "ok")
        # The accuracy is the product, the weights are not; one that failed is tried anew.
        _checkpoint(ledger, architecture).unlink(missing_ok=True)


def training_of(
    network: nn.Module, task: Task, images: SplitImages, settings: Settings, draw: int, label: str
) -> Training:
    """Return the training of a network alone, not begun."""
    return Training(network, lambda batch, _: network(batch), task, images, recipe_of(settings), draw, label)


def _rows(
    settings: Settings, ledger: Ledger, architecture: Architecture, training: Training, splits: Splits
) -> list[dict[str, Any]]:
    """Train, measure, and return the rows: the end's, then those of the learning curve."""
    wanted = settings.accuracy

    def measure() -> Any:
        return splits.measure(training.network)

    try:
        training.run(
            _checkpoint(ledger, architecture), wanted.checkpoint_seconds, wanted.curve_epochs, measure
        )
        rows = ledger.rows(architecture, measure(), splits.images, training.seconds)
    except (TrainingFailed, torch.OutOfMemoryError) as error:
        rows = ledger.failed(architecture, str(error).splitlines()[0], training.seconds)
    return rows + ledger.curve(architecture, training.curve, splits.images)


def _checkpoint(ledger: Ledger, architecture: Architecture) -> Path:
    name = f"{architecture.arch_id}-{ledger.task}-{ledger.recipe}-seed{ledger.seed}.pt"
    return ledger.run.root / "checkpoints" / name


def _share(
    settings: Settings,
    run: Run,
    beginning: Beginning,
    seed: int,
    todo: Sequence[Architecture],
    report: Report,
) -> None:
    """Let several processes train, each every so many architectures; they end with this one."""
    context = multiprocessing.get_context("spawn")
    workers = min(settings.accuracy.workers, len(todo))
    processes = {}
    for index in range(workers):
        listening, telling = context.Pipe(duplex=False)
        share = todo[index::workers]
        process = context.Process(target=_work, args=(settings, run, beginning, seed, share, telling))
        process.start()
        telling.close()  # the worker's copy alone is open: its end is the worker's
        processes[listening] = process
    errors, silent = [], dict(processes)
    try:
        while silent:
            ready = wait(list(silent))
            for connection in [c for c in silent if c in ready]:
                try:
                    message = connection.recv()
                except EOFError:
                    silent.pop(connection).join()
                    continue
                if isinstance(message, str):
                    errors.append(message)
                else:
                    report(*message)
    finally:
        for process in processes.values():
            process.terminate()  # those still at work save first
        for process in processes.values():
            process.join()
    errors += [
        f"A worker ended with exit code {process.exitcode}. The same command goes on from here."
        for process in processes.values()
        if process.exitcode
    ]
    if errors:
        raise BuilderError(errors[0])


def _work(
    settings: Settings,
    run: Run,
    beginning: Beginning,
    seed: int,
    todo: Sequence[Architecture],
    telling: Connection,
) -> None:
    """Train in a process of its own; tell the costs, or at the end the mistake."""
    # A terminal sends Ctrl-C to all: the process that shares the work out passes it on, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open_device(settings, settings.accuracy.workers)
    with terminable():
        try:
            train_all(
                settings, run, beginning, seed, todo, lambda *outcome: telling.send(outcome), bars=False
            )
        except (BuilderError, SpaceError, StoreError, OSError) as error:
            telling.send(str(error))
