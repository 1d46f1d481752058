"""Weights drawn anew from N(0, 1), for proxies that measure the architecture whatever its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from proxies.probe.layers import weight_key, weighted_layers


def gaussian_weights(network: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Return tensors to stand in for the network's of the same name: weights of N(0, 1), and plain norms.

    Weights of convolutions and linear layers are drawn, in forward order; their biases are 0; BatchNorms and
    GroupNorms have weights of 1 and biases of 0. All other parameters, LayerNorms' too, are left out.

    generator: on the CPU. Draws are float32 whatever the network's dtype: the same for all, and five times
               cheaper than in float64.

    Raises NothingCollected without weighted layers.
    """
    state: dict[str, Tensor] = {}
    for name, module in weighted_layers(network).items():
        drawn = torch.randn(module.weight.shape, generator=generator)
        state[weight_key(name)] = drawn.to(module.weight, non_blocking=True)
    for name, parameter in network.named_parameters():
        owner = network.get_submodule(name.rpartition(".")[0])
        if isinstance(owner, nn.Conv2d | nn.Linear | _BatchNorm | nn.GroupNorm):
            fill = torch.zeros_like if name.endswith("bias") else torch.ones_like
            state.setdefault(name, fill(parameter, requires_grad=False))
    return state
