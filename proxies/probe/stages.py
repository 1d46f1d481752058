"""Features between a network's stages: their covariances, and the Jacobians from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.functional import pixel_unshuffle

from proxies.errors import NothingCollected
from proxies.probe.walk import Collector
from proxies.spectrum import eigenvalues


@dataclass
class Feature:
    """Sums over the rows, all samples and places, of one stage's features.

    rows:     number of rows.
    total:    sum of the rows, (channels,) float64.
    products: sum of their outer products, (channels, channels) float64.
    """

    rows: int
    total: Tensor
    products: Tensor

    def __add__(self, other: Feature) -> Feature:
        """Return the sums over the rows of both."""
        return Feature(self.rows + other.rows, self.total + other.total, self.products + other.products)

    def covariance(self) -> Tensor:
        """Return the population covariance of the channels, (channels, channels) float64."""
        mean = self.total / self.rows
        return self.products / self.rows - mean.outer(mean)


class StageVariances(Collector):
    """The principal variances of the features that a network's stages return, over all samples and places.

    names: of the modules whose outputs are the features, in forward order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = list(names)
        self.found: dict[str, Feature] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook the stages."""
        for name in self.names:
            yield network.get_submodule(name).register_forward_hook(self._keep(name))

    def _keep(self, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            rows = as_rows(output.detach()).double()  # (rows, channels)
            feature = Feature(len(rows), rows.sum(dim=0), rows.T @ rows)
            self.found[name] = self.found[name] + feature if name in self.found else feature

        return keep

    def result(self) -> list[Tensor]:
        """Return them in forward order of the stages, each (channels,) float64, ascending."""
        if not self.found:
            raise NothingCollected("No stage was called.")
        return [eigenvalues(self.found[name].covariance()) for name in self.names if name in self.found]


@dataclass
class Place:
    """Where in the graph a stage's output is, and of what shape: what follows may work on it in place."""

    edge: GradientEdge
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device


class StageJacobians(Collector):
    """The alignment of random signs at each stage's output with their gradient at its input.

    names:     of the modules whose outputs are the features, in forward order.
    samples:   number of samples in the batch.
    generator: of the signs; they are drawn from the last stage to the second.
    """

    stage = "stages"
    images = True

    def __init__(self, names: Sequence[str], samples: int, generator: torch.Generator) -> None:
        super().__init__()
        self.names, self.samples, self.generator = list(names), samples, generator
        self.places: dict[str, Place] = {}
        self.signs: dict[str, Tensor] = {}
        self.alignments: dict[str, Tensor] = {}
        self.identities: dict[str, Tensor] = {}
        self.part = slice(0)

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook the stages, to find their outputs in the graph."""
        self.part = part

        def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
                edge = get_gradient_edge(output)
                self.places[name] = Place(edge, output.shape, output.dtype, output.device)

            return hook

        for name in self.names:
            yield network.get_submodule(name).register_forward_hook(keep(name))

    def between(self) -> None:
        """Go back from each stage to the one before."""
        called = [name for name in self.names if name in self.places]
        for before, after in reversed(list(pairwise(called))):
            source, target = self.places[before], self.places[after]
            if after not in self.signs:
                shape = (self.samples, *target.shape[1:])
                drawn = torch.randint(2, shape, generator=self.generator, dtype=torch.int8)
                # The host goes on while they are copied.
                self.signs[after] = drawn.mul_(2).sub_(1).to(target.device, non_blocking=True)
            signs = self.signs[after][self.part].to(target.dtype)
            (gradient,) = torch.autograd.grad(target.edge, source.edge, signs, retain_graph=True)
            if gradient.shape == signs.shape:
                same = (gradient == signs).all()
                self.identities[after] = self.identities[after] & same if after in self.identities else same
            if gradient.ndim == 4 and gradient.shape[-1] > signs.shape[-1]:
                gradient = pixel_unshuffle(gradient, gradient.shape[-1] // signs.shape[-1])
            alignment = (as_rows(gradient).T @ as_rows(signs)).double()  # (channels before, channels after)
            self.alignments[after] = (
                self.alignments[after] + alignment if after in self.alignments else alignment
            )

    def release(self) -> None:
        """Let the graph go."""
        self.places = {}

    def result(self) -> list[tuple[Tensor, Tensor]]:
        """Return, per stage but the first, the mean alignment over rows and whether it is the identity."""
        if not self.alignments:
            raise NothingCollected("Fewer than two stages were called.")
        found = []
        for name in self.names:
            if name in self.alignments:
                rows = self.signs[name].numel() // self.alignments[name].shape[1]
                same = self.identities.get(name, torch.zeros((), dtype=torch.bool))
                found.append((self.alignments[name] / rows, same))
        return found


def as_rows(features: Tensor) -> Tensor:
    """Features (batch, channels, height, width) or (batch, tokens, channels) as (rows, channels)."""
    return features.movedim(1, -1).flatten(0, -2) if features.ndim == 4 else features.flatten(0, -2)
