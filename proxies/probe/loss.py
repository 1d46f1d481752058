"""The loss of a network's task: cross-entropy, unless the network says of itself that it is another."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss, mse_loss

from proxies.errors import NothingCollected, ProxyError
from proxies.options import unknown

_FLOOR = 1e-5  # of a probability, as TransNAS-Bench-101's code has it


def _cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(outputs, labels, reduction="sum")


def _soft_cross_entropy(outputs: Tensor, shares: Tensor) -> Tensor:
    return -(shares * (outputs.softmax(dim=1) + _FLOOR).log()).sum()


def _squared_error(outputs: Tensor, values: Tensor) -> Tensor:
    return mse_loss(outputs, values, reduction="sum")


def _absolute_error(outputs: Tensor, values: Tensor) -> Tensor:
    return l1_loss(outputs, values, reduction="sum")


# Each the sum over images and places, and over the numbers of a place: classes are one.
_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": _cross_entropy,
    "soft_cross_entropy": _soft_cross_entropy,
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
}
CLASS_LOSSES = ("cross_entropy", "soft_cross_entropy")


def loss_name(network: nn.Module) -> str:
    """Return what the network calls its loss (`loss`), cross_entropy by default; ProxyError if unknown."""
    name: str = getattr(network, "loss", "cross_entropy")
    if name not in _LOSSES:
        raise ProxyError(unknown("loss", name, _LOSSES))
    return name


def summed_loss(network: nn.Module, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over images of each one's loss, 0-d: the mean over its places, and over its numbers.

    outputs: of the network, (batch, classes or numbers), with places after them for dense predictions.
    labels:  cross_entropy: (batch, places) int64. soft_cross_entropy: a share of each class, as the outputs.
             squared_error and absolute_error: as the outputs.

    Raises ProxyError when labels are not of the outputs' shape; NothingCollected for classes of which there
    is only one, whose loss is the same at all weights.
    """
    name = loss_name(network)
    expected = outputs.shape[:1] + outputs.shape[2:] if name == "cross_entropy" else outputs.shape
    if labels.shape != expected:
        raise ProxyError(
            f"Labels are {tuple(labels.shape)} for outputs {tuple(outputs.shape)}; "
            f"{name} expects {tuple(expected)}."
        )
    if name in CLASS_LOSSES and outputs.shape[1] == 1:
        raise NothingCollected("The network knows one class: its loss is the same at all weights.")
    numbers = outputs[0, 0].numel() if name in CLASS_LOSSES else outputs[0].numel()
    return _LOSSES[name](outputs, labels) / numbers
