"""The number of multiply-accumulates."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy("macs", principle="complexity", source="Counted", data="shape", passes=("operations",), control=True)
def macs(probe: Probe) -> float:
    """Count the multiply-accumulates of one image's forward pass.

    Formula: half the floating-point operations of every convolution and matrix product that the forward pass
    calls, attention's and relative positions' included; norms, softmax, activations and biases are not
    counted.
    Range and direction: a whole number >= 1, one multiply-accumulate each (not millions); higher is better.
    Source: none; torch's counter over tensors that have shapes and no values, so that nothing is computed.
    Deviations: AutoFormer's closed form ("complexity", used by AZ-NAS) counts blocks at one or two tokens too
    many, the head at every token, and part of the relative positions: 3 to 10 % less in all.
    Raises NothingCollected when the pass calls no convolution or matrix product.
    """
    return probe.operations() / 2
