"""CRoZe: how alike a network and a perturbed copy of it are in features, weights and gradients."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.at_weights import loss_and_gradients
from proxies.probe.layers import call, weight_key
from proxies.registry import proxy

_AT_ONCE = 1 << 18  # numbers made float64 at a time: as many as stay in a cache


@proxy(
    "croze",
    principle="trainability",
    source="Ha et al., NeurIPS 2023",
    data="labels",
    passes=("gradients", "image_gradient"),
)
def croze(
    probe: Probe,
    *,
    weight_step: float = 0.01,
    image_step: float = 8 / 255,
    learning_rate: float = 0.1,
) -> float:
    """Sum over layers the likeness of features, weights and gradients, clean against perturbed.

    Formula: sum over convolution and linear layers of (1 + cos(z, z')) (1 + cos(v, v')) |cos(g, g')|. z is
    the layer's output for the whole batch, g the gradient of the mean cross-entropy L by its weight w, and
    v = w - learning_rate * g the weight after one step; z', v' and g' are those of the perturbed pair:
    weights w' = w + weight_step * ||w|| g / ||g||, layer by layer, and images x + image_step * sign(dL/dx).
    Range and direction: 0 to 4 times the number of layers, which an unperturbed pair has; higher is better.
    Source: Ha, Kim, Hwang, "Generalizable Lightweight Proxy for Robust NAS against Diverse Perturbations",
    NeurIPS 2023.
    Deviations: the sizes of the three steps are ours; image_step is in the units of the batch. dL/dx is the
    clean network's, which comes with the weights' gradients; at the perturbed weights it would take one pass
    more. Only convolution and linear weights are perturbed and compared; every cosine is that of two
    flattened tensors, and 0 where one of them is zero. Features go by the layer's name; in OoD-ViT-NAS's port
    they go by its class, so that all layers of a class share those of the last. A layer that is not called
    counts nothing. Products in float64.
    Raises NothingCollected when the loss depends on the weight of no layer that is called.
    """
    pairs = probe.gradients()
    perturbed = {
        weight_key(layer.name): layer.weight + _step(layer.weight, gradient, weight_step)
        for layer, gradient in pairs
    }
    features, gradients = _compare(probe, [layer.name for layer, _ in pairs], perturbed, image_step)
    terms = []
    for layer, gradient in pairs:
        if layer.name in features:
            weight, other = perturbed[weight_key(layer.name)], gradients[weight_key(layer.name)]
            stepped = _products(layer.weight - learning_rate * gradient, weight - learning_rate * other)
            alike = (1 + _cosine(features[layer.name])) * (1 + _cosine(stepped))
            terms.append(alike * _cosine(_products(gradient, other)).abs())
    total = torch.stack(terms).sum().item() if terms else 0.0
    if total == 0:
        raise NothingCollected("The loss depends on the weight of no layer that is called.")
    return total


def _compare(
    probe: Probe, names: Sequence[str], perturbed: Mapping[str, Tensor], image_step: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Run the network on the first batch, and with perturbed weights on perturbed images.

    Returns the products of what each layer gave, by its name, and the perturbed gradients of the mean
    cross-entropy by the key of the weight.
    """
    images, labels = probe.labelled()[0]
    outputs: dict[str, list[Tensor]] = defaultdict(list)
    features: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        outputs[name].append(output.clone())  # what follows may work in place

    def compare(name: str, output: Tensor) -> None:
        _add(features, name, _products(outputs[name].pop(0), output))

    size = probe.images_at_once or len(images)
    moved = images + image_step * probe.image_gradient().sign()
    parts = zip(images.split(size), moved.split(size), labels.split(size), strict=True)
    for part, moved_part, answers in parts:
        with _outputs(probe.network, names, keep), torch.no_grad():
            call(probe.network, part.clone())
        with _outputs(probe.network, names, compare):
            _, found = loss_and_gradients(probe.network, moved_part, answers, perturbed)
        for key, gradient in found.items():
            _add(gradients, key, gradient * (len(part) / len(images)))
    return features, gradients


@contextmanager
def _outputs(network: nn.Module, names: Iterable[str], take: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Within, give `take` the name and the detached output of every call of these layers."""

    def hook(name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        take(name, output.detach())

    with ExitStack() as hooks:
        for name in names:
            module = network.get_submodule(name)
            hooks.enter_context(module.register_forward_hook(partial(hook, name)))
        yield


def _add(sums: dict[str, Tensor], name: str, term: Tensor) -> None:
    sums[name] = sums[name] + term if name in sums else term


def _step(weight: Tensor, gradient: Tensor, size: float) -> Tensor:
    """The step up the gradient whose length is `size` times the weight's, zero where the gradient is."""
    length = torch.linalg.vector_norm(gradient.double())
    wanted = size * torch.linalg.vector_norm(weight.double())
    return gradient * torch.where(length == 0, 0.0, wanted / length).to(gradient.dtype)


def _products(first: Tensor, second: Tensor) -> Tensor:
    """The inner products of two tensors with each other and of each with itself, (3,) float64."""
    total = torch.zeros(3, dtype=torch.float64, device=first.device)
    for one, other in zip(first.flatten().split(_AT_ONCE), second.flatten().split(_AT_ONCE), strict=True):
        one, other = one.double(), other.double()
        total += torch.stack((one @ other, one @ one, other @ other))
    return total


def _cosine(products: Tensor) -> Tensor:
    """The cosine from the products; 0 where a vector is zero, and NaN stays NaN."""
    across, first, second = products
    lengths = first.sqrt() * second.sqrt()
    return torch.where(lengths == 0, 0.0, across / lengths)
