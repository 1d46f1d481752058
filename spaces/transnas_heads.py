"""The heads of TransNAS-Bench-101's tasks: classifiers, and decoders back to the size of the image.

Source: Duan et al., "TransNAS-Bench-101", CVPR 2021, and its released code. The discriminator that its
training of images adds is not part of a network here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from spaces.convolutional import Cost, ImageShape, batch_norm, convolution, linear

_WIDEST = 1024  # channels after a decoder's first convolution
_LEAK = 0.2


@dataclass(frozen=True)
class Decoder:
    """What a target asks for: the network's loss, and into how many pieces an image is cut."""

    loss: str
    pieces: int = 1


DECODER = {
    "classes": Decoder("cross_entropy"),
    "probabilities": Decoder("soft_cross_entropy"),
    "values": Decoder("squared_error"),
    "permutation": Decoder("cross_entropy", pieces=9),
    "segments": Decoder("cross_entropy"),
    "image": Decoder("absolute_error"),
}


@dataclass(frozen=True)
class _Layer:
    """A 3 x 3 convolution with bias, or one transposed that doubles the side."""

    width: int
    wider: int
    doubles: bool = False


def _doublings(shape: ImageShape, side: int) -> int:
    """How often the side must double to be the image's."""
    return (shape.image_size // side).bit_length() - 1


def _segmentation(width: int, doublings: int) -> Iterator[_Layer]:
    yield _Layer(width, _WIDEST)
    wide = _WIDEST
    for _ in range(6 - doublings):
        yield _Layer(wide, wide // 2)
        wide //= 2
    for _ in range(doublings - 1):
        yield _Layer(wide, wide // 2, doubles=True)
        wide //= 2
    yield _Layer(wide, wide, doubles=True)


def _generative(width: int, doublings: int) -> Iterator[_Layer]:
    yield _Layer(width, _WIDEST)
    for wide, narrow, last in ((1024, 1024, 512), (512, 512, 256), (256, 128, 64), (64, 64, 32)):
        yield _Layer(wide, narrow)
        # The first of these double only where the feature map is small.
        yield _Layer(narrow, last, doubles=doublings >= {512: 6, 256: 5, 64: 4, 32: 3}[last])
    yield _Layer(32, 32)
    yield _Layer(32, 16, doubles=True)
    yield _Layer(16, 32)
    yield _Layer(32, 16, doubles=True)


def _layers(shape: ImageShape, width: int, side: int) -> list[_Layer]:
    decoder = _segmentation if shape.target == "segments" else _generative
    return list(decoder(width, _doublings(shape, side)))


def head_cost(shape: ImageShape, width: int, side: int) -> Cost:
    """Return the cost of the head over a feature map of this width and side."""
    if shape.target not in ("segments", "image"):
        return linear(width * DECODER[shape.target].pieces, shape.classes)
    total = Cost()
    for layer in _layers(shape, width, side):
        total += convolution(layer.width, layer.wider, 3, side, bias=True) + batch_norm(layer.wider)
        side *= 2 if layer.doubles else 1
    return total + convolution(layer.wider, shape.classes, 3, side, bias=True)


def head_of(shape: ImageShape, width: int, side: int) -> nn.Sequential:
    """Make the head over a feature map (batch, width * pieces, side, side).

    It returns (batch, classes), and for segments and images (batch, classes, image_size, image_size).
    """
    if shape.target not in ("segments", "image"):
        pooled = width * DECODER[shape.target].pieces
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(pooled, shape.classes))
    found: list[nn.Module] = []
    for layer in _layers(shape, width, side):
        convolve: nn.Module = nn.Conv2d(layer.width, layer.wider, 3, padding=1)
        if layer.doubles:
            convolve = nn.ConvTranspose2d(layer.width, layer.wider, 3, stride=2, padding=1, output_padding=1)
        found += [convolve, nn.BatchNorm2d(layer.wider), nn.LeakyReLU(_LEAK)]
    found.append(nn.Conv2d(layer.wider, shape.classes, 3, padding=1))
    return nn.Sequential(*found, *([nn.Tanh()] if shape.target == "image" else []))
