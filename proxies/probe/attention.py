"""What attention heads do: how decided they are, and how much the logits hang on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from proxies.errors import NothingCollected
from proxies.probe.layers import weighted_layers
from proxies.probe.walk import Calls, Collector


@dataclass
class AttentionLayer:
    """The modules of one attention layer: the softmax over keys, and the projection of the heads' outputs.

    name: of the projection.
    """

    name: str
    softmax: nn.Module
    projection: nn.Module

    def not_called(self) -> NothingCollected:
        """Return the error of a projection that was called without the softmax."""
        return NothingCollected(
            f"The softmax of '{self.name}' was not called: attention that is a function cannot be hooked."
        )


def attention_layers(network: nn.Module) -> list[AttentionLayer]:
    """Return the attention layers of a network, in forward order, as its `roles` name them.

    Raises NothingCollected when it names no softmax among its modules of role "attention".
    """
    roles: Mapping[str, str] = getattr(network, "roles", {})
    modules = [(name, module) for name, module in network.named_modules() if roles.get(name) == "attention"]
    layers = []
    for place, (_, module) in enumerate(modules):
        if isinstance(module, nn.Softmax):
            after = [(name, m) for name, m in modules[place + 1 :] if isinstance(m, nn.Linear)]
            layers += [AttentionLayer(after[0][0], module, after[0][1])] if after else []
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
        self.heads: dict[str, int] = {}
        self.weights: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook every softmax and projection."""
        self.heads = {}
        for layer in self.layers:
            yield layer.softmax.register_forward_hook(self._keep_weights(layer))
            yield layer.projection.register_forward_pre_hook(self._keep_outputs(layer))

    def _keep_weights(self, layer: AttentionLayer) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, weights: Tensor) -> None:
            self.heads[layer.name] = weights.shape[1]  # (batch, heads, queries, keys)
            _add(self.weights, layer.name, weights.detach().amax(dim=-1).double().mean(dim=2))

        return keep

    def _keep_outputs(self, layer: AttentionLayer) -> Callable[[nn.Module, Any], None]:
        def keep(module: nn.Module, inputs: Any) -> None:
            if layer.name not in self.heads:
                raise layer.not_called()
            # (batch, queries, heads, head_dim)
            outputs = inputs[0].detach().unflatten(-1, (self.heads[layer.name], -1))
            _add(self.outputs, layer.name, outputs.amax(dim=-1).double().mean(dim=1))

        return keep

    def result(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return, per layer, those of the weights and those of the outputs, each (heads,) float64."""
        if not self.outputs:
            raise NothingCollected("No attention layer was called.")
        weights, outputs = self.weights.values(), self.outputs.values()
        return [x / self.samples for x in weights], [x / self.samples for x in outputs]


def _add(sums: dict[str, Tensor], name: str, terms: Tensor) -> None:
    """Add a part's (batch, heads) to a layer's sum over samples, (heads,)."""
    total = terms.sum(dim=0)
    sums[name] = sums[name] + total if name in sums else total


class HeadImportance(Collector):
    """Per head, the mean over samples of |sum of its output * the gradient of the summed logits by it|.

    layers:  attention layers in forward order; their projections' inputs are the heads' outputs.
    samples: number of samples in the batch.
    """

    stage = "logits"
    images = True

    def __init__(self, layers: list[AttentionLayer], samples: int) -> None:
        super().__init__()
        self.modules = {layer.name: layer.projection for layer in layers}
        self.layers, self.samples = {layer.name: layer for layer in layers}, samples
        self.heads: dict[str, int] = {}
        self.sums: dict[str, Tensor] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Count the heads of every softmax."""

        def count(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def keep(module: nn.Module, inputs: Any, weights: Tensor) -> None:
                self.heads[name] = weights.shape[1]  # (batch, heads, queries, keys)

            return keep

        for name, layer in self.layers.items():
            yield layer.softmax.register_forward_hook(count(name))

    def layer(self, calls: Calls, part: slice) -> None:
        """Add a part's importances."""
        if calls.name not in self.heads:
            raise self.layers[calls.name].not_called()
        weight: Tensor = calls.module.weight.detach()
        for outputs, gradients in calls.pairs():
            by_head = (outputs * (gradients @ weight)).unflatten(-1, (self.heads[calls.name], -1))
            _add(self.sums, calls.name, by_head.sum(dim=(1, 3)).double().abs())

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
