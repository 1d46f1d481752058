"""What a recipe says about augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from builder.errors import BuilderError

CROPS = ("shift", "resized")
BINS = 31  # steps of RandAugment's magnitude, the first of which is 0


@dataclass
class Augmentation:
    """How training images are varied; by default not at all. Whether they are mirrored is the task's to say.

    crop:       "shift": moved by up to `shift` pixels each way, zeros moving in; "resized": a box, enlarged
                to the size of the image.
    shift:      pixels, of crop "shift".
    scale:      least and largest area of the box of crop "resized", as fractions of the image's.
    operations: how many operations of RandAugment every image undergoes, one after the other.
    magnitude:  their strength, 0 to 30.
    mixup:      alpha of the Beta distribution of the share of two images blended; 0: none.
    cutmix:     alpha of the Beta distribution of the area that is kept when a box of another image is pasted;
                0: none. With both, each batch has one of the two with equal odds.
    erasing:    probability that a box of the image is filled with noise.
    """

    crop: str = "shift"
    shift: int = 0
    scale: list[float] = field(default_factory=lambda: [0.08, 1.0])
    operations: int = 0
    magnitude: int = 9
    mixup: float = 0.0
    cutmix: float = 0.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        if self.crop not in CROPS:
            raise _refused("crop", f"'{self.crop}'", " or ".join(CROPS))
        for name in ("shift", "operations", "mixup", "cutmix"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:  # NaN is not
                raise _refused(name, value, "at least 0, and finite")
        if not 0 <= self.magnitude < BINS:
            raise _refused("magnitude", self.magnitude, f"0 to {BINS - 1}")
        if not 0 <= self.erasing <= 1:
            raise _refused("erasing", self.erasing, "a probability, 0 to 1")
        if not (len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1] <= 1):
            raise _refused(
                "scale", list(self.scale), "two fractions of the area, the smaller first: [0.08,1]"
            )


def _refused(name: str, value: object, expected: str) -> BuilderError:
    return BuilderError(f"protocol.recipe.augmentation.{name} is {value}, expected {expected}.")
