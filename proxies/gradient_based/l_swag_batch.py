"""L-SWAG in its other reading: the spread of the gradients over batches."""

from proxies.gradient_based.l_swag import lambda_statistic, psi_statistic
from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "l_swag_batch",
    principle="trainability",
    source="Casarin et al., CVPR 2025",
    data="labels",
    passes=("batch_gradients", "activations"),
)
def l_swag_batch(probe: Probe) -> float:
    """Multiply the log inverse spread of gradients over batches, Lambda, by the number of patterns, Psi.

    Formula: as `l_swag`, with Var_n |g_n| in place of Var_i |dl_i/dw|: g_n is the gradient of batch n's mean
    cross-entropy. Psi is that of the first batch.
    Range and direction: real; higher is better; see `l_swag`.
    Source: Casarin et al., "L-SWAG", CVPR 2025, eq. 1, X_i read as a batch, as in ZiCo's code.
    Deviations: as `l_swag`. All batches given are used, two or more; with two the inverse spread has no
    finite mean, and Lambda moves by some four units from draw to draw.
    Raises NothingCollected when no weight of any layer varies.
    """
    variances = (
        gradients.double().abs().var(dim=0, correction=0) for _, gradients in probe.batch_gradients()
    )
    return lambda_statistic(variances) * psi_statistic(probe.activations())
