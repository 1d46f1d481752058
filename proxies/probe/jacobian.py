"""Gradients of the summed logits: by the images, and the Gram matrix of those by the weights (the NTK)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from proxies.errors import NothingCollected
from proxies.probe.layers import call, samples_are_coupled
from proxies.probe.per_sample import weight_gradients
from proxies.probe.walk import Calls, Collector, Stage


class ImageGradient(Collector):
    """The gradient by each image of its summed logits, or of its loss, (batch, channels, height, width).

    stage: "logits" or "loss".
    """

    images = True

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.found: list[Tensor] = []

    def gradient(self, images: Tensor) -> None:
        """Keep the gradients of a part."""
        self.found.append(images)

    def result(self) -> Tensor:
        """Return those of the whole batch."""
        return torch.cat(self.found)


class TangentKernel(Collector):
    """The Gram matrix of the gradients of each sample's summed logits by the weights, layer by layer.

    modules: all that have a parameter called weight: convolutions, linear layers, LayerNorms.
    samples: number of samples in the batch.

    A layer's gradients are formed once those of all samples can be, from its inputs and output gradients:
    with several parts these are kept until the end.
    """

    stage = "logits"
    images = True

    def __init__(self, modules: Mapping[str, nn.Module], samples: int) -> None:
        super().__init__()
        self.modules = modules
        self.samples = samples
        self.kernel: Tensor | None = None
        self.kept: dict[str, list[Calls]] = {}

    def layer(self, calls: Calls, part: slice) -> None:
        """Add a layer's Gram matrix, or keep what it is made of until all samples are there."""
        calls.check(part.stop - part.start)
        if part.stop - part.start == self.samples:
            self._add(calls)
        else:
            kept = Calls(calls.name, calls.module, list(calls.inputs), gradients=dict(calls.gradients))
            self.kept.setdefault(calls.name, []).append(kept)

    def _add(self, calls: Calls) -> None:
        rows = (
            _norm_gradients(calls)
            if isinstance(calls.module, nn.LayerNorm)
            else weight_gradients(calls, self.samples)
        )
        for _, gradients in rows:
            flat = gradients.flatten(1).double()  # (batch, weights)
            product = flat @ flat.T
            self.kernel = product if self.kernel is None else self.kernel + product

    def result(self) -> Tensor:
        """Return the kernel, (batch, batch) float64."""
        for name in list(self.kept):
            parts = self.kept.pop(name)
            whole = Calls(name, parts[0].module)
            for number in sorted(parts[0].gradients):
                whole.inputs.append(torch.cat([part.inputs[number] for part in parts]))
                whole.gradients[len(whole.inputs) - 1] = torch.cat([part.gradients[number] for part in parts])
            self._add(whole)
        if self.kernel is None:
            raise NothingCollected("The logits depend on no weight.")
        return self.kernel


def _norm_gradients(calls: Calls) -> list[tuple[None, Tensor]]:
    """The gradient of a LayerNorm's weight for each sample, (samples, width)."""
    total: Any = 0
    shape = calls.module.normalized_shape
    for inputs, gradients in calls.pairs():
        product = layer_norm(inputs, shape, eps=calls.module.eps) * gradients
        total = total + product.reshape(len(product), -1, *shape).sum(dim=1)
    return [(None, total)]


def kernel_modules(network: nn.Module) -> dict[str, nn.Module] | None:
    """Return the modules of the tangent kernel by name; None where it takes a backward pass a sample.

    That is where the samples are coupled, or a parameter called weight is not a convolution's, a linear
    layer's or a LayerNorm's.
    """
    modules = dict(network.named_modules())
    owners = {name.rpartition(".")[0] for name, _ in network.named_parameters() if "weight" in name}
    plain = (nn.Conv2d, nn.Linear, nn.LayerNorm)
    if samples_are_coupled(network) or not all(isinstance(modules[name], plain) for name in owners):
        return None
    return {name: modules[name] for name in owners}


def collect_tangent_kernel(network: nn.Module, images: Tensor, memory_gib: float | None = None) -> Tensor:
    """Return the same Gram matrix by one backward pass a sample over the whole batch, (batch, batch) float64.

    For networks with BatchNorm in training mode, where a sample's logits depend on the other images, and for
    unusual weights.
    memory_gib: as many weights are differentiated by at a time as have gradients of all samples within it,
                one tensor at least; all by default. Every share of them takes another pass a sample.
    """
    leaves = {
        name: parameter.detach().requires_grad_()
        for name, parameter in network.named_parameters()
        if "weight" in name
    }
    if not leaves:
        raise NothingCollected("The network has no parameter called weight.")
    budget = float("inf") if memory_gib is None else memory_gib * 2**30 / len(images)
    shares: list[dict[str, Tensor]] = [{}]
    for name, leaf in leaves.items():
        if shares[-1] and leaf.nbytes + sum(other.nbytes for other in shares[-1].values()) > budget:
            shares.append({})
        shares[-1][name] = leaf
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    for share in shares:
        kernel += _kernel_of(network, images, share)
    return kernel


def _kernel_of(network: nn.Module, images: Tensor, leaves: Mapping[str, Tensor]) -> Tensor:
    """The part of the Gram matrix that comes from some weights, (batch, batch) float64."""
    with torch.enable_grad():
        logits = call(network, images, leaves)
        rows = []
        for index in range(len(images)):
            seed = torch.zeros_like(logits)
            seed[index] = 1
            rows.append(
                torch.autograd.grad(
                    logits,
                    list(leaves.values()),
                    seed,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
            )
    kernel = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=images.device)
    for gradients in zip(*rows, strict=True):  # of one tensor, a gradient a sample
        flat = torch.stack(gradients).flatten(1).double()  # (batch, weights)
        kernel += flat @ flat.T
    return kernel
