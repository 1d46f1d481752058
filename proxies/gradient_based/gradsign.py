"""GradSign: how far the samples' gradients agree in sign."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "gradsign",
    principle="trainability",
    source="Zhang and Jia, ICLR 2022",
    data="labels",
    passes=("gradient_signs",),
)
def gradsign(probe: Probe, *, average: bool = False) -> float:
    """Sum over weights the magnitude of the samples' summed gradient signs.

    Formula: sum over convolution and linear weights of |sum_i sign(dl_i/dw)|, l_i the cross-entropy of sample
    i of the first batch.
    Range and direction: 0 to batch * weights, not changed by the loss's scale; higher is better.
    Source: Zhang and Jia, "GradSign: Model Performance Inference with Theoretical Insights", ICLR 2022, as
    most of its code has it. average=true divides by the number of weights, as one of its two trees and AZ-NAS
    do, which takes the network's size out.
    Deviations: none. With BatchNorm in training mode each sample is a batch of its own, as in the authors'
    code.
    """
    signs = [total.double().abs() for _, total in probe.gradient_signs()]
    summed = sum(layer.sum().item() for layer in signs)
    return summed / sum(layer.numel() for layer in signs) if average else summed
