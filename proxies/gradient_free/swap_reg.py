"""SWAP, regularised by the network's size."""

import math

from proxies.gradient_free.swap import swap
from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "swap_reg",
    principle="expressivity",
    source="Peng et al., ICLR 2024",
    data="images",
    passes=("activations",),
)
def swap_reg(probe: Probe, *, mu: float = 2e4, sigma: float = 2e8) -> float:
    """Multiply the number of sample-wise activation patterns by a bell curve over the number of parameters.

    Formula: swap * exp(-(P - mu)^2 / sigma), P the number of parameters in thousands, no factor 2, sigma not
    squared.
    Range and direction: >= 0, at most swap; higher is better.
    Source: Peng et al., "SWAP-NAS", ICLR 2024, as its code computes it.
    Deviations: as `swap`. mu and sigma have to be chosen for a space, in thousands of parameters and their
    square; the usual ones are wide around AutoFormer-Small. The released ones, 0.5 and 1.5, are placeholders,
    under which every network scores 0.
    Raises as `swap`.
    """
    thousands = sum(parameter.numel() for parameter in probe.network.parameters()) / 1e3
    return swap(probe) * math.exp(-((thousands - mu) ** 2) / sigma)
