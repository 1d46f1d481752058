"""AZ-NAS's complexity."""

from proxies.baselines.macs import macs
from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "az_complexity",
    principle="complexity",
    source="Lee and Ham, CVPR 2024",
    data="shape",
    passes=("operations",),
)
def az_complexity(probe: Probe) -> float:
    """Count the multiply-accumulates of one image's forward pass.

    Formula: `macs`.
    Range and direction: a whole number >= 1, one multiply-accumulate each; higher is better.
    Source: Lee and Ham, "AZ-NAS", CVPR 2024, where it is the fourth of the indicators to be combined.
    Deviations: counted, where AZ-NAS takes AutoFormer's closed form, which is 3 to 10 % less; see `macs`.
    Raises NothingCollected when the pass calls no convolution or matrix product.
    """
    return macs(probe)
