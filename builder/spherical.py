"""Images thrown on a sphere and turned: Spherical-CIFAR100 from CIFAR-100, by our own code.

Source: Cohen et al., "Spherical CNNs", ICLR 2018 (spherical MNIST); Tu et al., "NAS-Bench-360", NeurIPS 2022,
for three channels; Driscoll and Healy, 1994 (grid); Arvo, "Fast Random Rotation Matrices", 1992.
`python -m builder.spherical docs/spherical.png` draws what it does.
"""

from __future__ import annotations

import math
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from builder.seeds import generator

# Where the rays come from: just above the top of the sphere, once that is lifted to stand on the plane.
_ORIGIN = 2.001
# The image fills the square -1.5 .. 1.5 of the plane.
_WINDOW = 1.5


@cache
def grid(bandwidth: int) -> Tensor:
    """Return the points of the sphere that become pixels, (3, 2 bandwidth * 2 bandwidth) float64.

    Rows are the polar angles pi j / (2 bandwidth), so row 0 is the pole; columns are the azimuths
    pi k / bandwidth.
    """
    steps = torch.arange(2 * bandwidth, dtype=torch.float64)
    polar, azimuth = torch.meshgrid(
        steps * math.pi / (2 * bandwidth), steps * math.pi / bandwidth, indexing="ij"
    )
    x, y = polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin()
    return torch.stack([x, y, polar.cos()]).flatten(1)  # (3, points)


def rotation(draws: torch.Generator) -> Tensor:
    """Draw a rotation, uniform over all of them, (3, 3) float64; source: Arvo.

    A turn about the axis, then a reflection that takes the pole anywhere, negated into a rotation.
    """
    turn, around, height = torch.rand(3, generator=draws, dtype=torch.float64).tolist()
    turn, around, height = 2 * math.pi * turn, 2 * math.pi * around, 2 * height
    radius = math.sqrt(height)
    towards = torch.tensor(
        [radius * math.sin(around), radius * math.cos(around), math.sqrt(2 - height)], dtype=torch.float64
    )
    sine, cosine = math.sin(turn), math.cos(turn)
    about = torch.tensor([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], dtype=torch.float64)
    return (torch.outer(towards, towards) - torch.eye(3, dtype=torch.float64)) @ about


def project(images: Tensor, rotations: Tensor, bandwidth: int, joint: bool) -> Tensor:
    """Throw images on a sphere, turn it, and read it off on the grid.

    images:    (images, channels, side, side) uint8.
    rotations: (images, 3, 3) float64, one an image.
    bandwidth: half the number of rows and columns of the result.
    joint:     stretch the channels of an image to 0..255 by one range, which keeps its colours; else each by
               its own, as the source's script does.

    Returns (images, channels, 2 bandwidth, 2 bandwidth) uint8; what the image does not reach is darkest.
    """
    side = images.shape[-1]
    x, y, z = (rotations @ grid(bandwidth)).unbind(1)  # 3 x (images, points)
    lifted = z + 1
    reach = 1 - lifted / (lifted - _ORIGIN)  # how far the ray through a point goes out on the plane
    rows, columns = ((axis * reach + _WINDOW) * (side / (2 * _WINDOW)) for axis in (x, y))
    seen = _sample(images.double(), rows, columns)  # (images, channels, points)
    dimensions = (1, 2) if joint else (2,)
    low, high = seen.amin(dimensions, keepdim=True), seen.amax(dimensions, keepdim=True)
    stretched = (seen - low) / (high - low).clamp(min=1e-9) * 255  # an image of one colour is all dark
    return stretched.to(torch.uint8).unflatten(2, (2 * bandwidth, 2 * bandwidth))


def _sample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Read images between their pixels, (images, channels, points); nothing lies outside of them.

    The source's script weighs the pixels one before and one behind by their distance, which is twice as
    wide as bilinear: a blur, whose factor of four the stretching removes.
    """
    count, channels, side, _ = images.shape
    padded = functional.pad(images, (1, 1, 1, 1)).flatten(2)  # (images, channels, (side + 2) ** 2)
    found = torch.zeros(count, channels, rows.shape[1], dtype=images.dtype)
    for row, row_weight in _neighbours(rows, side):
        for column, column_weight in _neighbours(columns, side):
            place = (row * (side + 2) + column)[:, None].expand(-1, channels, -1)
            found += padded.gather(2, place) * (row_weight * column_weight)[:, None]
    return found


def _neighbours(at: Tensor, side: int) -> list[tuple[Tensor, Tensor]]:
    """Return the two pixels around a coordinate, counted from the zeros before the first, with weights."""
    middle = at.trunc()  # towards zero, as the script: just outside the image its first pixels still shine
    before, behind = middle - 1, middle + 1
    return [
        ((before.clamp(-1, side) + 1).long(), behind - at),
        ((behind.clamp(-1, side) + 1).long(), at - before),
    ]


def draw(path: Path) -> None:
    """Draw images, their sphere as it stands, and turned three times; a row an image."""
    from sklearn.datasets import load_sample_images

    pictures = [Image.fromarray(picture).crop((107, 0, 534, 427)) for picture in load_sample_images().images]
    small = np.stack([np.asarray(picture.resize((32, 32), Image.Resampling.LANCZOS)) for picture in pictures])
    images = torch.from_numpy(small).permute(0, 3, 1, 2)
    still = torch.eye(3, dtype=torch.float64).expand(len(images), 3, 3)
    turns = [torch.stack([rotation(generator("picture", turn))] * len(images)) for turn in range(3)]
    shown = [images, *(project(images, turn, 30, joint=False) for turn in (still, *turns))]
    tile, gap = 180, 12
    sheet = Image.new("RGB", (len(shown) * (tile + gap) - gap, len(images) * (tile + gap) - gap), "white")
    for column, tiles in enumerate(shown):
        for row, pixels in enumerate(tiles):
            image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
            place = (column * (tile + gap), row * (tile + gap))
            sheet.paste(image.resize((tile, tile), Image.Resampling.NEAREST), place)
    sheet.quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
