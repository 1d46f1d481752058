"""AZ-NAS's expressivity: how evenly the features of every stage spread over their channels."""

from torch import Tensor

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "az_expressivity",
    principle="expressivity",
    source="Lee and Ham, CVPR 2024",
    data="images",
    passes=("stage_variances",),
)
def az_expressivity(probe: Probe) -> float:
    """Sum over stages the entropy of the features' principal variances.

    Formula: sum_i e_i, e_i = -sum_k p_k log(p_k + 1e-8), p the eigenvalues of the covariance of stage i's
    features over images and places, divided by their sum.
    Range and direction: 0 to the sum of log(channels); higher is better.
    Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024. A
    ViT's features are its residual stream after every attention and every MLP; a network names them in
    `stages`.
    Deviations: the batch's images, which its code takes when it is given a loader, where its search feeds
    noise. Eigenvalues are at least 0, in float64.
    Raises NothingCollected on a network that names no stages.
    """
    return sum(entropies(probe))


def entropies(probe: Probe) -> list[float]:
    """Return the entropy of every stage, in forward order."""
    return [_entropy(variances).item() for variances in probe.stage_variances()]


def _entropy(variances: Tensor) -> Tensor:
    values = variances.clamp(min=0)
    share = values / values.sum()
    return -(share * (share + 1e-8).log()).sum()
