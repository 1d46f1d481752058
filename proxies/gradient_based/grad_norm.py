"""The sum of the layers' gradient norms."""

import torch

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "grad_norm",
    principle="trainability",
    source="Abdelfattah et al., ICLR 2021",
    data="labels",
    passes=("gradients",),
)
def grad_norm(probe: Probe) -> float:
    """Sum the Euclidean norms of the layers' gradients.

    Formula: sum over convolution and linear weights W of ||dL/dW||_2, L the first batch's mean cross-entropy.
    Range and direction: >= 0, proportional to the loss's scale; higher is better.
    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
    Deviations: norms are taken in float64. ZenNAS's and AZ-NAS's proxy of this name is one norm over all
    parameters, of another initialisation, on noise.
    """
    return sum(torch.linalg.vector_norm(gradient.double()).item() for _, gradient in probe.gradients())
