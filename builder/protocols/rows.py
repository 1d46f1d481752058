"""What the trained protocols share: a recipe's id, and rows of accuracies from an evaluation."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from builder import plan
from builder.costs import Costs
from builder.errors import BuilderError
from builder.plan import Wanted
from builder.provenance import Cost, Run, deciding
from builder.settings import Settings
from builder.settings.protocol import Recipe
from builder.tasks import Task
from builder.training.evaluate import Evaluation
from builder.training.images import SplitImages
from builder.training.train import Curve, Results
from spaces import Architecture
from store.write import part_name, write_part

EVALUATED = ("validation", "test")


def recipe_of(settings: Settings) -> Recipe:
    """Return the protocol's recipe; BuilderError if its configuration has none."""
    if settings.protocol.recipe is None:
        raise BuilderError(
            f"Protocol '{settings.protocol.name}' needs a recipe; conf/protocol/ has examples."
        )
    return settings.protocol.recipe


def precision_of(settings: Settings) -> str:
    """Return the precision of an evaluation: the recipe's, whether the weights are of the recipe or not."""
    recipe = settings.protocol.recipe
    return "float32" if recipe is None else recipe.precision


def checkpoint_of(settings: Settings) -> Path | None:
    """Return the file of weights to inherit from, None if there is none; BuilderError if it is not there."""
    if settings.protocol.checkpoint is None:
        return None
    path = Path(settings.protocol.checkpoint)
    with contextlib.suppress(RuntimeError):  # ~name of nobody
        path = path.expanduser()
    if not path.is_file():
        raise BuilderError(f"protocol.checkpoint={path} does not exist.")
    return path


def first_line(error: Exception) -> str:
    """Return the first line of an error, as a row's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def recipe_id(settings: Settings) -> str:
    """Return a name and 8 hex digits of all that decides an accuracy, but space, task's name and seed.

    That is the recipe, the content of the checkpoint inherited from, and how the task shows its images; where
    nothing is trained, of the recipe only the precision.
    """
    shown, path = deciding(settings.task), checkpoint_of(settings)
    if path is None:
        recipe = asdict(recipe_of(settings))
        return f"{recipe['name']}-{_digest(recipe, shown)}"
    with path.open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    if settings.protocol.name == "supernet":
        return f"inherited-{_digest(weights, precision_of(settings), shown)}"
    recipe = asdict(recipe_of(settings))
    return f"{recipe['name']}-{_digest(recipe, weights, shown)}"


def _digest(*content: Any) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=4).hexdigest()


class Ledger:
    """The rows of one protocol, recipe and seed: which are missing, and how one is written.

    settings: the protocol, its recipe, task and space.
    run:      the run that writes them.
    seed:     of the training.
    """

    def __init__(self, settings: Settings, run: Run, seed: int) -> None:
        self.run, self.seed, self.retry_failed = run, seed, settings.retry_failed
        self.task, self.protocol = settings.task.name, settings.protocol.name
        self.space, self.recipe = settings.space.name, recipe_id(settings)
        path = checkpoint_of(settings)
        inherited = path is not None and self.protocol == "supernet"
        # How long a checkpoint was trained is not ours to say.
        self.epochs = 0 if inherited else recipe_of(settings).epochs
        self.source = "trained here"
        if path is not None:
            self.source = f"{'inherited' if inherited else 'tuned'} from {path.name}"
        if settings.task.path is not None:  # not part of the key, so that the row itself has to tell
            self.source += f" on a local copy: {Path(settings.task.path).expanduser().absolute().name}"

    def missing(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """Return the architectures that lack a row, in their order."""
        keys = [self._key(architecture, split) for architecture in architectures for split in EVALUATED]
        absent = plan.missing(self.run.root, "accuracies", keys, self.retry_failed)
        ids = {key["arch_id"] for key in absent}
        return [architecture for architecture in architectures if architecture.arch_id in ids]

    def rows(
        self, architecture: Architecture, results: Results, images: dict[str, int], seconds: float
    ) -> list[dict[str, Any]]:
        """Return an architecture's rows at the end of training; failed if a loss is not a number.

        results: accuracy (0..1) and loss of each split. images: how many a split has.
        """
        if not all(math.isfinite(loss) for _, loss in results.values()):
            return self.failed(architecture, "the loss of the trained network is not a number", seconds)
        return self._measured(architecture, results, images, seconds, self.epochs)

    def curve(self, architecture: Architecture, curve: Curve, images: dict[str, int]) -> list[dict[str, Any]]:
        """Return an architecture's rows on the way to the last epoch, where the loss is a number."""
        rows = []
        for epoch, (seconds, results) in curve.items():
            if all(math.isfinite(loss) for _, loss in results.values()):
                rows += self._measured(architecture, results, images, seconds, epoch)
        return rows

    def failed(self, architecture: Architecture, message: str, seconds: float) -> list[dict[str, Any]]:
        """Return an architecture's rows when its training failed: nulls with the reason."""
        nothing = {"accuracy": None, "loss": None, "images": None, "seconds": seconds}
        end = {"source": self.source, "status": "error", "message": message, "run_id": self.run.id}
        return [{**self._key(architecture, split), **nothing, **end} for split in EVALUATED]

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write rows as one part file, named after what it holds."""
        keys = [(row["arch_id"], row["split"]) for row in rows if row["epoch"] == self.epochs]
        write_part(self.run.root, "accuracies", rows, self._part(keys))

    def part(self, architectures: Sequence[Architecture]) -> str:
        """Return the name of the part that holds these architectures' rows."""
        return self._part([(a.arch_id, split) for a in architectures for split in EVALUATED])

    def _part(self, keys: Sequence[tuple[str, str]]) -> str:
        return part_name(self.space, self.task, self.protocol, self.recipe, f"seed{self.seed}", keys=keys)

    def _measured(
        self,
        architecture: Architecture,
        results: Results,
        images: dict[str, int],
        seconds: float,
        epoch: int,
    ) -> list[dict[str, Any]]:
        return [
            {
                **self._key(architecture, split),
                "epoch": epoch,
                "accuracy": accuracy,
                "loss": loss,
                "images": images[split],
                "seconds": seconds,
                "source": self.source,
                "status": "ok",
                "message": None,
                "run_id": self.run.id,
            }
            for split, (accuracy, loss) in results.items()
        ]

    def _key(self, architecture: Architecture, split: str) -> dict[str, Any]:
        return {
            "arch_id": architecture.arch_id,
            "task": self.task,
            "protocol": self.protocol,
            "recipe": self.recipe,
            "seed": self.seed,
            "split": split,
            "epoch": self.epochs,
        }


