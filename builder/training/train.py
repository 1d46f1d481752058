"""One training loop for every protocol: what is trained, and what a step computes, is the caller's."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from builder.errors import BuilderError
from builder.seeds import derive_seed, generator
from builder.settings import Recipe
from builder.tasks import Task
from builder.training.augment import augment
from builder.training.checkpoint import load_checkpoint, save_checkpoint

# What a training step computes: images and a generator for its own draws to logits.
Forward = Callable[[Tensor, random.Random], Tensor]


def train(
    network: nn.Module,
    forward: Forward,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path,
    checkpoint_seconds: float,
    label: str,
) -> float:
    """Train a network in place on a task's training split.

    network:    holds the parameters; its device is used.
    forward:    images (batch, channels, side, side) and a generator to logits (batch, classes).
    seed:       with the epoch, of every draw: order, augmentation, what `forward` draws.
    checkpoint: where the state after an epoch is kept; a training that was killed goes on from there and ends
                in the same weights, since every epoch's draws are its own.
    checkpoint_seconds: least time between two of them.
    label:      beside the progress bar.

    Returns the seconds trained, those before an interruption included. Raises BuilderError when the loss is
    no longer a number.
    """
    device = next(network.parameters()).device
    pixels, labels = task.pixels("train").to(device), task.labels("train").to(device)
    optimizer = _optimizer(network, recipe)
    done, spent = _resume(checkpoint, network, optimizer)
    if done:
        print(f"{label}: goes on after epoch {done} of {recipe.epochs}")
    started = saved = time.monotonic()
    network.train()
    bar = tqdm(range(done, recipe.epochs), label, initial=done, total=recipe.epochs, unit="epoch")
    for epoch in bar:
        loss = _epoch(network, forward, optimizer, pixels, labels, task, recipe, seed, epoch)
        if not math.isfinite(loss):
            raise BuilderError(
                f"{label}: the loss became {loss} in epoch {epoch + 1}. Lower the learning rate."
            )
        bar.set_postfix(loss=f"{loss:.3f}")
        last = epoch + 1 == recipe.epochs
        if last or time.monotonic() - saved > checkpoint_seconds:
            saved = time.monotonic()
            state = {"model": network.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(checkpoint, {**state, "epoch": epoch + 1, "seconds": spent + saved - started})
    return spent + time.monotonic() - started


def _epoch(
    network: nn.Module,
    forward: Forward,
    optimizer: torch.optim.Optimizer,
    pixels: Tensor,
    labels: Tensor,
    task: Task,
    recipe: Recipe,
    seed: int,
    epoch: int,
) -> float:
    """Train one epoch and return its mean loss."""
    draws = generator("epoch", seed, epoch)
    choices = random.Random(derive_seed("choices", seed, epoch))
    batches = torch.randperm(len(labels), generator=draws).to(pixels.device).split(recipe.batch_size)
    total = torch.zeros((), device=pixels.device)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch + step / len(batches))
        images = task.normalise(augment(pixels[batch], recipe.shift, task.settings.flip, draws))
        with torch.autocast("cuda", torch.bfloat16, enabled=pixels.is_cuda):
            logits = forward(images, choices)
        loss = functional.cross_entropy(logits.float(), labels[batch], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        total += loss.detach()
    return float(total) / len(batches)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Return the rate at a point of training: a linear warm-up, then a cosine to zero."""
    if epoch < recipe.warmup_epochs:
        return recipe.learning_rate * max(epoch, 1e-3) / recipe.warmup_epochs
    progress = (epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; matrices decay, norms, biases, tokens and positions do not."""
    decayed = [m.weight for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    ids = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in network.parameters() if id(parameter) not in ids]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Load a checkpoint if there is one; return the epochs done and the seconds they took."""
    state = load_checkpoint(path)
    if state is None:
        return 0, 0.0
    try:
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return state["epoch"], state["seconds"]
    except (RuntimeError, ValueError, KeyError):
        raise BuilderError(f"Checkpoint {path} is not of this network. Delete it to train anew.") from None
