"""A source's images as a task shows them: decoded, in its colours and size, on a sphere if it asks so."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from builder import spherical
from builder.errors import BuilderError
from builder.seeds import generator
from builder.settings import SphericalSettings, TaskSettings
from builder.sources import Source, reason

# What PIL and the datasets library raise for damaged images; SyntaxError is PIL's for a broken PNG.
_DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
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
        except _DAMAGED as error:
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
    if image.mode.startswith("I"):  # 16 bits a pixel, which PIL would cut at 255
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        scale = size / min(image.size)
        width, height = (max(size, round(side * scale)) for side in image.size)
        left, top = (width - size) // 2, (height - size) // 2
        image = image.resize((width, height), Image.Resampling.BICUBIC).crop(
            (left, top, left + size, top + size)
        )
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)
