"""The accuracy of networks on a split."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from builder.tasks import Task
from builder.training.images import ReadImages, SplitImages

# A split below this is decoded once for all networks; a larger one again for each of them.
_KEPT_BYTES = 2**31


class Evaluation:
    """Measures networks on one split.

    task:       normalises the images.
    images:     the split, on the networks' device.
    batch_size: images in one forward pass.
    precision:  "float32", or "bfloat16" for the matrix products.

    `measured` is the number of images of the last measurement: those that could be decoded.
    """

    def __init__(self, task: Task, images: SplitImages, batch_size: int, precision: str) -> None:
        self.task, self.images = task, images
        self.batch_size, self.precision = batch_size, precision
        self.measured = 0
        self._kept: list[tuple[Tensor, Tensor]] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @torch.no_grad()
    def measure(self, network: nn.Module, batches: int | None = None) -> tuple[float, float]:
        """Return accuracy (fraction 0..1 of images classified right) and mean cross-entropy (nats).

        network: images (batch, channels, side, side) float32 to logits (batch, classes); in evaluation mode
                 afterwards.
        batches: only so many; default all.
        """
        network.eval()
        device = self.images.labels.device
        right = torch.zeros((), dtype=torch.int64, device=device)
        # Read once at the end: a device that must tell a number after every batch stands still meanwhile.
        loss = torch.zeros((), dtype=torch.float64, device=device)
        self.measured = 0
        # One context for all batches: it casts the weights once.
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            for pixels, labels in self._batches(batches):
                logits = network(self.task.normalise(pixels)).float()  # (batch, classes)
                right += (logits.argmax(dim=1) == labels).sum()
                loss += functional.cross_entropy(logits, labels, reduction="sum")
                self.measured += len(labels)
        return int(right) / self.measured, float(loss) / self.measured

    def _batches(self, count: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Give pixels and labels; those that are read, after the first full pass, from memory if they fit."""
        if self._kept is not None:
            yield from self._kept[:count]
            return
        kept: list[tuple[Tensor, Tensor]] | None = []
        batches = self.images.batches(torch.arange(len(self.images)), self.batch_size)
        for pixels, labels in islice(batches, count):
            fits = pixels.nbytes * len(self.images) <= _KEPT_BYTES * len(pixels)
            if kept is not None and fits:
                kept.append((pixels, labels))
            else:
                kept = None
            yield pixels, labels
        if count is None and isinstance(self.images, ReadImages):
            self._kept = kept
