"""Augmentation of a batch of small images, on whatever device they are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(pixels: Tensor, shift: int, flip: bool, draws: torch.Generator) -> Tensor:
    """Shift every image by up to `shift` pixels each way, zeros moving in, and mirror half of them if `flip`.

    pixels: (batch, channels, side, side) uint8. draws: a CPU generator, so that every device sees the same
    images. Returns images of the same shape and type.
    """
    batch, channels, side, _ = pixels.shape
    if shift:
        offset = torch.randint(0, 2 * shift + 1, (2, batch), generator=draws).to(pixels.device)
        span = torch.arange(side, device=pixels.device)
        rows = (offset[0, :, None] + span)[:, None, :, None]  # (batch, 1, side, 1)
        columns = (offset[1, :, None] + span)[:, None, None, :]  # (batch, 1, 1, side)
        image = torch.arange(batch, device=pixels.device)[:, None, None, None]
        channel = torch.arange(channels, device=pixels.device)[None, :, None, None]
        pixels = functional.pad(pixels, (shift, shift, shift, shift))[image, channel, rows, columns]
    if flip:
        mirrored = torch.rand(batch, generator=draws).to(pixels.device) < 0.5
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    return pixels
