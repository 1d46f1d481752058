"""Plain: the signed sensitivity of the loss to the weights' scale."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "plain",
    principle="trainability",
    source="Mozer and Smolensky, 1989; Abdelfattah et al., ICLR 2021",
    data="labels",
    passes=("gradients",),
)
def plain(probe: Probe) -> float:
    """Sum w * dL/dw over the weights, with its sign.

    Formula: sum over convolution and linear weights of w dL/dw, L the first batch's mean cross-entropy.
    Range and direction: real, proportional to the loss's scale; higher is better, though the terms cancel and
    the sign of its correlation differs from task to task.
    Source: Mozer and Smolensky, "Skeletonization", NIPS 1988, as Abdelfattah et al., "Zero-Cost Proxies for
    Lightweight NAS", ICLR 2021, sum it.
    Deviations: none; summed in float64.
    """
    return sum((layer.weight.double() * gradient).sum().item() for layer, gradient in probe.gradients())
