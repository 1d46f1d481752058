"""The sum of the layers' weight norms."""

import torch

from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy


@proxy("l2_norm", principle="saliency", source="Abdelfattah et al., ICLR 2021", data="none")
def l2_norm(probe: Probe) -> float:
    """Sum the Euclidean norms of the layers' weights.

    Formula: sum over convolution and linear weights W of ||W||_2.
    Range and direction: >= 0, proportional to the weights' scale; higher is better.
    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
    Deviations: norms are taken in float64. Of weights as they were drawn it says little but how many there
    are: the sum of sqrt(size) times the standard deviation of each layer.
    Raises NothingCollected without weighted layers.
    """
    return sum(
        torch.linalg.vector_norm(module.weight.detach(), dtype=torch.float64).item()
        for module in weighted_layers(probe.network).values()
    )
