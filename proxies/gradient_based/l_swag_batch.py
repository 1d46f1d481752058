"""L-SWAG in its other reading: the spread of the gradients over batches."""

from proxies.gradient_based.l_swag_lambda_batch import lambda_of_batches
from proxies.gradient_free.l_swag_psi import psi
from proxies.probe import WHOLE, Interval, Probe
from proxies.registry import proxy


@proxy(
    "l_swag_batch",
    principle="trainability",
    source="Casarin et al., CVPR 2025",
    data="labels",
    passes=("batch_gradients", "activations"),
)
def l_swag_batch(probe: Probe, *, mean: bool = False, interval: Interval = WHOLE) -> float:
    """Multiply the log inverse spread of gradients over batches, Lambda, by the number of patterns, Psi.

    Formula: as `l_swag`, with Var_n |g_n| in place of Var_i |dl_i/dw|: g_n is the gradient of batch n's mean
    cross-entropy. Psi is that of the first batch. Options as there.
    Range and direction: real; higher is better; see `l_swag`.
    Source: Casarin et al., "L-SWAG", CVPR 2025, eq. 1, X_i read as a batch, as in ZiCo's code.
    Deviations: as `l_swag`. All batches given are used, two or more; with two the inverse spread has no
    finite mean, and Lambda moves by some four units from draw to draw.
    Raises NothingCollected when no weight of any layer varies, or no activation is above zero; ProxyError for
    a first batch of one image, which has no patterns to count.
    """
    return lambda_of_batches(probe, mean, interval) * psi(probe, interval)
