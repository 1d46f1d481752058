"""L-SWAG: the inverse spread of the gradients over samples, times the number of activation patterns."""

from collections.abc import Iterable

import torch
from torch import Tensor

from proxies.errors import NothingCollected
from proxies.probe import Probe, depth_percentile
from proxies.probe.activations import ActivationPatterns
from proxies.registry import proxy

# First and last tenth of the depth, both included, each 0..9.
Interval = tuple[int, int]
WHOLE: Interval = (0, 9)


@proxy(
    "l_swag",
    principle="trainability",
    source="Casarin et al., CVPR 2025",
    data="labels",
    passes=("per_sample", "activations"),
)
def l_swag(probe: Probe) -> float:
    """Multiply the log inverse spread of per-sample gradients, Lambda, by the number of patterns, Psi.

    Formula: Lambda = sum over layers of log(sum over weights of 1 / sqrt(Var_i |dl_i/dw|)), i the samples of
    the first batch, l_i the cross-entropy of sample i, Var the population's; Psi = number of distinct columns
    of the samples x neurons matrix of (activation > 0). Score = Lambda * Psi.
    Range and direction: real; higher is better. Lambda falls by log c a layer when the loss is multiplied by
    c. Where gradients are so large that Lambda < 0, a larger Psi lowers the score; it is reported as printed.
    Source: Casarin et al., "L-SWAG", CVPR 2025, eq. 1 and 7. No code was released.
    Deviations: the paper leaves open whether i is a sample or a batch; this is a sample, `l_swag_batch` is
    the other. All layers are used, no interval. Weights of zero variance are dropped, and layers that keep
    none, as in ZiCo. Psi pools one pattern a neuron, as in SWAP, on which it is built. Statistics in float64.
    Raises NothingCollected when no weight of any layer varies; ProxyError for a batch of one image.
    """
    inverse_spread = lambda_statistic(variance for _, variance in probe.per_sample())
    return inverse_spread * psi_statistic(probe.activations())


def lambda_statistic(variances: Iterable[Tensor], interval: Interval = WHOLE) -> float:
    """Return Lambda, the sum over layers of the log of the summed inverse standard deviations.

    variances: one tensor a weighted layer of the network, in forward order, of any shape, float64.
    interval:  first and last tenth of the depth to use, both included, 0..9.

    Raises NothingCollected when no weight in the interval varies.
    """
    layers = list(variances)
    first, last = interval
    logs = []
    for index, variance in enumerate(layers):
        if first <= depth_percentile(index, len(layers)) <= last:
            varied = variance[variance != 0]  # NaN is kept, to be seen in the score
            if varied.numel():
                logs.append(varied.rsqrt().sum().log().item())
    if not logs:
        raise NothingCollected(
            f"No weight in tenths {first} to {last} of the depth has a gradient that varies."
        )
    return sum(logs)


def psi_statistic(patterns: Iterable[ActivationPatterns], layers: float = float("inf")) -> int:
    """Return Psi, the number of distinct patterns that neurons show over the samples, pooled over modules.

    patterns: as `Probe.activations` gives them.
    layers:   count the modules with at most this many weighted layers before them (eq. 7: those up to the
              interval's end).

    Raises NothingCollected when no module is left.
    """
    # Distinct within a module first: the pool then holds few of the millions of neurons.
    pool = [_distinct(pattern.packed) for pattern in patterns if pattern.layers <= layers]
    if not pool:
        raise NothingCollected(f"No activation module stands before weighted layer {layers}.")
    return len(_distinct(torch.cat(pool)))


def _distinct(packed: Tensor) -> Tensor:
    """The distinct rows of (neurons, words); one word sorts sixty times faster as a number than as a row."""
    return packed.unique(dim=0) if packed.shape[1] > 1 else packed.flatten().unique().unsqueeze(1)
