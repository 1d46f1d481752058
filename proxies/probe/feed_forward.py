"""The rows that activation functions are given and return: their covariances, and a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from proxies.errors import NothingCollected, ProxyError
from proxies.probe.stages import Feature, as_rows
from proxies.probe.walk import Collector
from proxies.spectrum import eigenvalues


class HiddenVariances(Collector):
    """The principal variances of what every activation function is given, over all samples and places.

    modules: activation modules by name.

    Where an activation follows a linear layer, h = W x + b, the covariance of h has no more rank than x: x's
    is kept, with W, and `principal_variances` takes the eigenvalues of the smaller of the two.
    """

    def __init__(self, modules: Mapping[str, nn.Module], network: nn.Module) -> None:
        super().__init__()
        self.watched = modules
        self.linear: list[nn.Module] = [m for m in network.modules() if isinstance(m, nn.Linear)]
        self.last: tuple[nn.Linear, Tensor, Tensor, int] | None = None
        self.found: dict[int, tuple[Feature, Tensor | None]] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook the linear layers and the activations."""
        for linear in self.linear:
            yield linear.register_forward_hook(self._remember)
        number = iter(range(1 << 30))
        for module in self.watched.values():
            yield module.register_forward_pre_hook(self._keep(number))

    def _remember(self, module: Any, inputs: Any, output: Tensor) -> None:
        self.last = (module, inputs[0].detach(), output, output._version)

    def _keep(self, number: Any) -> Callable[[nn.Module, Any], None]:
        def keep(module: nn.Module, inputs: Any) -> None:
            hidden, weight = inputs[0], None
            last = self.last
            untouched = last and last[2] is hidden and last[3] == hidden._version
            if last and untouched and last[0].in_features < last[0].out_features:
                weight, hidden = last[0].weight.detach(), last[1]
            rows = as_rows(hidden.detach()).double()  # (rows, channels)
            feature = Feature(len(rows), rows.sum(dim=0), rows.T @ rows)
            place = next(number)
            if place in self.found:
                feature = self.found[place][0] + feature
            self.found[place] = (feature, weight)

        return keep

    def release(self) -> None:
        """Let the graph go."""
        self.last = None

    def result(self) -> list[Tensor]:
        """Return them per call, the largest first, float64, without zeros that are known to be zero."""
        if not self.found:
            raise NothingCollected(
                "No activations were hooked: the forward pass called no activation module."
            )
        return [principal_variances(feature.covariance(), weight) for feature, weight in self.found.values()]


def principal_variances(covariance: Tensor, weight: Tensor | None) -> Tensor:
    """Return the largest eigenvalues of W C W', in descending order, float64, those left out being 0.

    covariance: C, (channels, channels) float64; weight: W, (hidden, channels), or None for the identity.
    """
    if weight is not None and covariance.isfinite().all():
        # W C W' and L' W'W L have the same eigenvalues but for zeros, C = L L'.
        values, vectors = torch.linalg.eigh(covariance)
        root = vectors * values.clamp(min=0).sqrt()
        covariance = root.T @ (weight.double().T @ weight.double()) @ root
    return eigenvalues(covariance).clamp(min=0).flip(0)


class HiddenRows(Collector):
    """Some of the rows, samples x places, that every activation function is given, and that it returns.

    modules: activation modules by name.
    samples: number of samples in the batch.
    rows:    how many to keep of a call, evenly spaced over the batch; all where there are no more.
    """

    def __init__(self, modules: Mapping[str, nn.Module], samples: int, rows: int) -> None:
        super().__init__()
        self.watched, self.samples, self.rows = modules, samples, rows
        self.found: dict[int, list[tuple[Tensor, Tensor]]] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Hook the activations."""
        number = iter(range(1 << 30))
        for module in self.watched.values():
            held: list[Tensor] = []
            yield module.register_forward_pre_hook(self._before(held, part))
            yield module.register_forward_hook(self._after(held, part, number))

    def _chosen(self, values: Tensor, part: slice) -> Tensor:
        rows = as_rows(values.detach())
        places, rest = divmod(len(rows), part.stop - part.start)  # rows of one sample
        if rest or not places:
            raise ProxyError(
                f"An activation was given {len(rows)} rows for {part.stop - part.start} images; "
                "its first axis must be the batch."
            )
        total, before = places * self.samples, part.start * places
        kept = min(self.rows, total)
        first, last = (-(-place * kept // total) for place in (before, before + len(rows)))
        wanted = torch.arange(first, last, device=rows.device) * total // kept - before
        # Not in brackets: there the index might be a mask, for whose length a GPU is awaited.
        return rows.index_select(0, wanted)

    def _before(self, held: list[Tensor], part: slice) -> Callable[[nn.Module, Any], None]:
        def keep(module: nn.Module, inputs: Any) -> None:
            held.append(self._chosen(inputs[0], part))

        return keep

    def _after(
        self, held: list[Tensor], part: slice, number: Any
    ) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self.found.setdefault(next(number), []).append((held.pop(), self._chosen(output, part)))

        return keep

    def result(self) -> list[tuple[Tensor, Tensor]]:
        """Return, per call, the rows before and after the activation, both (rows, channels)."""
        if not self.found:
            raise NothingCollected(
                "No activations were hooked: the forward pass called no activation module."
            )
        return [
            (torch.cat([before for before, _ in parts]), torch.cat([after for _, after in parts]))
            for parts in self.found.values()
        ]
