"""The space, and the task with its images."""

from __future__ import annotations

from dataclasses import dataclass, field

from builder.errors import BuilderError
from builder.settings.checks import at_least

TARGETS = ("classes", "probabilities", "values", "permutation", "segments", "image")


@dataclass
class SpaceSettings:
    """Which space; the shape of its networks is the task's."""

    name: str


@dataclass
class Columns:
    """The names of a source's columns; a split column only where one file holds several splits."""

    image: str = "image"
    label: str = "label"
    split: str | None = None


@dataclass
class Splits:
    """What the source calls the split to train on and the split to test on; no test: carved from train."""

    train: str = "train"
    test: str | None = "test"


@dataclass
class SphericalSettings:
    """How images are thrown on a sphere and turned; `builder/spherical.py` does it.

    bandwidth:           half the rows and columns of the images that come out.
    source_side:         pixels a side of the images that go in; others are scaled to it.
    images_per_rotation: how many images in a row of the source share one rotation.
    rescale:             stretch to 0..255 every `channel` by its own range, or all by their `joint` one.
    seed:                of the rotations.
    """

    bandwidth: int = 30
    source_side: int = 32
    images_per_rotation: int = 1
    rescale: str = "channel"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        sizes = {"bandwidth": self.bandwidth, "source_side": self.source_side}
        at_least(1, "task.spherical.", images_per_rotation=self.images_per_rotation, **sizes)
        if self.rescale not in ("channel", "joint"):
            raise BuilderError(f"task.spherical.rescale is '{self.rescale}', expected channel or joint.")


@dataclass
class TaskSettings:
    """A data set with a target: where its images come from, how they are cut and shown to a network.

    hub, hub_config, revision: a data set of the hub, its configuration, and the commit to load; no revision:
                               the newest, whose hash is then printed.
    hub_files:                 a pattern of its Parquet files with {split} in it, where they lie beside others
                               that are no part of the task.
    target:                    what a network is to say: classes, probabilities of classes, values,
                               the permutation of a puzzle, segments (a class a pixel) or an image.
    domain:                    what Taskonomy calls the target; its images lie in a local folder.
    """

    name: str
    title: str
    classes: int
    image_size: int
    patch_size: int
    channels: int
    mean: list[float]
    std: list[float]
    licence: str
    citation: str
    hub: str | None = None
    hub_config: str | None = None
    hub_files: str | None = None
    revision: str | None = None
    builtin: str | None = None
    path: str | None = None
    columns: Columns = field(default_factory=Columns)
    splits: Splits = field(default_factory=Splits)
    split_seed: int = 0
    validation_fraction: float = 0.1
    test_fraction: float = 0.0
    flip: bool = True
    spherical: SphericalSettings | None = None
    target: str = "classes"
    domain: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        if self.target not in TARGETS:
            raise BuilderError(f"task.target is '{self.target}', expected one of {', '.join(TARGETS)}.")
        at_least(1, "task.", classes=self.classes, image_size=self.image_size, patch_size=self.patch_size)
        at_least(0, "task.", validation_fraction=self.validation_fraction, test_fraction=self.test_fraction)
        if self.channels not in (1, 3):
            raise BuilderError(f"task.channels is {self.channels}, expected 1 (grey) or 3 (colour).")
        if self.validation_fraction + self.test_fraction >= 1:
            raise BuilderError("task.validation_fraction and task.test_fraction leave no images to train on.")
        if not len(self.mean) == len(self.std) == self.channels:
            raise BuilderError(
                f"task.mean and task.std need one number for each of {self.channels} channels; "
                f"got {len(self.mean)} and {len(self.std)}."
            )
        if self.hub_files is not None and "{split}" not in self.hub_files:
            raise BuilderError(
                f"task.hub_files is '{self.hub_files}', expected {{split}} in it: else every split has one "
                "split's images."
            )
        if not min(self.std) > 0:
            raise BuilderError(f"task.std is {list(self.std)}, expected deviations above 0.")
