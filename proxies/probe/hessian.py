"""The Hessian-gradient product W'Hg: back through the backward pass, without any weight's gradient.

Scaling all weights by 1 + d changes the loss at the rate s = W'dL/dW = sum over layers of <x, dL/dx>, x what
the layer is given: two tensors of the size of activations, and no gradient of a weight. W'Hg is how s changes
along g. Where a layer returns y = W x + b, going back from s to y and to dL/dx = W'dL/dy leaves g to be
multiplied with two tensors a layer: six matrix products a layer in all, twice those of a forward and backward
pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear

from proxies.errors import NothingCollected
from proxies.probe.layers import WeightedLayer, call, weighted_layers
from proxies.probe.loss import summed_loss


def collect_hessian_gradient(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    gradients: Sequence[tuple[WeightedLayer, Tensor]],
    at_once: int | None = None,
) -> Tensor:
    """Return W'Hg, a float64 scalar: H the mean cross-entropy's Hessian by the weights W of these layers.

    network:   left as it is; its other parameters do not move. It must be twice differentiable.
    images:    (batch, channels, height, width); labels: as `summed_loss` takes.
    gradients: the layers, each with its part of g, (*weight): of the mean loss of all images, or any other
               direction.
    at_once:   images to go through at a time, all by default. Several parts need a network whose samples do
               not depend on one another; the parts' means, weighted by their sizes, are the whole's for a g
               that stays.

    It is one number, not one a layer: what a layer adds here is g times its part of HW, not W times its part
    of Hg, and only the sums are equal.
    Raises NothingCollected without weighted layers, or when none of these layers was called.
    """
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    size = at_once or len(images)
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        total += _product(network, part, answers, gradients) * (len(part) / len(images))
    return total


def _product(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    gradients: Sequence[tuple[WeightedLayer, Tensor]],
) -> Tensor:
    """W'Hg of some images held at a time."""
    modules = weighted_layers(network)
    frozen = {name: parameter.detach() for name, parameter in network.named_parameters()}
    calls: list[_Call] = []
    # Of scaled_dot_product_attention's kernels, only the plain one can be differentiated twice.
    with ExitStack() as hooks, torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        for layer, gradient in gradients:
            module = modules[layer.name]
            hooks.enter_context(module.register_forward_pre_hook(_own_input))
            hooks.enter_context(module.register_forward_hook(_keep(calls, gradient.detach())))
        # A copy: a network may begin with an operation in place.
        loss = summed_loss(network, call(network, images.clone(), frozen), labels) / len(images)
        if not calls:
            raise NothingCollected("The forward pass called none of the weighted layers.")
        if not loss.requires_grad:
            raise NothingCollected("The loss depends on none of the weighted layers.")
        found = torch.autograd.grad(loss, [one.inputs for one in calls], create_graph=True, allow_unused=True)
        used = [(one, slope) for one, slope in zip(calls, found, strict=True) if slope is not None]
        inputs, slopes = [one.inputs for one, _ in used], [slope for _, slope in used]
        for one, slope in used:
            slope.register_hook(one.take_input)
        # From s: by the product rule, the seed of each factor is the other one.
        torch.autograd.grad(
            [*slopes, *inputs],
            [tensor for tensor in inputs if tensor.is_leaf],
            [tensor.detach() for tensor in (*inputs, *slopes)],
            allow_unused=True,
        )
    return torch.stack([term for one in calls for term in one.terms]).sum()


def _own_input(module: nn.Module, inputs: Any) -> Any:
    """Give a layer its input under a name of its own in the graph, which no other layer has.

    A view: what works on it in place fails the pass that gave the gradients.
    """
    return inputs[0].view_as(inputs[0]).requires_grad_(), *inputs[1:]


def _keep(calls: list[_Call], gradient: Tensor) -> Callable[[nn.Module, Any, Tensor], None]:
    """The forward hook of a layer with this gradient."""

    def keep(module: Any, inputs: Any, output: Tensor) -> None:
        calls.append(_Call(module, gradient, inputs[0]))
        output.register_hook(calls[-1].take_output)  # now: an operation in place may follow

    return keep


class _Call:
    """One call of a layer y = W x + b, with g, its weight's gradient."""

    def __init__(self, module: nn.Conv2d | nn.Linear, gradient: Tensor, inputs: Tensor) -> None:
        self.module, self.gradient, self.inputs = module, gradient, inputs
        self.slope: Tensor | None = None
        self.terms: list[Tensor] = []

    def take_output(self, gradient: Tensor) -> None:
        """Take dL/dy, and in the second backward pass ds/dy; y moves by g x."""
        if self.slope is None:
            self.slope = gradient.detach()
        else:
            self.terms.append(_inner(gradient.detach(), self._along(self.inputs.detach())))

    def take_input(self, gradient: Tensor) -> None:
        """Take ds/d(dL/dx); dL/dx moves by g'dL/dy. Without dL/dy it does not."""
        if self.slope is None:
            return
        # Less x, its share from s itself: there W stands for the direction, which does not move.
        moved = gradient.detach() - self.inputs.detach()
        self.terms.append(_inner(self.slope, self._along(moved)))

    def _along(self, inputs: Tensor) -> Tensor:
        """Apply the layer with g for its weight, without bias."""
        if isinstance(self.module, nn.Linear):
            return linear(inputs, self.gradient)
        return self.module._conv_forward(inputs, self.gradient, None)


def _inner(first: Tensor, second: Tensor) -> Tensor:
    # Rows, a token or a line of pixels, in the tensors' own dtype; what is long, the sum of them, in float64.
    return torch.linalg.vecdot(first, second).sum(dtype=torch.float64)
