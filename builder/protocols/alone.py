"""What scratch and finetune share: every architecture trained alone, by one process or by several."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from builder import plan
from builder.device import open_device
from builder.errors import BuilderError, TrainingFailed
from builder.interruption import terminable
from builder.plan import Block, Work
from builder.protocols.rows import EVALUATED, Ledger, Splits, first_line, recipe_of
from builder.provenance import Cost, Run
from builder.seeds import derive_seed
from builder.settings import Settings
from builder.tasks import Task
from builder.training.images import SplitImages
from builder.training.train import Training
from proxies.probe.outcome import is_out_of_memory
from spaces import Architecture, SpaceError
from store import StoreError

# An architecture and a seed to the network that training begins with.
Begin = Callable[[Architecture, int], nn.Module]
# What makes it, once a process. A function of a module, so that another process finds it.
Beginning = Callable[[Settings, Task], Begin]
# Told after each architecture: what it took, and whether it failed.
Report = Callable[[Cost, bool], None]
# Told of an architecture for which memory ran out.
Crowded = Callable[[Architecture], None]


def run(settings: Settings, run: Run, beginning: Beginning) -> None:
    """Train every architecture that has no accuracy yet, seed by seed; each is written as it is done."""
    wanted, protocol = settings.accuracy, settings.protocol.name
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        ledger = Ledger(settings, run, seed)
        todo = rest = ledger.missing(chosen)
        failures = 0
        label = f"{protocol} {settings.task.name} seed {seed}"
        with tqdm(total=len(todo), desc=label, unit="arch", disable=not todo) as bar:

            def report(cost: Cost, failed: bool, bar: tqdm = bar) -> None:
                nonlocal failures
                failures += failed
                run.spend(cost)
                bar.update()

            if wanted.workers > 1 and len(todo) > 1:
                rest = _share(settings, run, beginning, seed, todo, report)
            if rest:
                train_all(settings, run, beginning, seed, rest, report)
        summary = f"{len(todo)} trained, {failures} failed" if todo else "nothing to do"
        print(
            f"accuracy: {len(chosen)} architectures of {settings.space.name} on {settings.task.name}, "
            f"{protocol} {ledger.recipe}, seed {seed}: {summary}"
        )


def blocks(settings: Settings, run: Run) -> list[Block]:
    """Return what the table lacks, in blocks: a training each, since it keeps its own checkpoints."""
    chosen = plan.architectures(run.root, settings.space.name, settings.accuracy.architectures)
    found = []
    for seed in settings.accuracy.seeds:
        ledger = Ledger(settings, run, seed)
        lacking: dict[str, tuple[str, ...]] = {a.arch_id: () for a in ledger.missing(chosen)}
        for group, _ in plan.cut(chosen, lacking, 1):
            found.append(Block("accuracy", seed, ledger.part(group), group))
    return found


def worker(settings: Settings, run: Run, beginning: Beginning) -> Work:
    """Return what trains a block's architectures."""

    def work(block: Block, done: Callable[[], object]) -> Counter[str]:
        statuses: Counter[str] = Counter()

        def report(cost: Cost, failed: bool) -> None:
            run.spend(cost)
            statuses["error" if failed else "ok"] += len(EVALUATED)
            done()

        train_all(settings, run, beginning, block.seed, block.architectures, report)
        return statuses

    return work


def train_all(
    settings: Settings,
    run: Run,
    beginning: Beginning,
    seed: int,
    todo: Sequence[Architecture],
    report: Report,
    crowded: Crowded | None = None,
) -> None:
    """Train these architectures one after another; each one's rows are written before it is reported.

    crowded: told of an architecture for which memory ran out beside other processes, and which has no rows.
    """
    ledger, task = Ledger(settings, run, seed), Task(settings.task, run.cache)
    splits, images = Splits(settings, task, run.device), SplitImages.of(task, "train", run.device)
    begin = beginning(settings, task)
    for architecture in todo:
        label = "" if crowded else architecture.arch_id
        try:
            rows, cost = _trained(settings, ledger, task, begin, images, splits, architecture, label)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if crowded:
                crowded(architecture)
                continue
            rows, cost = ledger.failed(architecture, first_line(error), 0.0), Cost()
        ledger.write(rows)
        report(cost, rows[0]["status"] != "ok")
        # The accuracy is the product, the weights are not; one that failed is tried anew.
        _checkpoint(ledger, architecture).unlink(missing_ok=True)


def _trained(
    settings: Settings,
    ledger: Ledger,
    task: Task,
    begin: Begin,
    images: SplitImages,
    splits: Splits,
    architecture: Architecture,
    label: str,
) -> tuple[list[dict[str, Any]], Cost]:
    """Train and measure; return the rows, those of the end first, and what it took."""
    wanted, device = settings.accuracy, ledger.run.device
    draw = derive_seed(ledger.protocol, architecture.arch_id, task.name, ledger.recipe, ledger.seed)
    network = begin(architecture, draw).to(device)
    training = training_of(network, task, images, settings, draw, label)

    def measure() -> Any:
        return splits.measure(network)

    try:
        training.run(
            _checkpoint(ledger, architecture), wanted.checkpoint_seconds, wanted.curve_epochs, measure
        )
        rows = ledger.rows(architecture, measure(), splits.images, training.seconds)
    except TrainingFailed as error:
        rows = ledger.failed(architecture, first_line(error), training.seconds)
    cost = Cost.of(training.seen, training.seconds, device)
    cost.add(splits.take_cost())
    return rows + ledger.curve(architecture, training.curve, splits.images), cost


def training_of(
    network: nn.Module, task: Task, images: SplitImages, settings: Settings, draw: int, label: str
) -> Training:
    """Return the training of a network alone, not begun."""
    return Training(network, lambda batch, _: network(batch), task, images, recipe_of(settings), draw, label)


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
) -> list[Architecture]:
    """Let several processes train, each every so many architectures; they end with this one.

    Returns the architectures for which memory ran out, which may have enough when they are alone.
    """
    Splits(settings, Task(settings.task, run.cache), run.device)  # one decodes, the others read
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
    errors: list[str] = []
    crowded: list[Architecture] = []
    silent = dict(processes)
    try:
        while silent:
            ready = wait(list(silent))
            for connection in [c for c in silent if c in ready]:
                try:
                    message = connection.recv()
                except EOFError:
                    silent.pop(connection).join()
                    continue
                match message:
                    case str():
                        errors.append(message)
                    case Architecture():
                        crowded.append(message)
                    case (cost, failed):
                        report(cost, failed)
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
    return crowded


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
            train_all(settings, run, beginning, seed, todo, lambda *done: telling.send(done), telling.send)
        except (BuilderError, SpaceError, StoreError, OSError) as error:
            telling.send(str(error))
