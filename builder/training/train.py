"""One training loop for every protocol: what is trained, and what a step computes, is the caller's."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from builder.errors import BuilderError, TrainingFailed
from builder.interruption import Postponed
from builder.seeds import derive_seed, generator
from builder.settings.protocol import Recipe
from builder.tasks import Task
from builder.training.augment import augment, mix
from builder.training.checkpoint import load_checkpoint, save_checkpoint
from builder.training.images import SplitImages

# What a training step computes: images and a generator for its own draws to logits.
Forward = Callable[[Tensor, random.Random], Tensor]
# Accuracy (fraction 0..1) and mean cross-entropy (nats) of each split.
Results = dict[str, tuple[float, float]]
Measure = Callable[[], Results]
# By epochs trained: the seconds of training until then, and the results.
Curve = dict[int, tuple[float, Results]]

# Where a training is; with the weights and the optimizer's state all that the next step depends on.
_POSITION = ("epoch", "step", "seen", "seconds", "curve", "charged")


class Training:
    """A training of one network, in place.

    network: holds the parameters.
    forward: images (batch, channels, side, side) and a generator to logits (batch, classes).
    task:    normalises the images and says whether they may be mirrored.
    images:  what is trained on, on the network's device.
    recipe:  how.
    seed:    with epoch and step, of every draw: order, augmentation, what `forward` draws. As every step's
             draws are its own, a training that was interrupted ends in the weights it would have had.
    label:   beside the progress bar; empty: no bar.

    `epoch` and `step` say what comes next; `seconds` what the training took so far, `seen` the images it was
    shown, both with those before an interruption; `charged` whether these were recorded; `curve` holds what
    was measured on the way.
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
        self.parameters = list(network.parameters())
        self.device = self.parameters[0].device
        self.optimizer = _optimizer(network, recipe)
        self.average = [parameter.detach().clone() for parameter in self.parameters] if recipe.ema else []
        self.steps = math.ceil(len(images) / recipe.batch_size)
        self.epoch = self.step = self.seen = 0
        self.seconds = 0.0
        self.charged = False
        self.loss = torch.zeros((), dtype=torch.float64, device=self.device)
        self.curve: Curve = {}

    def run(
        self,
        checkpoint: Path,
        checkpoint_seconds: float,
        curve_epochs: int | None = None,
        measure: Measure | None = None,
    ) -> bool:
        """Train to the recipe's last epoch, from where the checkpoint stops if there is one.

        checkpoint:         where the state is kept.
        checkpoint_seconds: least time between two of them. There is one at the end too, and one before Ctrl-C
                            or SIGTERM end the process.
        curve_epochs:       epochs between two calls of `measure`, not at the end; default none.
        measure:            gives the results of the network as it is.

        The network ends with the weights to be evaluated: the averaged ones if the recipe has an average.
        Returns whether there was anything left to train. Raises TrainingFailed when the loss is no longer a
        number, BuilderError when the checkpoint is of something else.
        """
        self._resume(checkpoint)
        epochs = self.recipe.epochs
        if self.epoch or self.step:
            name = self.label or "training"
            print(f"{name}: goes on after epoch {self.epoch} of {epochs}, step {self.step}")
        self.network.train()
        self._mark = self._saved = time.monotonic()
        total, done = epochs * self.steps, self.position
        options: dict[str, Any] = {"unit": "step", "leave": None, "disable": not self.label}
        with Postponed() as stop, tqdm(total=total, desc=self.label, initial=done, **options) as bar:
            while self.epoch < epochs and not stop.asked:
                for _ in self._rest_of_epoch():
                    bar.update()
                    if stop.asked:
                        break
                    if time.monotonic() - self._saved > checkpoint_seconds:
                        self._save(checkpoint)
                else:
                    bar.set_postfix(loss=f"{self._end_epoch():.3f}")
                    if self.epoch == epochs:
                        self._save(checkpoint)
                    elif measure and curve_epochs and self.epoch % curve_epochs == 0:
                        self._measure(measure)
            if stop.asked:
                self._save(checkpoint)
        if stop.asked:
            raise KeyboardInterrupt  # where the signal itself, delivered above, did not end the process
        self._keep_average()
        return done < total

    def charge(self, checkpoint: Path) -> None:
        """Remember, beside a training that has ended, that its cost was recorded."""
        self.charged = True
        self._save(checkpoint)

    @property
    def position(self) -> int:
        """The number of steps taken."""
        return self.epoch * self.steps + self.step

    def _rest_of_epoch(self) -> Iterator[None]:
        """Take the steps of this epoch that were not taken yet, one at a time."""
        order = torch.randperm(len(self.images), generator=generator("order", self.seed, self.epoch))
        for pixels, labels in self.images.batches(order, self.recipe.batch_size, self.step):
            self.take_step(pixels, labels)
            self.seconds, self._mark = self.seconds + time.monotonic() - self._mark, time.monotonic()
            yield

    def take_step(self, pixels: Tensor, labels: Tensor) -> None:
        """Take the next step.

        pixels: (batch, channels, side, side) uint8. labels: (batch,) int64. Nothing in here waits for the
        device, which else stands still while the host prepares.
        """
        recipe = self.recipe
        position = self.position
        draws = generator("step", self.seed, position)
        choices = random.Random(derive_seed("choices", self.seed, position // recipe.hold))
        images = augment(pixels, recipe.augmentation, self.task.settings.flip, draws)
        images, targets = self._mixed(self.task.normalise(images), labels, draws)
        bfloat16 = recipe.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            logits = self.forward(images, choices)
        # Labels are smoothed here, mixed targets are smooth already.
        smoothing = 0.0 if targets.is_floating_point() else recipe.label_smoothing
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters, recipe.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, self.epoch + self.step / self.steps)
        self.optimizer.step()
        if recipe.ema:
            # The first averages are short, or the initial weights would stay in them for long.
            share = max(1 - recipe.ema, 9 / (10 + position))
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], share)
        self.loss += loss.detach()
        self.step += 1
        self.seen += len(labels)

    def _mixed(self, images: Tensor, labels: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return images and what they should be told as: labels, or targets (batch, classes) if mixed."""
        recipe, classes = self.recipe, self.task.settings.classes
        if not (recipe.augmentation.mixup or recipe.augmentation.cutmix):
            return images, labels
        return mix(images, labels, classes, recipe.augmentation, recipe.label_smoothing, draws)

    def _end_epoch(self) -> float:
        """Begin the next epoch and return the mean loss of the one that ended."""
        loss = float(self.loss) / self.steps
        self.epoch, self.step = self.epoch + 1, 0
        self.loss.zero_()
        if not math.isfinite(loss):
            raise TrainingFailed(f"the loss became {loss} in epoch {self.epoch}; lower the learning rate")
        return loss

    def _measure(self, measure: Measure) -> None:
        """Add a point to the curve; its time is not the training's."""
        self._swap_average()
        self.curve[self.epoch] = (self.seconds, measure())
        self._swap_average()
        self.network.train()
        self._mark = time.monotonic()

    def _swap_average(self) -> None:
        """Exchange the weights and their average."""
        for parameter, average in zip(self.parameters, self.average, strict=False):
            parameter.data, average.data = average.data, parameter.data

    def _keep_average(self) -> None:
        """Give the network the averaged weights."""
        if self.average:
            with torch.no_grad():
                torch._foreach_copy_([*self.parameters], self.average)

    def _save(self, path: Path) -> None:
        """Keep all that the next step depends on; `model` is what would be evaluated now."""
        trained = self.network.state_dict()
        names = [name for name, _ in self.network.named_parameters()]
        average = dict(zip(names, self.average, strict=False))
        state = {"model": {**trained, **average}, "optimizer": self.optimizer.state_dict()}
        if self.average:
            state["trained"] = trained
        for name in _POSITION:
            state[name] = getattr(self, name)
        save_checkpoint(path, {**state, "loss": float(self.loss)})
        self._saved = self._mark = time.monotonic()

    def _resume(self, path: Path) -> None:
        """Load a checkpoint if there is one."""
        state = load_checkpoint(path)
        if state is None:
            return
        try:
            self.network.load_state_dict(state["trained" if self.average else "model"])
            for (name, _), average in zip(self.network.named_parameters(), self.average, strict=False):
                average.copy_(state["model"][name])
            self.optimizer.load_state_dict(state["optimizer"])
            for name in _POSITION:
                setattr(self, name, state[name])
            self.loss.fill_(state["loss"])
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
    # Fused: one pass over all weights; five times faster on a CPU too.
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
