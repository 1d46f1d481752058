"""L-SWAG's first factor: the log inverse spread of the gradients over samples."""

from collections.abc import Iterable

import torch
from torch import Tensor

from proxies.errors import NothingCollected
from proxies.probe import WHOLE, Interval, Probe, depth_percentile
from proxies.probe.layers import weighted_layers
from proxies.probe.per_sample import Moments
from proxies.registry import proxy


@proxy(
    "l_swag_lambda",
    principle="trainability",
    source="Casarin et al., CVPR 2025",
    data="labels",
    passes=("gradient_magnitudes",),
)
def l_swag_lambda(probe: Probe, *, mean: bool = False, interval: Interval = WHOLE) -> float:
    """Sum over layers the log of the summed inverse standard deviations of per-sample gradients.

    Formula: Lambda of `l_swag`: sum over layers of log(sum over weights of 1 / sqrt(Var_i |dl_i/dw|)), with
    mean_i |dl_i/dw| for the 1 where mean=true, over the layers in the interval's tenths of the depth.
    Range and direction: real; falls by log c a layer when the loss is multiplied by c, unless mean=true;
    higher is better.
    Source: Casarin et al., "L-SWAG", CVPR 2025, eq. 1, without its second factor (rows of its Table 3).
    Deviations: as `l_swag`. With mean=true it differs from ZiCo's code by samples in place of batches, and by
    the absolute value inside the variance.
    Raises NothingCollected when no weight in the interval varies; ProxyError for a batch of one image.
    """
    return lambda_of_samples(probe, mean, interval)


def lambda_of_samples(probe: Probe, mean: bool, interval: Interval) -> float:
    """Return Lambda over the samples of the first batch."""
    found = ((layer.index, [moments]) for layer, moments in probe.gradient_magnitudes())
    return lambda_statistic(found, len(weighted_layers(probe.network)), mean, interval)


def lambda_statistic(
    layers: Iterable[tuple[int, Iterable[Moments]]],
    depth: int,
    mean: bool = False,
    interval: Interval = WHOLE,
) -> float:
    """Return Lambda, the sum over layers of the log of the summed inverse standard deviations.

    layers:   place of a weighted layer, from 0, with the moments of its weights' gradient magnitudes, in any
              number of parts.
    depth:    number of weighted layers of the network.
    mean:     whether each inverse is multiplied by the mean.
    interval: first and last tenth of the depth to use, both included, 0..9.

    Raises NothingCollected when no weight in the interval varies.
    """
    first, last = interval
    inside = [parts for index, parts in layers if first <= depth_percentile(index, depth) <= last]
    totals = [torch.stack([_inverse_spread(part, mean) for part in parts]).sum() for parts in inside]
    logs = [total.log().item() for total in totals if total != 0]
    if not logs:
        raise NothingCollected(
            f"No weight in tenths {first} to {last} of the depth has a gradient that varies."
        )
    return sum(logs)


def _inverse_spread(moments: Moments, mean: bool) -> Tensor:
    """The sum over one layer's weights that vary; NaN is kept, to be seen in the score."""
    inverse = moments.variance.rsqrt()
    if mean:
        inverse *= moments.mean
    return torch.where(moments.variance == 0, 0.0, inverse).sum()
