"""Augmentation of a batch of small images, on whatever device they are.

Every draw is made on the CPU and carried to the device, so that every device sees the same images; nothing
is read back, so that a GPU is never waited for. `Augmentation` is the part of a recipe that asks for it,
`augment` varies images one by one as they are stored, `mix` blends images and their labels as a network takes
them.
"""

from builder.training.augment.augmentation import Augmentation
from builder.training.augment.mixing import mix
from builder.training.augment.pixels import augment

__all__ = ["Augmentation", "augment", "mix"]
