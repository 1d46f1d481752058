"""The accuracy of a network on a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builder.tasks import Task


@dataclass(frozen=True)
class SplitImages:
    """A split on a device: pixels (images, channels, side, side) uint8 and labels (images,) int64."""

    pixels: Tensor
    labels: Tensor

    @staticmethod
    def of(task: Task, split: str, device: torch.device) -> SplitImages:
        """Decode a task's split and put it on a device."""
        return SplitImages(task.pixels(split).to(device), task.labels(split).to(device))


@torch.no_grad()
def evaluate(network: nn.Module, task: Task, split: SplitImages, batch_size: int) -> tuple[float, float]:
    """Return accuracy (fraction 0..1 of images classified right) and mean cross-entropy on a split."""
    network.eval()
    right, loss = 0, 0.0
    for pixels, labels in zip(split.pixels.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = network(task.normalise(pixels)).float()  # (batch, classes)
        right += int((logits.argmax(dim=1) == labels).sum())
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    return right / len(split.labels), loss / len(split.labels)
