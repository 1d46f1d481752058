"""Tasks: a data set's images and labels, its three disjoint splits, and mini-batches for probes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from builder.errors import BuilderError
from builder.seeds import generator
from builder.settings import TaskSettings
from builder.sources import Source, open_source, reason

# What PIL and the datasets library raise for damaged images; SyntaxError is PIL's for a broken PNG.
_DAMAGED = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, pa.ArrowException)


class Task:
    """A data set with a target, ready for networks.

    settings: where the images come from and how they are shown; see `conf/task/`.

    Train, validation and test are disjoint, and the same on every machine. Validation is carved from the
    source's training images, class by class, in an order drawn from `split_seed`; so is test where the source
    has none.
    """

    def __init__(self, settings: TaskSettings) -> None:
        if settings.splits.train == settings.splits.test:
            raise BuilderError(
                f"Task '{settings.name}': train and test are the same split '{settings.splits.train}'. "
                "Give another, or carve test from train: task.splits.test=null task.test_fraction=0.2."
            )
        self.settings = settings
        self.name = settings.name
        self._sources: dict[str, Source] = {}

    @property
    def shape(self) -> dict[str, int]:
        """The shape of a network for this task, as `Space.build` takes it."""
        names = ("image_size", "patch_size", "channels", "classes")
        return {name: getattr(self.settings, name) for name in names}

    def labels(self, split: str) -> Tensor:
        """Return the labels of a split, (images,) int64; raises BuilderError when it has no images."""
        source, kept = self._split(split)
        return torch.from_numpy(source.labels[kept])

    def pixels(self, split: str, indices: Sequence[int] | None = None) -> Tensor:
        """Return images of a split as they are stored, (images, channels, side, side) uint8.

        split:   train, validation or test.
        indices: positions within the split; default all of it.

        An image of another size is scaled by its shorter side and cut at the centre; one of another colour
        mode is converted. Raises BuilderError, naming the image, when one cannot be decoded, and when the
        split has none.
        """
        source, kept = self._split(split)
        chosen = kept if indices is None else kept[np.asarray(indices, dtype=np.int64)]
        size, channels = self.settings.image_size, self.settings.channels
        out = torch.empty((len(chosen), channels, size, size), dtype=torch.uint8)
        for row, index in enumerate(tqdm(chosen, f"decode {self.name} {split}", delay=2, leave=False)):
            out[row] = _to_pixels(self._decode(source, int(index)), size, channels)
        return out

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return float32 images of uint8 pixels: scaled to 0..1, less mean, over deviation, by channel."""
        mean, std = (torch.tensor(v, device=pixels.device) for v in (self.settings.mean, self.settings.std))
        return (pixels.float() / 255 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)

    def batches(self, count: int, batch_size: int, seed: int) -> list[tuple[Tensor, Tensor]]:
        """Draw mini-batches of training images, without an image in two of them.

        count, batch_size: how many batches of how many images. seed: which draw; the same for every
        architecture, so that their scores differ by the network alone.
        Returns (images (batch, channels, side, side) float32, labels (batch,) int64), one pair a batch.

        Raises BuilderError when the task has fewer training images than asked for.
        """
        if count == 0:
            return []
        labels = self.labels("train")
        wanted = count * batch_size
        if wanted > len(labels):
            raise BuilderError(
                f"Task '{self.name}' has {len(labels)} training images, but {count} batches of {batch_size} "
                f"need {wanted}. Lower score.batch_size."
            )
        order = torch.randperm(len(labels), generator=generator("batches", self.name, seed))[:wanted]
        images = self.normalise(self.pixels("train", order.tolist()))
        return list(zip(images.split(batch_size), labels[order].split(batch_size), strict=True))

    def _decode(self, source: Source, index: int) -> Image.Image:
        try:
            image = source.image(index)
        except _DAMAGED as error:
            raise BuilderError(
                f"Task '{self.name}': image {index} of its source is not one: {reason(error)}"
            ) from None
        if image is None:
            raise BuilderError(f"Task '{self.name}': image {index} of its source is missing.")
        return image

    def _split(self, split: str) -> tuple[Source, np.ndarray]:
        """Return a split's source and the positions of its images there."""
        splits = self.settings.splits
        if split == "test" and splits.test is not None:
            source = self._source(splits.test)
            return source, np.arange(len(source.labels))
        kept = self._carved[split]
        if not len(kept):
            raise self._no_images(split)
        return self._source(splits.train), kept

    def _no_images(self, split: str) -> BuilderError:
        """Return the error for a split that nothing was carved for."""
        if split == "train":
            remedy = "Lower task.validation_fraction= and task.test_fraction=."
        else:
            remedy = f"Set task.{split}_fraction= above {getattr(self.settings, f'{split}_fraction'):g}."
        return BuilderError(f"Task '{self.name}' has no {split} images. {remedy}")

    @cached_property
    def _carved(self) -> dict[str, np.ndarray]:
        """Positions of the splits carved from the source's training images."""
        settings = self.settings
        fractions = {
            "test": settings.test_fraction if settings.splits.test is None else 0.0,
            "validation": settings.validation_fraction,
        }
        order = generator("split", settings.name, settings.split_seed)
        return _carve(self._source(settings.splits.train).labels, fractions, order)

    def _source(self, name: str) -> Source:
        if name not in self._sources:
            self._sources[name] = open_source(self.settings, name)
        return self._sources[name]


def _carve(labels: np.ndarray, fractions: dict[str, float], order: torch.Generator) -> dict[str, np.ndarray]:
    """Cut images into splits of these fractions of every class, rounded, and `train` with the rest.

    Returns the sorted positions of each split's images.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*fractions, "train")}
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        members = members[torch.randperm(len(members), generator=order).numpy()]
        for name, fraction in fractions.items():
            count = round(fraction * len(members))
            found[name].append(members[:count])
            members = members[count:]
        found["train"].append(members)
    return {name: np.sort(np.concatenate(parts)) for name, parts in found.items()}


def _to_pixels(image: Image.Image, size: int, channels: int) -> Tensor:
    """Return an image as (channels, size, size) uint8."""
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        scale = size / min(image.size)
        width, height = (max(size, round(side * scale)) for side in image.size)
        left, top = (width - size) // 2, (height - size) // 2
        image = image.resize((width, height), Image.Resampling.BICUBIC).crop(
            (left, top, left + size, top + size)
        )
    array = np.asarray(image).reshape(size, size, channels)
    return torch.from_numpy(array.copy()).permute(2, 0, 1)
