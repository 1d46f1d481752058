"""The number of weighted layers."""

from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy


@proxy("depth", principle="complexity", source="Counted", data="none", control=True)
def depth(probe: Probe) -> float:
    """Count the weighted layers of the network.

    Formula: number of convolution and linear modules; a ViT of n blocks has 4 n + 2 with patch projection and
    head.
    Range and direction: a whole number >= 1; higher is better.
    Source: none; it is counted.
    Deviations: none.
    """
    return float(len(weighted_layers(probe.network)))
