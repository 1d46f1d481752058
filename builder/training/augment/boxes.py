"""Boxes within an image, and the one way from the CPU to the images' device."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor on a device, without waiting for what the device is doing."""
    # Only from pinned memory is a copy to a GPU asynchronous whatever its size.
    return (drawn.pin_memory() if device.type == "cuda" else drawn).to(device, non_blocking=True)


def draw_boxes(
    count: int, side: int, area: tuple[float, float], aspect: tuple[float, float], draws: torch.Generator
) -> Tensor:
    """Draw boxes: area uniform, aspect log-uniform, then uniform among the places where the box lies inside.

    count:  how many. side: of the image, pixels.
    area:   least and largest, as fractions of the image's.
    aspect: least and largest of width over height.
    Returns (4, count) int64 on the CPU: top, left, height, width, in whole pixels.

    The law is that of torchvision's RandomResizedCrop and RandomErasing, but for a box wider or higher than
    the image: there it is drawn anew, up to ten times; here its longer side is cut to the image's.
    """
    uniform = torch.rand(4, count, generator=draws, dtype=torch.float64)
    share = area[0] + (area[1] - area[0]) * uniform[0]
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratio = torch.exp(low + (high - low) * uniform[1])
    height = (side * (share / ratio).sqrt()).round().clamp(1, side)
    width = (side * (share * ratio).sqrt()).round().clamp(1, side)
    top = (uniform[2] * (side - height + 1)).floor()
    left = (uniform[3] * (side - width + 1)).floor()
    return torch.stack([top, left, height, width]).long()  # (4, count)
