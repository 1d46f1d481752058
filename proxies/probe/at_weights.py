"""The loss and its gradients at weights other than the network's own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from proxies.probe.layers import call
from proxies.probe.loss import summed_loss


def loss_and_gradients(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    weights: Mapping[str, Tensor],
    at_once: int | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the mean loss, a float64 scalar, and its gradient by each of the weights.

    network: left as it is; its other parameters keep their values.
    images:  (batch, channels, height, width); labels: as `summed_loss` takes.
    weights: by their key in the state dict, to stand in for the network's own.
    at_once: images to go through at a time, all by default.

    A weight that the loss does not depend on has a gradient of zeros.
    """
    leaves = {key: weight.detach().requires_grad_() for key, weight in weights.items()}
    size = at_once or len(images)
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    sums: dict[str, Tensor] = {}
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        with torch.enable_grad():
            # A copy: a network may begin with an operation in place.
            loss = summed_loss(network, call(network, part.clone(), leaves), answers) / len(images)
            gradients = torch.autograd.grad(
                loss, list(leaves.values()), allow_unused=True, materialize_grads=True
            )
        total += loss.detach()
        for key, gradient in zip(leaves, gradients, strict=True):
            sums[key] = sums[key] + gradient if key in sums else gradient
    return total, sums
