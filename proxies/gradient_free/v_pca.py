"""V-PCA: the number of principal components of the MLPs."""

from proxies.errors import NotANumber, NothingCollected, ProxyError
from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "v_pca",
    principle="expressivity",
    source="Wang, ICLR 2025",
    data="images",
    passes=("hidden_variances",),
)
def v_pca(probe: Probe, *, eta: float = 0.99) -> float:
    """Count the principal components that hold a share of the variance of what activation functions are
    given.

    Formula: sum over activation modules of the smallest k with sum of the k largest eigenvalues of the
    covariance of their inputs, over images and places, >= eta times the sum of all.
    Range and direction: a whole number >= 0, at most the hidden widths' sum; higher is better.
    Source: Wang, "W-PCA Based Gradient-Free Proxy for Efficient Search of Lightweight Language Models", ICLR
    2025, before it is multiplied by the number of parameters.
    Deviations: any activation module's input counts, a ViT's MLPs'. On images. Part of the authors' code has
    eta = 0.9.
    Raises NothingCollected on a network without activation modules, or where nothing that they are given
    varies.
    """
    return components(probe, eta)


def components(probe: Probe, eta: float) -> int:
    """Return the number of principal components, summed over activation modules. Raises as `v_pca`."""
    if not 0 < eta <= 1:
        raise ProxyError(f"A share of the variance is above 0 and at most 1; got eta = {eta:g}.")
    total = 0
    for variances in probe.hidden_variances():
        if variances.isnan().any():
            raise NotANumber("An activation was given NaN.")
        held = variances.cumsum(dim=0)
        # Without variance no component is needed.
        total += int((held < eta * held[-1]).sum().item()) + 1 if held[-1] > 0 else 0
    if not total:
        raise NothingCollected("Nothing that activation modules are given varies.")
    return total
