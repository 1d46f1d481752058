"""The data-free pass: the network made of |weights|, one image of ones, the gradient of the summed logits."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from proxies.probe.layers import WeightedLayer, call, weight_key, weighted_layers


def collect_data_free(
    network: nn.Module, input_shape: tuple[int, int, int], device: torch.device
) -> list[tuple[WeightedLayer, Tensor]]:
    """Return each weighted layer, with |weight|, and the gradient of R by it, both float64.

    R is the sum of the logits of one image of ones. Every floating tensor of the state dict is replaced by
    its absolute value in float64: weights, biases, norms, positions, running statistics. BatchNorm is
    bypassed; LayerNorm and softmax stay, so that a ViT's R is not homogeneous in its weights.

    Raises NothingCollected without weighted layers.
    """
    modules = weighted_layers(network)
    # Buffers that the state dict leaves out keep their signs, and need the dtype all the same.
    state = {name: _double(buffer) for name, buffer in network.named_buffers() if buffer.is_floating_point()}
    state |= {
        name: _double(tensor).abs_()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    leaves = [state[weight_key(name)].requires_grad_() for name in modules]
    with ExitStack() as hooks, torch.enable_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                hooks.enter_context(module.register_forward_hook(_identity))
        ones = torch.ones(1, *input_shape, dtype=torch.float64, device=device)
        total = call(network, ones, state).sum()
        gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return [
        (WeightedLayer(name, index, leaf.detach()), gradient)
        for index, (name, leaf, gradient) in enumerate(zip(modules, leaves, gradients, strict=True))
    ]


def _double(tensor: Tensor) -> Tensor:
    """A copy in float64; the one copy that is made of a tensor."""
    return tensor.detach().to(torch.float64, copy=True)


def _identity(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    first: Tensor = inputs[0]
    return first
