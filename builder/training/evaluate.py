"""The accuracy of a network on a split."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from builder.tasks import Task
from builder.training.images import SplitImages


@torch.no_grad()
def evaluate(network: nn.Module, task: Task, split: SplitImages, batch_size: int) -> tuple[float, float]:
    """Return accuracy (fraction 0..1 of images classified right) and mean cross-entropy on a split."""
    network.eval()
    right, loss, images = 0, 0.0, 0
    for pixels, labels in split.batches(torch.arange(len(split)), batch_size):
        logits = network(task.normalise(pixels)).float()  # (batch, classes)
        right += int((logits.argmax(dim=1) == labels).sum())
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        images += len(labels)
    return right / images, loss / images
