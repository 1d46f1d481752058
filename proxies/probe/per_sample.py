"""Per-sample gradients of the first batch, reduced layer by layer to one variance per weight."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, unfold

from proxies.errors import ProxyError
from proxies.probe.layers import WeightedLayer, call, weighted_layers

_CHUNK_BYTES = 1 << 26  # of per-sample gradients in float64 held at a time


def collect_per_sample(
    network: nn.Module, images: Tensor, labels: Tensor, chunk_bytes: int = _CHUNK_BYTES
) -> list[tuple[WeightedLayer, Tensor]]:
    """Return each weighted layer with the variance of |dl_i/dw| over the samples i, (*weight), float64.

    l_i is the cross-entropy of sample i alone: the losses are summed, so that no 1/batch enters. The variance
    is the population's. A layer's inputs and output gradients are caught by hooks; its per-sample gradients
    are formed from them a chunk of samples at a time, and freed. How they are cut changes nothing but
    rounding.

    With BatchNorm in training mode the samples are coupled, and sample i's gradient is its share of the
    summed loss's.

    Raises NothingCollected without weighted layers; ProxyError for one image, or for a layer that is not
    called exactly once, does not have the batch as its first axis, or pads by other than zeros.
    """
    if len(images) < 2:
        raise ProxyError("A variance over samples needs at least 2 images in the first batch; got 1.")
    modules = weighted_layers(network)
    reducers = {name: _Reducer(name, len(images), chunk_bytes) for name in modules}
    with ExitStack() as hooks, torch.enable_grad():
        for name, module in modules.items():
            hooks.enter_context(module.register_forward_hook(reducers[name]))
        # The images carry the graph: gradients reach every layer, and no weight's own gradient is formed.
        leaf = images.detach().requires_grad_()
        frozen = {name: parameter.detach() for name, parameter in network.named_parameters()}
        loss = cross_entropy(call(network, leaf, frozen), labels, reduction="sum")
        torch.autograd.grad(loss, leaf)
    found = []
    for index, (name, module) in enumerate(modules.items()):
        weight, variance = module.weight.detach(), reducers[name].result()
        if variance is None:  # the loss does not depend on this layer
            variance = torch.zeros_like(weight, dtype=torch.float64)
        found.append((WeightedLayer(name, index, weight), variance))
    return found


class _Reducer:
    """Forward hook of one layer: keeps the layer's input until the gradient of its output comes."""

    def __init__(self, name: str, samples: int, chunk_bytes: int) -> None:
        self.name = name
        self.samples = samples
        self.chunk_bytes = chunk_bytes
        self.calls = 0
        self.variance: Tensor | None = None

    def __call__(self, module: Any, inputs: Any, output: Tensor) -> None:
        self.calls += 1
        before = inputs[0].detach()  # (batch, ..., in) or (batch, channels, height, width)
        if len(before) != self.samples:
            raise ProxyError(
                f"Layer '{self.name}' was given {len(before)} rows for {self.samples} images; "
                "its first axis must be the batch."
            )
        version = before._version

        def reduce(gradient: Tensor) -> None:
            if before._version != version:
                raise ProxyError(f"The input of layer '{self.name}' was overwritten in place after its call.")
            self.variance = _variance(module, before, gradient, self.chunk_bytes)

        output.register_hook(reduce)

    def result(self) -> Tensor | None:
        """The variance, None when no gradient came; ProxyError when the layer was not called exactly once."""
        if self.calls != 1:
            raise ProxyError(
                f"Layer '{self.name}' was called {self.calls} times in one forward pass; expected once."
            )
        return self.variance


def _variance(module: nn.Conv2d | nn.Linear, inputs: Tensor, gradients: Tensor, chunk_bytes: int) -> Tensor:
    """Population variance over samples of the magnitude of a layer's per-sample weight gradients.

    Magnitudes are shifted by the first sample's before they are summed and squared in float64. As the shift
    is one of the values, the squares outgrow the variance at most by the number of samples: no digits are
    lost to cancellation.
    """
    samples = len(inputs)
    chunk = max(1, chunk_bytes // (8 * module.weight.numel()))
    shift = total = squares = torch.zeros((), dtype=torch.float64, device=inputs.device)
    for start in range(0, samples, chunk):
        part = slice(start, start + chunk)
        magnitudes = (
            _weight_gradients(module, inputs[part], gradients[part]).abs_().double()
        )  # (chunk, *weight)
        if start == 0:
            shift = magnitudes[0].clone()
        magnitudes -= shift
        total = total + magnitudes.sum(dim=0)
        squares = squares + magnitudes.square_().sum(dim=0)
    return (squares - total.square() / samples) / samples


def _weight_gradients(module: nn.Conv2d | nn.Linear, inputs: Tensor, gradients: Tensor) -> Tensor:
    """Return the gradient of the weight for each sample, (samples, *weight), in the gradients' dtype."""
    samples = len(inputs)
    if isinstance(module, nn.Linear):
        left = gradients.reshape(samples, -1, gradients.shape[-1])  # (samples, tokens, out)
        right = inputs.reshape(samples, -1, inputs.shape[-1])  # (samples, tokens, in)
        return left.transpose(1, 2) @ right
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise ProxyError(f"Per-sample gradients need zero padding given in numbers, not {module}.")
    patches = unfold(inputs, module.kernel_size, module.dilation, module.padding, module.stride)
    grouped = (samples, module.groups, -1, patches.shape[-1])
    left = gradients.reshape(grouped)  # (samples, groups, out / groups, places)
    right = patches.reshape(grouped)  # (samples, groups, in / groups * height * width, places)
    return (left @ right.transpose(2, 3)).reshape(samples, *module.weight.shape)
