"""A source's images as a task shows them: decoded, in its colours and size, on a sphere if it asks so."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from builder import spherical
from builder.errors import BuilderError
from builder.seeds import generator
from builder.settings.task import SphericalSettings, TaskSettings
from builder.sources import Source, reason

# Of the pixels that come out; part of what a decoded copy goes by. Raised with this file or spherical.py.
VERSION = 2
# What PIL and the datasets library raise for damaged images; SyntaxError is PIL's for a broken PNG,
# NotImplementedError for a DDS of a kind that it does not know.
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    MemoryError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    pa.ArrowException,
)


def decode(
    task: TaskSettings, source: Source, split: str, indices: Sequence[int]
) -> tuple[np.ndarray, dict[int, str]]:
    """Return images of a source's split, and why those that are damaged cannot be decoded.

    split:   the source's own name of it, which the rotations of a sphere depend on.
    indices: positions in the source.

    Returns (images, channels, side, side) uint8, the damaged dark, and the reasons by position. Raises
    BuilderError when the disk or the network fails, which says nothing about the image.
    """
    side = task.image_size if task.spherical is None else task.spherical.source_side
    pixels = np.zeros((len(indices), task.channels, side, side), dtype=np.uint8)
    damaged = {}
    for row, index in enumerate(indices):
        try:
            pixels[row] = _fit(source.image(index), side, task.channels)
        except DAMAGED as error:
            # PIL's own have no number: one with it came from the disk or the network, and may pass.
            if isinstance(error, OSError) and error.errno is not None:
                raise BuilderError(
                    f"Task '{task.name}': image {index} of '{split}' cannot be read ({reason(error)}). "
                    "Is the disk or the network at fault? The same command tries again."
                ) from None
            damaged[index] = reason(error).rstrip(".")
    if task.spherical is not None:
        pixels = _on_sphere(task, task.spherical, pixels, split, indices)
    return pixels, damaged


def _on_sphere(
    task: TaskSettings, sphere: SphericalSettings, pixels: np.ndarray, split: str, indices: Sequence[int]
) -> np.ndarray:
    """Throw images on a sphere, each turned by the rotation of its place in the source."""
    turns = [index // sphere.images_per_rotation for index in indices]
    drawn = {
        turn: spherical.rotation(generator("spherical", task.name, sphere.seed, split, turn))
        for turn in set(turns)
    }
    rotations = torch.stack([drawn[turn] for turn in turns])
    joint = sphere.rescale == "joint"
    thrown = spherical.project(torch.from_numpy(pixels), rotations, sphere.bandwidth, joint).numpy()
    images = [
        Image.fromarray(image[0] if task.channels == 1 else image.transpose(1, 2, 0)) for image in thrown
    ]
    return np.stack([_fit(image, task.image_size, task.channels) for image in images])


def _fit(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Return an image as (channels, size, size) uint8: scaled by its shorter side and cut at the centre."""
    if image.mode.startswith("I"):  # more than 8 bits a pixel, which PIL would cut at 255
        image = _eight_bits(image)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        # Only what is kept is scaled: all of a strip of 1 x 30,000 pixels would take gigabytes.
        scale = size / min(image.size)
        starts, ends = [], []
        for side in image.size:
            whole = max(size, round(side * scale))
            start = (whole - size) // 2
            starts.append(start * side / whole)
            ends.append((start + size) * side / whole)
        image = image.resize(
            (size, size), Image.Resampling.BICUBIC, box=(starts[0], starts[1], ends[0], ends[1])
        )
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return whole numbers as grey, by their highest 8 bits.

    An image of 32 bits does not say how many of them it uses: as many bytes as its brightest pixel needs.
    """
    values = np.asarray(image).clip(0)
    used = 2 if image.mode != "I" else max(1, math.ceil(int(values.max()).bit_length() / 8))
    return Image.fromarray((values >> 8 * (used - 1)).astype(np.uint8))
