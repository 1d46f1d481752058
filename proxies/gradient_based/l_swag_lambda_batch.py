"""L-SWAG's first factor in its other reading: over batches."""

from proxies.gradient_based.l_swag_lambda import lambda_statistic
from proxies.probe import WHOLE, Interval, Probe
from proxies.probe.layers import weighted_layers
from proxies.probe.per_sample import moments_of
from proxies.registry import proxy


@proxy(
    "l_swag_lambda_batch",
    principle="trainability",
    source="Casarin et al., CVPR 2025",
    data="labels",
    passes=("batch_gradients",),
)
def l_swag_lambda_batch(probe: Probe, *, mean: bool = False, interval: Interval = WHOLE) -> float:
    """Sum over layers the log of the summed inverse standard deviations of the gradients over batches.

    Formula: Lambda of `l_swag_batch`; see `l_swag_lambda`.
    Range and direction: real; higher is better; see `l_swag_lambda`.
    Source: Casarin et al., "L-SWAG", CVPR 2025, eq. 1, X_i read as a batch, without its second factor.
    Deviations: as `l_swag_batch`. With mean=true it is ZiCo as its paper prints it: ZiCo's code takes the
    spread of the gradients with their signs (`zico`).
    Raises NothingCollected when no weight in the interval varies.
    """
    return lambda_of_batches(probe, mean, interval)


def lambda_of_batches(probe: Probe, mean: bool, interval: Interval) -> float:
    """Return Lambda over all batches."""
    found = (
        (layer.index, moments_of(gradients, magnitudes=True)) for layer, gradients in probe.batch_gradients()
    )
    return lambda_statistic(found, len(weighted_layers(probe.network)), mean, interval)
