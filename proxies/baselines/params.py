"""The number of parameters."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy("params", principle="complexity", source="Counted", data="none", control=True)
def params(probe: Probe) -> float:
    """Count the parameters of the network.

    Formula: sum of the sizes of all parameters: weights, biases, norms, tokens, positions, tables; buffers
    not.
    Range and direction: a whole number >= 0, one parameter each (not millions); higher is better.
    Source: none; it is counted.
    Deviations: NAS-Bench-Suite-Zero states it in millions.
    """
    return float(sum(parameter.numel() for parameter in probe.network.parameters()))
