"""A split of a task on a device, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

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

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def batches(self, order: Tensor, batch_size: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the images at these positions, so many at once.

        order: positions within the split, on the CPU. start: batches to leave out at the beginning.
        """
        for chosen in order.to(self.labels.device).split(batch_size)[start:]:
            yield self.pixels[chosen], self.labels[chosen]
