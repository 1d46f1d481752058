"""How long a plan will take, from a few real steps: what `dry_run=true` prints. Nothing is written."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import spaces
from builder import plan
from builder.protocols import alone, finetune, scratch, supernet
from builder.protocols.rows import Ledger, Splits, checkpoint_of, recipe_of
from builder.provenance import Run
from builder.settings import Settings
from builder.tasks import Task
from builder.text import clock
from builder.training.checkpoint import load_checkpoint
from builder.training.images import SplitImages
from builder.training.train import Training
from spaces import Architecture

_WARM, _TIMED = 3, 5
_BEGINNINGS = {"scratch": scratch.beginning, "finetune": finetune.beginning}


@dataclass(frozen=True)
class Estimate:
    """What a plan takes.

    trainings, steps, step_seconds: trainings to end, their steps all together, and the seconds of one.
    evaluations, evaluation_seconds: networks to measure on every split, points of curves too, and of one.
    workers: processes side by side. That they slow one another down is not in the estimate.
    """

    trainings: int
    steps: int
    step_seconds: float
    evaluations: int
    evaluation_seconds: float
    workers: int = 1

    @property
    def training(self) -> float:
        """Seconds of all trainings."""
        return self.steps * self.step_seconds / self.workers

    @property
    def evaluating(self) -> float:
        """Seconds of all evaluations."""
        return self.evaluations * self.evaluation_seconds / self.workers

    @property
    def total(self) -> float:
        """Seconds of all."""
        return self.training + self.evaluating

    def text(self) -> str:
        """Return it as a small table."""
        lines = {
            "trainings": f"{self.trainings:,}",
            "steps": f"{self.steps:,}, {self.step_seconds:.4f} seconds each",
            "evaluations": f"{self.evaluations:,}, {self.evaluation_seconds:.4f} seconds each",
            "workers": f"{self.workers}",
            "training": clock(self.training),
            "evaluation": clock(self.evaluating),
            "total": clock(self.total),
        }
        return "\n".join(f"  {name:<12}{value}" for name, value in lines.items())


def run(settings: Settings, run: Run) -> None:
    """Print how long what is missing would take; rows that are there are not counted."""
    space, name = settings.space.name, settings.protocol.name
    chosen = plan.architectures(run.root, space, settings.accuracy.architectures)
    ledgers = [Ledger(settings, run, seed) for seed in settings.accuracy.seeds]
    missing = {ledger: ledger.missing(chosen) for ledger in ledgers}
    todo = sum(len(found) for found in missing.values())
    print(
        f"accuracy: dry run of {name} {ledgers[0].recipe} on {settings.task.name}, {todo} of "
        f"{len(chosen) * len(ledgers)} accuracies of {space} missing; nothing was written"
    )
    if todo:
        print(_measured(settings, missing).text())


def estimate(
    settings: Settings,
    networks: int,
    trainings: int,
    steps: int,
    taken: int,
    step_seconds: float,
    evaluation_seconds: float,
) -> Estimate:
    """Return what a plan takes.

    networks:  to be measured.
    trainings: to be ended; of `steps` steps an epoch, of which checkpoints have `taken` behind them.
    step_seconds, evaluation_seconds: of one step, and of one network on every split.
    """
    wanted, points, workers = settings.accuracy, 1, 1
    epochs = recipe_of(settings).epochs if trainings else 0
    if settings.protocol.name != "supernet":
        workers = wanted.workers
        if wanted.curve_epochs:
            points += (epochs - 1) // wanted.curve_epochs
    todo = trainings * epochs * steps - taken
    return Estimate(trainings, todo, step_seconds, networks * points, evaluation_seconds, workers)


def _measured(settings: Settings, missing: dict[Ledger, list[Architecture]]) -> Estimate:
    """Measure steps and evaluations of the median architecture; of a supernet, steps of drawn ones."""
    todo = [architecture for found in missing.values() for architecture in found]
    ledgers = [ledger for ledger, found in missing.items() if found]
    # Without a folder for decoded images: a dry run writes nothing.
    task, device = Task(settings.task), ledgers[0].run.device
    median = sorted(todo, key=spaces.get(settings.space.name).params)[len(todo) // 2]
    splits = Splits(settings, task, device)
    if settings.protocol.name != "supernet":
        network = _BEGINNINGS[settings.protocol.name](settings, task)(median, 0).to(device)
        images = SplitImages.of(task, "train", device)
        training = alone.training_of(network, task, images, settings, 0, "")
        seconds = _step_seconds(training), _evaluation_seconds(lambda: network, splits)
        return estimate(settings, len(todo), len(todo), training.steps, 0, *seconds)
    if checkpoint_of(settings) is not None:
        shared = supernet.supernet_of(settings, task, ledgers[0])
        return estimate(
            settings, len(todo), 0, 0, 0, 0.0, _evaluation_seconds(lambda: shared.extract(median), splits)
        )
    trained, training = supernet.training_of(settings, task, ledgers[0])
    seconds = _step_seconds(training), _evaluation_seconds(lambda: trained.extract(median), splits)
    taken = sum(_taken(ledger, training.steps) for ledger in ledgers)
    return estimate(settings, len(todo), len(ledgers), training.steps, taken, *seconds)


def _taken(ledger: Ledger, steps: int) -> int:
    """Return the steps that a supernet's checkpoint has behind it."""
    state = load_checkpoint(supernet.checkpoint_path(ledger))
    return 0 if state is None else state["epoch"] * steps + state["step"]


def _step_seconds(training: Training) -> float:
    """Return the median seconds of a step."""
    images = training.images
    size = min(training.recipe.batch_size, len(images))
    order = torch.arange((_WARM + _TIMED) * size) % len(images)
    seconds = []
    for pixels, labels in images.batches(order, size):
        started = _now(training.device)
        training.take_step(pixels, labels)
        seconds.append(_now(training.device) - started)
    return statistics.median(seconds[_WARM:])


def _evaluation_seconds(inherit: Callable[[], nn.Module], splits: Splits) -> float:
    """Return the seconds to get a network and measure it, by the second time on a batch of each split."""
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        network = inherit()
        total = time.monotonic() - started
        for evaluation in splits.evaluations.values():
            started = time.monotonic()
            evaluation.measure(network, batches=1)
            total += (time.monotonic() - started) * math.ceil(len(evaluation) / evaluation.batch_size)
        seconds.append(total)
    return seconds[-1]


def _now(device: torch.device) -> float:
    """Return the time at which the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
