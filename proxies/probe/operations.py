"""The operations of one forward pass, counted on shapes alone."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from proxies.errors import NothingCollected
from proxies.probe.layers import on_meta


def count_operations(network: nn.Module, input_shape: tuple[int, int, int], dtype: torch.dtype) -> int:
    """Return the floating-point operations of one image: two a product in convolutions and matrix products.

    input_shape: (channels, height, width). On tensors that have shapes and no values, nothing is computed.
    Raises NothingCollected when the pass calls no convolution or matrix product.
    """
    image = torch.empty(1, *input_shape, dtype=dtype, device="meta")
    counter = FlopCounterMode(display=False)
    # Fused attention kernels are not counted on every device; the plain one is two matrix products.
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), counter:
        on_meta(network)(image)
    if not counter.get_total_flops():
        raise NothingCollected("The forward pass calls no convolution or matrix product.")
    return counter.get_total_flops()
