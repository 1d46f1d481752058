"""The size of the gradient."""

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
    """Sum the Euclidean norms of the layers' weight gradients.

    Formula: sum over convolution and linear layers of ||dL/dW||_2, L the first batch's mean cross-entropy.
    Range and direction: >= 0, proportional to the loss's scale; higher is better.
    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
    Deviations: none. ZenNAS's and AZ-NAS's code takes one norm over all parameters instead, of Gaussian
    images and random labels.
    """
    return sum(gradient.double().norm().item() for _, gradient in probe.gradients())
