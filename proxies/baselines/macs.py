"""The number of multiply-accumulates."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.layers import call
from proxies.registry import proxy


@proxy("macs", principle="complexity", source="Counted", data="shape", control=True)
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
    network = probe.network
    tensors = (*network.named_parameters(), *network.named_buffers())
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
    image = torch.empty(1, *probe.input_shape, dtype=probe.dtype, device="meta")
    counter = FlopCounterMode(display=False)
    # Fused attention kernels are not counted on every device; the plain one is two matrix products.
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), counter:
        call(network, image, shapes)
    if not counter.get_total_flops():
        raise NothingCollected("The forward pass calls no convolution or matrix product.")
    return counter.get_total_flops() / 2
