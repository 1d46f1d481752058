"""GenNAS: how well a few steps of training fit the network's features to synthetic signals."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from proxies.errors import ProxyError
from proxies.probe import Probe
from proxies.probe.layers import call, feature_map
from proxies.registry import proxy

_SIGNALS = 16  # of each of the three kinds
_DOTS = 0.3  # share of the places


@proxy("gennas", principle="trainability", source="Li et al., NeurIPS 2021", data="shape")
def gennas(probe: Probe, *, steps: int = 5, images: int = 1, learning_rate: float = 0.01) -> float:
    """Return minus the loss that is left when a copy is trained to turn noise into synthetic signals.

    Formula: -mean (f(x) V - y)^2 after `steps` steps of plain gradient descent on it. f(x) are the features
    that the module `network.feature_map` returns for `images` images of N(0, 1) noise, at every place of its
    map; V is one linear layer from their channels to 48 signals, drawn from N(0, 1 / channels); y are the
    signals, drawn for each image: 16 waves sin(2 pi (a row + b column) + phase) with a and b uniform in
    [0, 1/4), 16 maps of dots, +-1 at three places in ten and else 0, and 16 maps of N(0, 1) noise at half
    the resolution, resized bilinearly. Every parameter of the network and V are trained.
    Range and direction: <= 0, some -1.4 before the first step where the features are normalised;
    higher is better.
    Source: Li et al., "Generic Neural Architecture Search via Regression", NeurIPS 2021.
    Deviations: one image and one feature map, the last. GenNAS regresses a batch from several stages, for
    some hundred steps, and its successor Eproxy for ten, to a mix of signals that it searches for; the mix,
    the signals' sizes and five steps are ours here. Plain gradient descent without momentum or decay, at a
    learning rate at which the loss falls from step to step. A Vision Transformer's map is its grid of
    patches, the class token left out. The weights are the given ones.
    Raises NothingCollected for a network that does not name its feature map; ProxyError for one that is no
    map, or steps or images below 1.
    """
    if steps < 1 or images < 1:
        raise ProxyError(f"gennas needs at least 1 step and 1 image; got {steps} and {images}.")
    noise = torch.randn(images, *probe.input_shape, generator=probe.generator("gennas noise"))
    losses = regression_losses(
        probe.network,
        noise.to(probe.device, probe.dtype, non_blocking=True),
        probe.generator("gennas signals"),
        steps,
        learning_rate,
    )
    return -losses[-1].item()


def regression_losses(
    network: nn.Module, noise: Tensor, generator: torch.Generator, steps: int, learning_rate: float
) -> Tensor:
    """Return the loss before each step and after the last, (steps + 1,) float64.

    network:   left as it is; a copy of its parameters is trained.
    noise:     (images, channels, height, width).
    generator: on the CPU, of the signals and the linear layer.

    Raises as `gennas`.
    """
    weights = {
        name: parameter.detach().clone().requires_grad_() for name, parameter in network.named_parameters()
    }
    losses: list[Tensor] = []
    with _feature_maps(network) as maps, torch.enable_grad():

        def features() -> Tensor:
            maps.clear()
            call(network, noise.clone(), weights)  # a network may begin with an operation in place
            if len(maps) != 1:
                raise ProxyError(
                    f"The module of the feature map was called {len(maps)} times in one forward pass; "
                    "expected once."
                )
            return as_map(maps[0])

        found = features()
        _, channels, height, width = found.shape
        targets = signals(len(noise), height, width, generator).to(found, non_blocking=True)
        linear = torch.randn(targets.shape[1], channels, generator=generator) / channels**0.5
        linear = linear.to(found, non_blocking=True).requires_grad_()
        for _ in range(steps):
            loss = _misfit(found, linear, targets)
            losses.append(loss.detach())
            _descend(loss, [*weights.values(), linear], learning_rate)
            found = features()
        losses.append(_misfit(found, linear, targets).detach())
    return torch.stack(losses)


def _misfit(features: Tensor, linear: Tensor, targets: Tensor) -> Tensor:
    """The mean square of what the linear layer makes of the features less the signals, float64."""
    fitted = torch.einsum("nchw,kc->nkhw", features, linear)
    return (fitted - targets).double().square().mean()


def _descend(loss: Tensor, leaves: Sequence[Tensor], learning_rate: float) -> None:
    """Take one step of gradient descent, in place."""
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    with torch.no_grad():
        for leaf, gradient in zip(leaves, gradients, strict=True):
            if gradient is not None:  # the classifier behind the feature map has none
                leaf.add_(gradient, alpha=-learning_rate)


def as_map(features: Tensor) -> Tensor:
    """Return features as a map, (images, channels, height, width).

    features: such a map, or tokens (images, tokens, channels): a square of patches in rows, after a class
              token or none.

    Raises ProxyError for anything else.
    """
    if features.ndim == 4:
        return features
    if features.ndim == 3:
        side = math.isqrt(features.shape[1])
        # No two squares but 0 and 1 are neighbours: the count says whether there is a class token.
        if features.shape[1] - side**2 <= 1:
            return features[:, -(side**2) :].transpose(1, 2).unflatten(2, (side, side))
    raise ProxyError(
        f"The feature map is {tuple(features.shape)}; expected (batch, channels, height, width), or (batch, "
        "tokens, channels) of a square of patches with or without a class token."
    )


def signals(images: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return the signals to fit, (images, 48, height, width) float32: waves, dots, resized noise."""
    turns = torch.rand(2, images, _SIGNALS, 1, 1, generator=generator) / 4  # a place
    phases = torch.rand(images, _SIGNALS, 1, 1, generator=generator)
    rows, columns = torch.arange(height).unsqueeze(1), torch.arange(width)
    waves = torch.sin(2 * math.pi * (turns[0] * rows + turns[1] * columns + phases))
    chance = torch.rand(images, _SIGNALS, height, width, generator=generator)
    dots = (chance < _DOTS / 2).float() - (chance >= 1 - _DOTS / 2).float()
    coarse = torch.randn(images, _SIGNALS, -(-height // 2), -(-width // 2), generator=generator)
    return torch.cat((waves, dots, interpolate(coarse, size=(height, width), mode="bilinear")), dim=1)


@contextmanager
def _feature_maps(network: nn.Module) -> Iterator[list[Tensor]]:
    """Within, a list to which every call of the network adds what its feature map's module returns."""
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        maps.append(output.clone())  # what follows may work in place

    with feature_map(network).register_forward_hook(keep):
        yield maps
