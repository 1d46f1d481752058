"""W-PCA: the number of principal components of the MLPs, times the number of parameters."""

from proxies.gradient_free.v_pca import components
from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "w_pca",
    principle="expressivity",
    source="Wang, ICLR 2025",
    data="images",
    passes=("hidden_variances",),
)
def w_pca(probe: Probe, *, eta: float = 0.99) -> float:
    """Multiply the number of parameters by the number of principal components that hold the hidden variance.

    Formula: params * V, V as `v_pca`.
    Range and direction: >= 0; higher is better.
    Source: Wang, "W-PCA Based Gradient-Free Proxy for Efficient Search of Lightweight Language Models", ICLR
    2025.
    Deviations: as `v_pca`.
    Raises as `v_pca`.
    """
    return components(probe, eta) * sum(parameter.numel() for parameter in probe.network.parameters())
