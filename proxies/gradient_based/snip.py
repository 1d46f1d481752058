"""SNIP: the loss's sensitivity to removing weights."""

import torch

from proxies.probe import Probe
from proxies.registry import proxy


@proxy("snip", principle="trainability", source="Lee et al., ICLR 2019", data="labels", passes=("gradients",))
def snip(probe: Probe) -> float:
    """Sum |w * dL/dw| over the weights.

    Formula: sum over convolution and linear weights of |w dL/dw|, L the first batch's mean cross-entropy; the
    same as |dL/dc| for a mask c of ones on the weights.
    Range and direction: >= 0, proportional to the loss's scale; higher is better.
    Source: Lee et al., "SNIP: Single-shot network pruning based on connection sensitivity", ICLR 2019.
    Deviations: not divided by the network's total, which would make it 1. TF-TAS and AZ-NAS sum the gradients
    of ten parts of the batch: about ten times this.
    """
    return sum(
        (layer.weight * gradient).abs().sum(dtype=torch.float64).item()
        for layer, gradient in probe.gradients()
    )
