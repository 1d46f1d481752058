"""L-SWAG's second factor: the number of activation patterns."""

from proxies.errors import NothingCollected
from proxies.probe import WHOLE, Interval, Probe, depth_percentile
from proxies.probe.activations import distinct
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy


@proxy(
    "l_swag_psi",
    principle="expressivity",
    source="Casarin et al., CVPR 2025",
    data="images",
    passes=("activations",),
)
def l_swag_psi(probe: Probe, *, interval: Interval = WHOLE) -> float:
    """Count the distinct patterns that neurons show over the samples, up to the end of the interval.

    Formula: number of distinct columns of the samples x neurons matrix of (activation > 0), over the
    activation modules up to the last layer of the interval's last tenth of the depth, from the network's
    first on.
    Range and direction: 1 to the number of neurons, or 2^samples; higher is better.
    Source: Casarin et al., "L-SWAG", CVPR 2025, Psi of eq. 7, whose range begins at the first layer.
    Deviations: one pattern a neuron, pooled over layers, as in SWAP, on which it is built; read to the letter
    the set would have no more members than the network has layers.
    Raises ProxyError for a batch of one image; NothingCollected when no activation is above zero, or none
    stands before the interval's end.
    """
    return psi(probe, interval)


def psi(probe: Probe, interval: Interval) -> int:
    """Return the number of distinct patterns up to the interval's end. Raises as `l_swag_psi`."""
    probe.need_two_images()
    depth = len(weighted_layers(probe.network))
    inside = [index for index in range(depth) if depth_percentile(index, depth) <= interval[1]]
    patterns = [pattern for pattern in probe.activations() if pattern.layers <= len(inside)]
    if not patterns:
        raise NothingCollected(f"No activation stands in tenths 0 to {interval[1]} of the depth.")
    return distinct(patterns)
