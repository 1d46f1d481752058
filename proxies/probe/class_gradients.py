"""Gradients of drawn classes' log-likelihoods by one weight of every layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from proxies.errors import NothingCollected
from proxies.probe.per_sample import weight_gradients
from proxies.probe.walk import Calls, Collector


class ClassGradients(Collector):
    """Per sample, the gradient of -log p(drawn class) by one weight of every layer.

    layers:    weighted layers by name.
    samples:   number of samples in the batch.
    generator: that the weights are chosen with.
    """

    stage = "classes"
    images = True

    def __init__(self, layers: Mapping[str, nn.Module], samples: int, generator: torch.Generator) -> None:
        super().__init__()
        self.modules, self.samples = layers, samples
        self.chosen: dict[str, tuple[int, int]] = {}
        for name, module in layers.items():
            weight: Tensor = module.weight  # type: ignore[assignment]
            row = torch.randint(weight.shape[0], (), generator=generator).item()
            column = torch.randint(weight[0].numel(), (), generator=generator).item()
            self.chosen[name] = (int(row), int(column))
        self.found: dict[str, list[Tensor]] = {name: [] for name in layers}

    def layer(self, calls: Calls, part: slice) -> None:
        """Keep the gradients by the chosen weight for every sample of the part."""
        calls.check(part.stop - part.start)
        row, column = self.chosen[calls.name]
        ((_, gradients),) = weight_gradients(calls, part.stop - part.start, row)
        self.found[calls.name].append(gradients.flatten(1)[:, column])

    def result(self) -> Tensor:
        """Return them, (layers, samples) float64, without layers that no logit depends on."""
        rows = [torch.cat(found).double() for found in self.found.values() if found]
        if not rows:
            raise NothingCollected("The logits depend on no weight.")
        return torch.stack(rows)