def of_accuracies(settings: Settings, run: Run) -> Wanted:
    """Return all that a command wants of the accuracies, done or not, as it was noted first."""
    space, task, ledger = settings.space.name, settings.task.name, Ledger(settings, run, 0)
    keys: dict[str, list[Any]] = {
        "arch_id": plan.ids(run.root, space, settings.accuracy.architectures),
        "task": [task],
        "protocol": [ledger.protocol],
        "recipe": [ledger.recipe],
        "seed": list(settings.accuracy.seeds),
        "split": list(EVALUATED),
        "epoch": [ledger.epochs],
    }
    label = f"{ledger.protocol} {ledger.recipe} seed"
    asked = Wanted("accuracy", "accuracies", space, task, keys, by="seed", label=label)
    return asked.noted(run.root, lambda: Costs(settings, run.root, ledger.recipe).block_size("accuracy"))


class Splits:
    """The splits that accuracies are measured on, on a device.

    settings: batch size and precision.
    task:     whose images.
    device:   where they and the networks are.
    """

    def __init__(self, settings: Settings, task: Task, device: torch.device) -> None:
        size, precision = settings.accuracy.evaluation_batch_size, precision_of(settings)
        self.evaluations = {
            split: Evaluation(task, SplitImages.of(task, split, device), size, precision)
            for split in EVALUATED
        }
        self._device, self._cost = device, Cost()

    def measure(self, network: nn.Module) -> Results:
        """Return a network's accuracy (0..1) and loss on each split."""
        started = time.monotonic()
        results = {split: evaluation.measure(network) for split, evaluation in self.evaluations.items()}
        shown = sum(self.images.values())
        self._cost.add(Cost.of(shown, time.monotonic() - started, self._device))
        return results

    @property
    def images(self) -> dict[str, int]:
        """How many images of each split were measured last."""
        return {split: evaluation.measured for split, evaluation in self.evaluations.items()}

    def take_cost(self) -> Cost:
        """Return what measuring took since this was last asked."""
        cost, self._cost = self._cost, Cost()
        return cost
