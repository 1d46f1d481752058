"""A random number, the proxy that knows nothing."""

import torch

from proxies.probe import Probe
from proxies.registry import proxy


@proxy("random", principle="chance", source="Drawn", data="none", control=True)
def random(probe: Probe) -> float:
    """Draw a number that has nothing to do with the network.

    Formula: one uniform draw, from a stream of its own of the probe's seed.
    Range and direction: 0 <= value < 1; higher is better, for what it is worth.
    Source: none; it is drawn.
    Deviations: none.
    """
    return torch.rand((), dtype=torch.float64, generator=probe.generator("random")).item()
