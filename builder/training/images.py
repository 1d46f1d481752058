"""The images of a split for training and evaluation: small ones held on the device, large ones read ahead."""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from builder.errors import BuilderError
from builder.tasks import Task

# A machine of many cores has other work for the rest of them.
_MOST_WORKERS = 16


class SplitImages(ABC):
    """A split on a device; labels: (images,) int64 there."""

    labels: Tensor

    @staticmethod
    def of(task: Task, split: str, device: torch.device) -> SplitImages:
        """Put a task's split on a device, or make ready to read it where its images are too large for that.

        Raises BuilderError when it is to be trained on and lacks a class.
        """
        if split == "train":
            task.refuse_missing_classes()
        labels = task.labels(split).to(device)
        if task.small:
            return HeldImages(task.pixels(split).to(device), labels)
        return ReadImages(task, split, labels)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    @abstractmethod
    def batches(self, order: Tensor, batch_size: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield mini-batches in an order, on the device.

        order:      positions of images, int64; images come in it, whatever the number of workers.
        batch_size: of all batches but the last, which may be smaller.
        start:      how many batches to pass over at the head of the order.

        Yields pixels (batch, channels, side, side) uint8 and labels (batch,) int64.
        """


class HeldImages(SplitImages):
    """A split held on a device: pixels (images, channels, side, side) uint8 and labels (images,) int64."""

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        self.pixels, self.labels = pixels, labels

    def batches(self, order: Tensor, batch_size: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield mini-batches, as `SplitImages` says."""
        for batch in order.to(self.labels.device).split(batch_size)[start:]:
            yield self.pixels[batch], self.labels[batch]


class ReadImages(SplitImages):
    """A split read and decoded ahead of the network by worker processes.

    A damaged image is missing from its batch; how many were is reported after each pass that found more.
    `damaged` holds, by position, what is wrong with them.
    """

    def __init__(self, task: Task, split: str, labels: Tensor) -> None:
        self.task, self.split, self.labels = task, split, labels
        self.damaged: dict[int, str] = {}
        self._reported = 0

    def batches(self, order: Tensor, batch_size: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield mini-batches, as `SplitImages` says; raises BuilderError when too many are damaged."""
        device = self.labels.device
        loader: DataLoader[Any] = DataLoader(
            _Reading(self.task, self.split),
            batch_sampler=[batch.tolist() for batch in order.split(batch_size)[start:]],
            num_workers=_workers(),
            collate_fn=_together,
            worker_init_fn=_outlast_interrupts,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else it draws from the global one
        )
        for pixels, positions, damaged in _told(loader):
            self.damaged.update(damaged)
            self.task.refuse_damage(self.split, list(self.damaged.values()), len(self))
            if len(pixels):
                moved = pixels.to(device, non_blocking=True)
                yield moved, self.labels[positions.to(device, non_blocking=True)]
        if len(self.damaged) > self._reported:
            self._reported = len(self.damaged)
            self.task.report(self.split, list(self.damaged.values()), len(self))


def _told(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield what the loader yields; a worker's BuilderError comes without the head that torch gives it."""
    try:
        yield from loader
    except BuilderError as error:
        lines = str(error).strip().splitlines()
        raise BuilderError(lines[-1].removeprefix("builder.errors.BuilderError: ")) from None


class _Reading(Dataset[tuple[int, "Tensor | str"]]):
    """A split as the loader's workers see it."""

    def __init__(self, task: Task, split: str) -> None:
        self.task, self.split = task, split

    def __getitem__(self, index: int) -> tuple[int, Tensor | str]:
        return index, self.task.read(self.split, index)


def _together(images: list[tuple[int, Tensor | str]]) -> tuple[Tensor, Tensor, dict[int, str]]:
    """Return the pixels of a batch, the positions of its images, and what is wrong with the others."""
    whole = [(index, image) for index, image in images if isinstance(image, Tensor)]
    damaged = {index: image for index, image in images if isinstance(image, str)}
    pixels = torch.stack([image for _, image in whole]) if whole else torch.empty(0, dtype=torch.uint8)
    return pixels, torch.tensor([index for index, _ in whole], dtype=torch.int64), damaged


def _outlast_interrupts(_: int) -> None:
    """Leave what a terminal or a scheduler sends to all to the process that trains: it saves first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _workers() -> int:
    """Return how many processes decode: as many as cores that we may use, none beside a single one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if cores == 1 else min(cores, _MOST_WORKERS)
