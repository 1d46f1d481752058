"""Every image on its own, as uint8: a crop, a mirror, RandAugment's operations, a box of noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from builder.training.augment.augmentation import Augmentation
from builder.training.augment.boxes import draw_boxes, to_device
from builder.training.augment.randaugment import rand_augment

# Width over height of the boxes, and the area of an erased one: torchvision's and timm's.
_CROP_ASPECT = (3 / 4, 4 / 3)
_ERASED_ASPECT = (0.3, 1 / 0.3)
_ERASED_AREA = (0.02, 1 / 3)


def augment(pixels: Tensor, augmentation: Augmentation, flip: bool, draws: torch.Generator) -> Tensor:
    """Vary every image: crop, mirror half of them if `flip`, RandAugment, erasing, in that order.

    pixels: (batch, channels, side, side) uint8, 1 or 3 channels. draws: a CPU generator, so that every device
    sees the same images, but for the last level where a device rounds another way.
    Returns images of the same shape, type and device.
    """
    if augmentation.crop == "resized":
        low, high = augmentation.scale
        pixels = _resize(pixels, draw_boxes(len(pixels), pixels.shape[3], (low, high), _CROP_ASPECT, draws))
    elif augmentation.shift:
        pixels = _shift(pixels, augmentation.shift, draws)
    if flip:
        mirrored = to_device(torch.rand(len(pixels), generator=draws) < 0.5, pixels.device)
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    if augmentation.operations:
        pixels = rand_augment(pixels, augmentation.operations, augmentation.magnitude, draws)
    if augmentation.erasing:
        pixels = _erase(pixels, augmentation.erasing, draws)
    return pixels


def _shift(pixels: Tensor, shift: int, draws: torch.Generator) -> Tensor:
    """Move every image by up to `shift` pixels each way, zeros moving in."""
    batch, channels, side, _ = pixels.shape
    offset = to_device(torch.randint(0, 2 * shift + 1, (2, batch), generator=draws), pixels.device)
    span = torch.arange(side, device=pixels.device)
    rows = (offset[0, :, None] + span)[:, None, :, None]  # (batch, 1, side, 1)
    columns = (offset[1, :, None] + span)[:, None, None, :]  # (batch, 1, 1, side)
    image = torch.arange(batch, device=pixels.device)[:, None, None, None]
    channel = torch.arange(channels, device=pixels.device)[None, :, None, None]
    return functional.pad(pixels, (shift, shift, shift, shift))[image, channel, rows, columns]


def _resize(pixels: Tensor, boxes: Tensor) -> Tensor:
    """Enlarge a box of every image to the whole image, bilinear; boxes: (4, batch) as `draw_boxes` has them.

    grid_sample has no antialiasing, and none is missing: a box is never larger than what it becomes.
    """
    side = pixels.shape[3]
    top, left, height, width = to_device(boxes.float(), pixels.device)[..., None]  # (batch, 1) each
    middle = (torch.arange(side, device=pixels.device) + 0.5) / side
    # Bounded by the middles of the box's outermost pixels: what lies outside the box has no part in it.
    rows = (top + height * middle).maximum(top + 0.5).minimum(top + height - 0.5)  # (batch, side)
    columns = (left + width * middle).maximum(left + 0.5).minimum(left + width - 0.5)  # (batch, side)
    shape = (len(pixels), side, side)
    grid = torch.stack([columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], 3)
    grid = grid * (2 / side) - 1  # (batch, side, side, 2), -1 and 1 at the image's edges
    return functional.grid_sample(pixels.float(), grid, align_corners=False).round_().to(torch.uint8)


def _erase(pixels: Tensor, probability: float, draws: torch.Generator) -> Tensor:
    """Fill a box of some images with noise, every level of every pixel equally likely."""
    batch, channels, side, _ = pixels.shape
    erased = (torch.rand(batch, generator=draws) < probability).nonzero()[:, 0]
    boxes = draw_boxes(len(erased), side, _ERASED_AREA, _ERASED_ASPECT, draws)
    shape = (len(erased), channels, side, side)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draws)
    top, left, height, width = to_device(boxes, pixels.device)[..., None]  # (erased, 1) each
    span = torch.arange(side, device=pixels.device)
    rows = (span >= top) & (span < top + height)  # (erased, side)
    columns = (span >= left) & (span < left + width)  # (erased, side)
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]  # (erased, 1, side, side)
    images = to_device(erased, pixels.device)
    filled = torch.where(inside, to_device(noise, pixels.device), pixels[images])
    return pixels.index_copy(0, images, filled)
