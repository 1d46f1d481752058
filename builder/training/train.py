"""One training loop for every protocol: what is trained, and what a step computes, is the caller's."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from builder.errors import BuilderError, TrainingFailed
from builder.seeds import derive_seed, generator
from builder.settings import Recipe
from builder.tasks import Task
from builder.training.augment import Augmentation, augment
from builder.training.checkpoint import load_checkpoint, save_checkpoint
from builder.training.images import SplitImages

# What a training step computes: images and a generator for its own draws to logits.
Forward = Callable[[Tensor, random.Random], Tensor]


class Training:
    """A training of one network, in place.

    network: holds the parameters.
    forward: images (batch, channels, side, side) and a generator to logits (batch, classes).
    task:    normalises the images and says whether they may be mirrored.
    images:  what is trained on, on the network's device.
    recipe:  how.
    seed:    with the epoch, of every draw: order, augmentation, what `forward` draws. As every epoch's draws
             are its own, a training that was interrupted ends in the weights it would have had.
    label:   beside the progress bar.
    """

    def __init__(
        self,
        network: nn.Module,
        forward: Forward,
        task: Task,
        images: SplitImages,
        recipe: Recipe,
        seed: int,
        label: str,
    ) -> None:
        self.network, self.forward, self.task, self.images = network, forward, task, images
        self.recipe, self.seed, self.label = recipe, seed, label
        self.optimizer = _optimizer(network, recipe)

    def run(self, checkpoint: Path, checkpoint_seconds: float) -> float:
        """Train to the recipe's last epoch, from where the checkpoint stops if there is one.

        checkpoint:         where the state after an epoch is kept.
        checkpoint_seconds: least time between two of them.

        Returns the seconds trained, those before an interruption included. Raises TrainingFailed when the
        loss is no longer a number, BuilderError when the checkpoint is of something else.
        """
        done, spent = self._resume(checkpoint)
        epochs = self.recipe.epochs
        if done:
            print(f"{self.label}: goes on after epoch {done} of {epochs}")
        started = saved = time.monotonic()
        self.network.train()
        bar = tqdm(range(done, epochs), self.label, initial=done, total=epochs, unit="epoch")
        for epoch in bar:
            loss = self._epoch(epoch)
            bar.set_postfix(loss=f"{loss:.3f}")
            if epoch + 1 == epochs or time.monotonic() - saved > checkpoint_seconds:
                saved = time.monotonic()
                self._save(checkpoint, epoch + 1, spent + saved - started)
        return spent + time.monotonic() - started

    def _epoch(self, epoch: int) -> float:
        """Train one epoch and return its mean loss."""
        draws = generator("epoch", self.seed, epoch)
        choices = random.Random(derive_seed("choices", self.seed, epoch))
        order = torch.randperm(len(self.images), generator=draws)
        steps = math.ceil(len(order) / self.recipe.batch_size)
        total = torch.zeros((), device=self.images.labels.device)
        for step, (pixels, labels) in enumerate(self.images.batches(order, self.recipe.batch_size)):
            rate = learning_rate(self.recipe, epoch + step / steps)
            total += self._step(pixels, labels, rate, draws, choices)
        loss = float(total) / steps
        if not math.isfinite(loss):
            raise TrainingFailed(f"the loss became {loss} in epoch {epoch + 1}; lower the learning rate")
        return loss

    def _step(
        self, pixels: Tensor, labels: Tensor, rate: float, draws: torch.Generator, choices: random.Random
    ) -> Tensor:
        """Take one step on these images, and return the loss."""
        recipe = self.recipe
        pixels = augment(pixels, Augmentation(shift=recipe.shift), self.task.settings.flip, draws)
        bfloat16 = recipe.precision == "bfloat16"
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=bfloat16):
            logits = self.forward(self.task.normalise(pixels), choices)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss.detach()

    def _save(self, path: Path, epoch: int, seconds: float) -> None:
        state = {"model": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(path, {**state, "epoch": epoch, "seconds": seconds})

    def _resume(self, path: Path) -> tuple[int, float]:
        """Load a checkpoint if there is one; return the epochs done and the seconds they took."""
        state = load_checkpoint(path)
        if state is None:
            return 0, 0.0
        try:
            self.network.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            return state["epoch"], state["seconds"]
        except (RuntimeError, ValueError, KeyError):
            raise BuilderError(
                f"Checkpoint {path} is not of this network. Delete it to train anew."
            ) from None


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Return the rate at a point of training: a linear warm-up, then a cosine to zero."""
    if epoch < recipe.warmup_epochs:
        return recipe.learning_rate * max(epoch, 1e-3) / recipe.warmup_epochs
    progress = (epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; matrices decay, norms, biases, tokens and positions do not."""
    decayed = [module.weight for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    ids = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in network.parameters() if id(parameter) not in ids]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
