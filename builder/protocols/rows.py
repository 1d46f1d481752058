"""What the trained protocols share: a recipe's id, and rows of accuracies from an evaluation."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builder import plan
from builder.errors import BuilderError
from builder.provenance import Run, deciding
from builder.settings import Recipe, Settings
from builder.tasks import Task
from builder.training.images import SplitImages
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


def recipe_id(settings: Settings) -> str:
    """Return a name and 8 hex digits of all that decides an accuracy, but space, task's name and seed.

    That is the recipe, or the content of the checkpoint inherited from, and how the task shows its images.
    """
    shown = deciding(settings.task)
    if settings.protocol.checkpoint is None:
        recipe = asdict(recipe_of(settings))
        return f"{recipe['name']}-{_digest(recipe, shown)}"
    path = Path(settings.protocol.checkpoint).expanduser()
    if not path.is_file():
        raise BuilderError(f"protocol.checkpoint={path} does not exist.")
    with path.open("rb") as file:
        return f"inherited-{_digest(hashlib.file_digest(file, 'sha256').hexdigest(), shown)}"


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
        checkpoint = settings.protocol.checkpoint
        # How long a checkpoint was trained is not ours to say.
        self.epochs = recipe_of(settings).epochs if checkpoint is None else 0
        self.source = "trained here" if checkpoint is None else f"inherited from {Path(checkpoint).name}"

    def missing(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """Return the architectures that lack a row, in their order."""
        keys = [self._key(architecture, split) for architecture in architectures for split in EVALUATED]
        absent = plan.missing(self.run.root, "accuracies", keys, self.retry_failed)
        ids = {key["arch_id"] for key in absent}
        return [architecture for architecture in architectures if architecture.arch_id in ids]

    def rows(
        self,
        architecture: Architecture,
        results: dict[str, tuple[float, float]],
        images: dict[str, SplitImages],
        seconds: float,
    ) -> list[dict[str, Any]]:
        """Return an architecture's rows, for each split accuracy (0..1) and loss; failed if that is none."""
        if not all(math.isfinite(loss) for _, loss in results.values()):
            return self.failed(architecture, "the loss of the trained network is not a number", seconds)
        return [
            {
                **self._key(architecture, split),
                "accuracy": accuracy,
                "loss": loss,
                "images": len(images[split].labels),
                "seconds": seconds,
                "source": self.source,
                "status": "ok",
                "message": None,
                "run_id": self.run.id,
            }
            for split, (accuracy, loss) in results.items()
        ]

    def failed(self, architecture: Architecture, message: str, seconds: float) -> list[dict[str, Any]]:
        """Return an architecture's rows when its training failed: nulls with the reason."""
        nothing = {"accuracy": None, "loss": None, "images": None, "seconds": seconds}
        end = {"source": self.source, "status": "error", "message": message, "run_id": self.run.id}
        return [{**self._key(architecture, split), **nothing, **end} for split in EVALUATED]

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write rows as one part file, named after what it holds."""
        keys = [(row["arch_id"], row["split"]) for row in rows]
        name = part_name(self.space, self.task, self.protocol, self.recipe, f"seed{self.seed}", keys=keys)
        write_part(self.run.root, "accuracies", rows, name)

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


def splits_of(task: Task, run: Run) -> dict[str, SplitImages]:
    """Return the splits that accuracies are measured on, on the run's device."""
    return {split: SplitImages.of(task, split, run.device) for split in EVALUATED}
