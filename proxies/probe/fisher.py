"""The Fisher saliency of every layer's output channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from proxies.probe.walk import Calls, Collector


class ChannelSaliency(Collector):
    """Per layer, half the mean over samples of the squared (sum over places of output * dL/d output).

    layers:  weighted layers by name.
    samples: number of samples in the batch; L is the mean cross-entropy.
    """

    stage = "loss"
    images = True

    def __init__(self, layers: Mapping[str, nn.Module], samples: int) -> None:
        super().__init__()
        self.modules = layers
        self.samples = samples
        self.outputs: dict[str, list[tuple[Tensor, int]]] = {}
        self.squares: dict[tuple[str, bool], Tensor] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Keep every layer's outputs."""
        self.outputs = {name: [] for name in self.modules}
        for name, module in self.modules.items():
            yield module.register_forward_hook(self._keep(name))

    def _keep(self, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self.outputs[name].append((output.detach(), output._version))

        return keep

    def layer(self, calls: Calls, part: slice) -> None:
        """Add the squares of a part."""
        calls.check(part.stop - part.start)
        for number, gradient in calls.gradients.items():
            output, version = self.outputs[calls.name][number]
            if output._version != version:  # what followed worked in place
                with torch.no_grad():
                    output = calls.module.forward(calls.inputs[number])
            product = output * gradient
            for axis_1 in (False, True):
                squares = (
                    _over_places(product, axis_1 or isinstance(calls.module, nn.Conv2d))
                    .double()
                    .square()
                    .sum(dim=0)
                )  # (channels,)
                key = (calls.name, axis_1)
                self.squares[key] = self.squares.get(key, torch.zeros_like(squares)) + squares

    def result(self) -> dict[tuple[str, bool], Tensor]:
        """Return the saliencies, (channels,) float64, by layer and whether axis 1 is the channels."""
        return {key: squares / (2 * self.samples**3) for key, squares in self.squares.items()}


def _over_places(product: Tensor, axis_1: bool) -> Tensor:
    """Sum over all axes but the batch and the channels, which are axis 1 or the last."""
    if product.ndim == 2:
        return product
    if axis_1:
        return product.flatten(2).sum(dim=2)
    return product.flatten(1, -2).sum(dim=1)
