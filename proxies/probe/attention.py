"""What attention heads do: how decided they are, and how much the logits hang on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from proxies.errors import NothingCollected
from proxies.probe.layers import weighted_layers
from proxies.probe.walk import Calls, Collector


@dataclass
class AttentionLayer:
    """The modules of one attention layer: the softmax over keys, and the projection of the heads' outputs."""

    softmax: nn.Module
    projection: nn.Module


def attention_layers(network: nn.Module) -> list[AttentionLayer]:
    """Return the attention layers of a network, in forward order, as its `roles` name them.

    Raises NothingCollected when it names no softmax among its modules of role "attention".
    """
    roles: Mapping[str, str] = getattr(network, "roles", {})
    modules = [module for name, module in network.named_modules() if roles.get(name) == "attention"]
    layers = []
    for place, module in enumerate(modules):
        if isinstance(module, nn.Softmax):
            after = [m for m in modules[place + 1 :] if isinstance(m, nn.Linear)]
            layers += [AttentionLayer(module, after[0])] if after else []
    if not layers:
        raise NothingCollected("The network's roles name no attention with a softmax module (nn.Softmax).")
    return layers


class HeadConfidence(Collector):
    """Per head, the mean over samples and queries of the largest entry of its weights and of its output.

    layers:  attention layers in forward order.
    samples: number of samples in the batch.
    """

    def __init__(self, layers: list[AttentionLayer], samples: int) -> None:
        super().__init__()
        self.layers, self.samples = layers, samples
        self.weights = [torch.zeros(())] * len(layers)
        self.outputs = [torch.zeros(())] * len(layers)

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook every softmax and projection."""
        for number, layer in enumerate(self.layers):
            heads: list[int] = []
            yield layer.softmax.register_forward_hook(self._keep_weights(number, heads))
            yield layer.projection.register_forward_pre_hook(self._keep_outputs(number, heads))

    def _keep_weights(self, number: int, heads: list[int]) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, weights: Tensor) -> None:
            heads.append(weights.shape[1])  # (batch, heads, queries, keys)
            largest = weights.detach().amax(dim=-1).double()
            self.weights[number] = self.weights[number].to(largest) + largest.mean(dim=2).sum(dim=0)

        return keep

    def _keep_outputs(self, number: int, heads: list[int]) -> Callable[[nn.Module, Any], None]:
        def keep(module: nn.Module, inputs: Any) -> None:
            outputs = inputs[0].detach().unflatten(-1, (heads[-1], -1))  # (batch, queries, heads, head_dim)
            largest = outputs.amax(dim=-1).double()
            self.outputs[number] = self.outputs[number].to(largest) + largest.mean(dim=1).sum(dim=0)

        return keep

    def result(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return, per layer, those of the weights and those of the outputs, each (heads,) float64."""
        return [x / self.samples for x in self.weights], [x / self.samples for x in self.outputs]


class HeadImportance(Collector):
    """Per head, the mean over samples of |sum of its output * the gradient of the summed logits by it|.

    names:   of the attention layers' projections, in forward order; their inputs are the heads' outputs.
    layers:  the attention layers.
    samples: number of samples in the batch.
    """

    stage = "logits"
    images = True

    def __init__(self, network: nn.Module, layers: list[AttentionLayer], samples: int) -> None:
        super().__init__()
        names = {module: name for name, module in network.named_modules()}
        self.modules = {names[layer.projection]: layer.projection for layer in layers}
        self.layers, self.samples = layers, samples
        self.heads: dict[str, int] = {}
        self.sums: dict[str, Tensor] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Count the heads of every softmax."""

        def count(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def keep(module: nn.Module, inputs: Any, weights: Tensor) -> None:
                self.heads[name] = weights.shape[1]  # (batch, heads, queries, keys)

            return keep

        for name, layer in zip(self.modules, self.layers, strict=True):
            yield layer.softmax.register_forward_hook(count(name))

    def layer(self, calls: Calls, part: slice) -> None:
        """Add a part's importances."""
        weight: Tensor = calls.module.weight.detach()
        for outputs, gradients in calls.pairs():
            by_head = (outputs * (gradients @ weight)).unflatten(-1, (self.heads[calls.name], -1))
            importance = by_head.sum(dim=(1, 3)).double().abs().sum(dim=0)  # (heads,)
            self.sums[calls.name] = self.sums.get(calls.name, torch.zeros_like(importance)) + importance

    def result(self) -> list[Tensor]:
        """Return the importances per layer, (heads,) float64."""
        if not self.sums:
            raise NothingCollected("The logits depend on no attention head.")
        return [total / self.samples for total in self.sums.values()]


def roles_with_attention(network: nn.Module) -> Mapping[str, str]:
    """Return the network's roles by module; NothingCollected when no weighted layer's is attention."""
    roles: Mapping[str, str] = getattr(network, "roles", {})
    if not any(roles.get(name) == "attention" for name in weighted_layers(network)):
        raise NothingCollected("This needs attention layers; the network names none in its roles.")
    return roles
