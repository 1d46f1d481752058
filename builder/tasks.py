"""Tasks: a data set's images and labels, its three disjoint splits, and mini-batches for probes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor
from tqdm import tqdm

from builder.cache import Decoded, decode_all, open_cache
from builder.errors import BuilderError
from builder.pixels import VERSION, decode
from builder.seeds import generator
from builder.settings.task import TaskSettings
from builder.sources import Source, open_source
from store.write import part_name

_MOST_DAMAGED = 0.01
# Images up to this many pixels a side are decoded once and kept; a million larger ones fill a disk.
_KEPT_SIDE = 64


class Task:
    """A data set with a target, ready for networks.

    settings: where the images come from and how they are shown; see `conf/task/`.
    cache:    a folder for decoded copies of small images; none: they are kept in memory.

    Train, validation and test are disjoint, and the same on every machine. Validation is carved from the
    source's training images, class by class, in an order drawn from `split_seed`; so is test where the source
    has none. Images that cannot be decoded are left out of the splits after that, counted and reported; more
    than one in a hundred is a BuilderError. Small images are all decoded when their first split is asked for,
    so it is known then; of large ones it comes out as they are read.
    """

    def __init__(self, settings: TaskSettings, cache: Path | None = None) -> None:
        if settings.splits.train == settings.splits.test:
            raise BuilderError(
                f"Task '{settings.name}': train and test are the same split '{settings.splits.train}'. "
                "Give another, or carve test from train: task.splits.test=null task.test_fraction=0.2."
            )
        self.settings = settings
        self.name = settings.name
        self.small = settings.image_size <= _KEPT_SIDE
        self._cache = cache
        self._sources: dict[str, Source] = {}
        self._moments: dict[torch.device, Tensor] = {}
        self._decoded: dict[str, Decoded] = {}

    @property
    def shape(self) -> dict[str, Any]:
        """The shape of a network for this task, as `Space.build` takes it; a target unless it is classes."""
        names = ("image_size", "patch_size", "channels", "classes")
        shape = {name: getattr(self.settings, name) for name in names}
        return shape if self.settings.target == "classes" else shape | {"target": self.settings.target}

    def labels(self, split: str) -> Tensor:
        """Return the labels of a split, (images,) int64; raises BuilderError when it has no images."""
        name, kept = self._split(split)
        return torch.from_numpy(self._source(name).labels[kept])

    def pixels(self, split: str, indices: Sequence[int] | None = None) -> Tensor:
        """Return images of a split as they are stored, (images, channels, side, side) uint8.

        split:   train, validation or test.
        indices: positions within the split; default all of it.

        An image of another size is scaled by its shorter side and cut at the centre; one of another colour
        mode is converted. Raises BuilderError, naming the image, when a large one cannot be decoded, and when
        the split has none.
        """
        name, kept = self._split(split)
        chosen = kept if indices is None else kept[np.asarray(indices, dtype=np.int64)]
        if self.small:
            return torch.from_numpy(self._all(name).pixels[chosen])
        found = []
        for index in tqdm(chosen.tolist(), f"decode {self.name} {split}", delay=2, leave=False):
            pixels, damaged = self._decode(name, [index])
            if damaged:
                raise BuilderError(
                    f"Task '{self.name}': image {index} of '{name}' cannot be decoded: {damaged[index]}."
                )
            found.append(torch.from_numpy(pixels))
        return torch.cat(found)

    def read(self, split: str, index: int) -> Tensor | str:
        """Return one image of a split as `pixels` does, or why it cannot be decoded, with its place."""
        name, kept = self._split(split)
        place = int(kept[index])
        if self.small:
            return torch.from_numpy(self._all(name).pixels[place].copy())
        pixels, damaged = self._decode(name, [place])
        return f"image {place}: {damaged[place]}" if damaged else torch.from_numpy(pixels[0])

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return float32 images of uint8 pixels: scaled to 0..1, less mean, over deviation, by channel."""
        if pixels.device not in self._moments:  # made once: carrying them to a GPU waits for it
            moments = torch.tensor([self.settings.mean, self.settings.std])
            self._moments[pixels.device] = moments.view(2, -1, 1, 1).to(pixels.device)
        mean, std = self._moments[pixels.device]
        return (pixels.float() / 255 - mean) / std

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
        order = torch.randperm(len(labels), generator=self.draws(seed))
        chosen, images = self._first("train", order, wanted)
        images = self.normalise(images)
        return list(zip(images.split(batch_size), labels[chosen].split(batch_size), strict=True))

    def draws(self, seed: int) -> torch.Generator:
        """Return the generator that mini-batches are drawn with."""
        return generator("batches", self.name, seed)

    def noise(self, count: int, batch_size: int, seed: int) -> list[tuple[Tensor, None]]:
        """Draw mini-batches of N(0, 1) pixels, for proxies that look at no image. Arguments as `batches`."""
        shown = self.settings
        shape = (batch_size, shown.channels, shown.image_size, shown.image_size)
        return [(torch.randn(shape, generator=self.draws(seed)), None) for _ in range(count)]

    def refuse_missing_classes(self) -> None:
        """Raise BuilderError when a class has no image to train on: its accuracy would mean nothing."""
        counts = torch.bincount(self.labels("train"), minlength=self.settings.classes)
        missing = (counts == 0).nonzero().flatten().tolist()
        if missing:
            raise BuilderError(
                f"Task '{self.name}': class {missing[0]} has no training image ({len(missing)} of "
                f"{self.settings.classes} classes have none). Is the copy whole, and task.classes= right?"
            )

    def report(self, split: str, damaged: Sequence[str], images: int) -> None:
        """Print how many images of a split are left out, if any are.

        damaged: what is wrong, one text an image, beginning with which it is. images: that there are in all.

        Raises BuilderError as `refuse_damage` does.
        """
        self.refuse_damage(split, damaged, images)
        if damaged:
            print(
                f"{self.name} {split}: {len(damaged)} of {images} images cannot be decoded and are left out; "
                f"the first is {damaged[0]}"
            )

    def refuse_damage(self, split: str, damaged: Sequence[str], images: int) -> None:
        """Raise BuilderError when more than one in a hundred of a split's images cannot be decoded."""
        if len(damaged) > _MOST_DAMAGED * images:
            raise BuilderError(
                f"Task '{self.name}': {len(damaged)} of {images} images of {split} cannot be decoded; the "
                f"first is {damaged[0]}. More than {_MOST_DAMAGED:.0%} is too much: is the copy whole?"
            )

    def _first(self, split: str, order: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
        """Return the first images of an order that can be decoded: their positions and their pixels."""
        if self.small:
            return order[:wanted], self.pixels(split, order[:wanted].tolist())
        chosen: list[int] = []
        pixels: list[Tensor] = []
        damaged: list[str] = []
        bar = tqdm(total=wanted, desc=f"decode {self.name} {split}", delay=2, leave=False)
        for index in order.tolist():
            if len(chosen) == wanted:
                break
            image = self.read(split, index)
            if isinstance(image, str):
                damaged.append(image)
                continue
            chosen.append(index)
            pixels.append(image)
            bar.update()
        bar.close()
        self.report(split, damaged, len(order))
        if len(chosen) < wanted:
            raise BuilderError(
                f"Task '{self.name}': only {len(chosen)} of the {wanted} images needed can be decoded. "
                "Lower score.batch_size."
            )
        return torch.tensor(chosen), torch.stack(pixels)

    def _all(self, name: str) -> Decoded:
        """Return the images of a source's split, decoded once."""
        if name not in self._decoded:
            settings, source, label = self.settings, self._source(name), f"{self.name} {name}"
            shape = (len(source.labels), settings.channels, settings.image_size, settings.image_size)
            fill = partial(self._decode, name)
            if self._cache is None:
                found = decode_all(shape, fill, label)
            else:
                path = self._cache / f"{part_name(self.name, name, keys=[self._deciding(name)])}.npy"
                found = open_cache(path, shape, fill, label)
            reasons = [f"image {index}: {why}" for index, why in sorted(found.damaged.items())]
            self.report(name, reasons, len(source.labels))
            self._decoded[name] = found
        return self._decoded[name]

    def _deciding(self, name: str) -> str:
        """Return all that decides the pixels of a source's split."""
        settings = self.settings
        sphere = None if settings.spherical is None else asdict(settings.spherical)
        shown = (settings.image_size, settings.channels, asdict(settings.columns), sphere)
        return json.dumps([self._source(name).identity(), name, shown, PIL.__version__, VERSION])

    def _decode(self, name: str, indices: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        return decode(self.settings, self._source(name), name, indices)

    def _split(self, split: str) -> tuple[str, np.ndarray]:
        """Return the source's name of a split and the positions of its images there."""
        splits = self.settings.splits
        if split == "test" and splits.test is not None:
            name, kept = splits.test, np.arange(len(self._source(splits.test).labels))
        else:
            name, kept = splits.train, self._carved[split]
            if not len(kept):
                raise self._no_images(split)
        if not self.small or not self._all(name).damaged:
            return name, kept
        return name, kept[~np.isin(kept, list(self._all(name).damaged))]

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
        if self.settings.domain is not None:
            raise BuilderError(
                f"Task '{self.name}': networks are scored on Taskonomy's images here, not trained or tested."
            )
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
