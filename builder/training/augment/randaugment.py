"""RandAugment: some operations of a fixed set on every image, one after the other.

Source: Cubuk et al., NeurIPS 2020 (RandAugment); the set and its strengths are torchvision's.

Images that drew the same operation undergo it in one call: torchvision's, unless that waits for the GPU.
Its warps and its sharpness do, as they carry numbers there at every call.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from builder.training.augment.augmentation import BINS
from builder.training.augment.boxes import to_device
from builder.training.augment.vision import torchvision_functional

# Operations with a direction and their strength at the highest magnitude: shears in pixels a pixel,
# translations in sides, rotations in degrees, and by how much a factor differs from 1.
_WARPS = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": 150 / 331, "TranslateY": 150 / 331, "Rotate": 30.0}
_FACTORS = {"Brightness": 0.9, "Color": 0.9, "Contrast": 0.9, "Sharpness": 0.9}
_OTHERS = ("Identity", "Posterize", "Solarize", "AutoContrast", "Equalize")
_GREY = 128  # what moves in where an image moves out: about the mean, which a network sees as zero


def rand_augment(pixels: Tensor, operations: int, magnitude: int, draws: torch.Generator) -> Tensor:
    """Apply operations drawn for each image, each way with equal odds where an operation has a direction.

    pixels: (batch, channels, side, side) uint8. operations: how many an image. magnitude: of all, 0 to 30.
    Grey images have no colour: "Color" is not in their set.
    """
    batch, channels, side, _ = pixels.shape
    names = [name for name in (*_WARPS, *_FACTORS, *_OTHERS) if name != "Color" or channels == 3]
    # Every operation twice, forwards and backwards; those without a direction only ever forwards.
    kinds = [(name, sign * _strength(name, magnitude, side)) for name in names for sign in (1, -1)]
    directed = torch.tensor([name not in _OTHERS for name in names])
    for _ in range(operations):
        chosen = torch.randint(len(names), (batch,), generator=draws)
        backwards = torch.randint(2, (batch,), generator=draws)
        pixels = _apply(pixels, kinds, 2 * chosen + backwards * directed[chosen])
    return pixels


def _strength(name: str, magnitude: int, side: int) -> float:
    """Return torchvision's strength, to the bit, of an operation that does more the larger it is."""
    if name == "Posterize":
        return 8 - round(magnitude / ((BINS - 1) / 4))  # bits that are left
    if name == "Solarize":
        return 255 * float(torch.linspace(1.0, 0.0, BINS)[magnitude])  # level from which on it inverts
    largest = {**_WARPS, **_FACTORS}.get(name, 0.0)
    if name.startswith("Translate"):
        return int(torch.linspace(0.0, largest * side, BINS)[magnitude])  # pixels
    return float(torch.linspace(0.0, largest, BINS)[magnitude])


def _apply(pixels: Tensor, kinds: list[tuple[str, float]], drawn: Tensor) -> Tensor:
    """Apply to every image the kind that it drew; drawn: (batch,) positions in `kinds`, on the CPU."""
    warps = 2 * len(_WARPS)
    order = drawn.argsort(stable=True)
    sizes = drawn.bincount(minlength=len(kinds)).tolist()
    place = to_device(order, pixels.device)
    moved, *others = pixels[place].split([sum(sizes[:warps]), *sizes[warps:]])
    matrices = torch.tensor([_matrix(name, strength, pixels.shape[3]) for name, strength in kinds[:warps]])
    done = [_warp(moved, matrices[drawn[order[: len(moved)]]])] if len(moved) else []
    for (name, strength), images in zip(kinds[warps:], others, strict=True):
        if len(images):
            done.append(_recolour(name, strength, images))
    return torch.empty_like(pixels).index_copy_(0, place, torch.cat(done))


def _matrix(name: str, strength: float, side: int) -> list[list[float]]:
    """Return where a warp takes a point of its result from: x, y, 1 to x, y; the image spans -1 to 1."""
    match name:
        case "ShearX":  # the top row stays
            return [[1, strength, strength], [0, 1, 0]]
        case "ShearY":  # the left column stays
            return [[1, 0, 0], [strength, 1, strength]]
        case "TranslateX":
            return [[1, 0, -2 * strength / side], [0, 1, 0]]
        case "TranslateY":
            return [[1, 0, 0], [0, 1, -2 * strength / side]]
        case _:
            cosine, sine = math.cos(math.radians(strength)), math.sin(math.radians(strength))
            return [[cosine, -sine, 0], [sine, cosine, 0]]


def _warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Warp every image by its matrix, (images, 2, 3): the nearest pixel, and grey from without."""
    # In float64: a product in a GPU's short floats could move a point past the middle between two pixels.
    grid = functional.affine_grid(
        to_device(matrices.double(), images.device), list(images.shape), align_corners=False
    )
    centred = images.float() - _GREY
    warped = functional.grid_sample(centred, grid.float(), mode="nearest", align_corners=False)
    return (warped + _GREY).to(torch.uint8)


def _recolour(name: str, strength: float, images: Tensor) -> Tensor:
    """Apply an operation that leaves every pixel where it is to all of these images."""
    vision = torchvision_functional()
    match name:
        case "Brightness":
            return vision.adjust_brightness(images, 1 + strength)
        case "Color":
            return vision.adjust_saturation(images, 1 + strength)
        case "Contrast":
            return vision.adjust_contrast(images, 1 + strength)
        case "Sharpness":
            return _sharpen(images, 1 + strength)
        case "Posterize":
            return vision.posterize(images, int(strength))
        case "Solarize":
            return vision.solarize(images, strength)
        case "AutoContrast":
            return vision.autocontrast(images)
        case "Equalize":
            return vision.equalize(images)
        case _:
            return images


def _sharpen(images: Tensor, factor: float) -> Tensor:
    """Blend inner pixels with the mean of the 9 around them: factor 0 is that mean, above 1 away from it."""
    sharp = images.float()
    inner = sharp[..., 1:-1, 1:-1]
    mean = functional.avg_pool2d(sharp, 3, stride=1)
    blurred = ((9 * mean + 4 * inner) / 13).round_()  # weight 5 of 13 in the middle, 1 around it
    inner.add_(blurred.sub_(inner), alpha=1 - factor)
    return sharp.clamp_(0, 255).to(torch.uint8)
