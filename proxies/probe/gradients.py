"""Gradients of the loss with respect to the weights, for the first batch or for each of several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from proxies.probe.layers import WeightedLayer, call, weight_key, weighted_layers


def collect_gradients(
    network: nn.Module, images: Tensor, labels: Tensor
) -> list[tuple[WeightedLayer, Tensor]]:
    """Return each weighted layer with its gradient of the mean cross-entropy, in the network's dtype.

    A layer that the loss does not depend on has a gradient of zeros.
    Raises NothingCollected without weighted layers.
    """
    layers = [
        WeightedLayer(name, index, module.weight.detach())
        for index, (name, module) in enumerate(weighted_layers(network).items())
    ]
    leaves = {
        weight_key(layer.name): layer.weight.detach() for layer in layers
    }  # alias the weights, copy none
    with torch.enable_grad():
        for leaf in leaves.values():
            leaf.requires_grad_()
        loss = cross_entropy(call(network, images, leaves), labels)
        gradients = torch.autograd.grad(
            loss, list(leaves.values()), allow_unused=True, materialize_grads=True
        )
    return list(zip(layers, gradients, strict=True))


def collect_batch_gradients(
    network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]
) -> list[tuple[WeightedLayer, Tensor]]:
    """Return each weighted layer with its gradients of every batch's mean cross-entropy, (batches, *weight).

    They are kept, not summed up: for a handful of batches that takes less memory than running moments in
    float64, and proxies differ in the moments they want.
    """
    collected = [collect_gradients(network, images, labels) for images, labels in batches]
    return [
        (pairs[0][0], torch.stack([gradient for _, gradient in pairs]))
        for pairs in zip(*collected, strict=True)
    ]
