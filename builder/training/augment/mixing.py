"""Pairs of images with their labels, as floats: mixup and CutMix; and label smoothing."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from builder.training.augment.augmentation import Augmentation


def mix(
    images: Tensor,
    labels: Tensor,
    classes: int,
    augmentation: Augmentation,
    smoothing: float,
    draws: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Blend every image and its label with those of the image before it, by one share for the whole batch.

    images:    (batch, channels, side, side) float, normalised.
    labels:    (batch,) int64.
    classes:   how many there are.
    smoothing: share of a label that is spread over all classes, 0 to 1.
    draws:     a CPU generator, untouched where nothing is mixed.
    Returns images of the same shape, and targets (batch, classes) float32 whose rows sum to 1. Where nothing
    is mixed their cross-entropy is that of the labels with `label_smoothing=smoothing`.

    One share a batch, as in timm and torchvision; the image before it is any image, as batches are shuffled.
    Sources: Zhang et al., ICLR 2018 (mixup); Yun et al., ICCV 2019 (CutMix).
    """
    spread = smoothing / classes
    targets = torch.full((len(labels), classes), spread, device=images.device)
    targets.scatter_(1, labels[:, None], 1 - smoothing + spread)
    if not (augmentation.mixup or augmentation.cutmix):
        return images, targets
    # torch draws from no Beta distribution with a generator of one's own; the standard library does.
    chance = random.Random(int(torch.randint(2**62, (), generator=draws)))
    if augmentation.mixup and (not augmentation.cutmix or chance.random() < 0.5):
        kept = chance.betavariate(augmentation.mixup, augmentation.mixup)
        images = images.roll(1, 0).lerp(images, kept)
    else:
        images, kept = _paste(images, chance.betavariate(augmentation.cutmix, augmentation.cutmix), chance)
    return images, targets.roll(1, 0).lerp(targets, kept)


def _paste(images: Tensor, kept: float, chance: random.Random) -> tuple[Tensor, float]:
    """Paste a square of the image before into every image; return the fraction of the area that was kept.

    The square has its middle anywhere in the image and is cut at the image's edges, so that more than `kept`
    may be left.
    """
    side = images.shape[3]
    half = int(0.5 * side * math.sqrt(1 - kept))
    row, column = chance.randrange(side), chance.randrange(side)
    rows = slice(max(row - half, 0), min(row + half, side))
    columns = slice(max(column - half, 0), min(column + half, side))
    mixed = images.clone()
    mixed[:, :, rows, columns] = images[:, :, rows, columns].roll(1, 0)
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - pasted / side**2
