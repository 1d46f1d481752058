"""VKDNW: the entropy of the Fisher information's spectrum."""

import torch

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy
from proxies.spectrum import eigenvalues


@proxy(
    "vkdnw",
    principle="trainability",
    source="Tybl and Neumann, CVPR 2025",
    data="images",
    passes=("class_gradients",),
)
def vkdnw(probe: Probe) -> float:
    """Add the number of layers to the entropy of the deciles of the Fisher information's eigenvalues.

    Formula: F = mean over images and drawn classes y of g g', g the gradient of log p(y | image) by one
    weight of every convolution and linear layer; q the deciles 0.1 to 0.9 of F's eigenvalues, divided by
    their sum; score = number of layers - sum q log(q + 1e-10).
    Range and direction: number of layers to that plus log 9; higher is better.
    Source: Tybl and Neumann, "Training-free Neural Architecture Search through Variance of Knowledge of Deep
    Network Weights", CVPR 2025.
    Deviations: the paper sums over all classes and smooths their probabilities; here one is drawn an image
    from the network's own, since a backward pass a class is dear at a thousand classes: of fewer images than
    layers, the lower deciles are 0. One weight a layer, chosen by the seed, where it takes a few of each of
    the first 128 tensors. The batch's images and the given weights, where it feeds noise.
    Raises NothingCollected when all the gradients are 0; ProxyError unless an image has one class.
    """
    gradients = probe.class_gradients()  # (layers, images)
    gradients = gradients / gradients.shape[1] ** 0.5
    spectrum = eigenvalues(gradients @ gradients.T).clamp(min=0)
    levels = torch.arange(1, 10, dtype=torch.float64, device=spectrum.device) / 10
    deciles = spectrum.quantile(levels)
    if deciles.sum() == 0:
        raise NothingCollected("The deciles of the Fisher information are all 0.")
    shares = deciles / deciles.sum()
    return len(weighted_layers(probe.network)) - (shares * (shares + 1e-10).log()).sum().item()
