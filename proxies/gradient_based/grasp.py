"""GraSP: what removing weights would do to the flow of gradients."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "grasp",
    principle="trainability",
    source="Wang et al., ICLR 2020",
    data="labels",
    passes=("hessian_gradient",),
)
def grasp(probe: Probe) -> float:
    """Sum the weights times the Hessian's product with the gradient, negated.

    Formula: -sum over convolution and linear weights of w (H g), g the gradient of the first batch's mean
    cross-entropy by them, H its Hessian, logits not divided by a temperature.
    Range and direction: real, grows with the square of the loss's scale; higher is better, as Abdelfattah et
    al. have it, though the sign of its correlation differs from space to space.
    Source: Wang, Zhang, Grosse, "Picking Winning Tickets Before Training by Preserving Gradient Flow", ICLR
    2020, as Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, sum it.
    Deviations: none. TF-TAS and AZ-NAS multiply the gradient of one tenth of the batch with the Hessian of
    all of it; AZ-NAS's is always 0 on ViTs.
    Raises NothingCollected when the loss depends on no layer.
    """
    return -probe.hessian_gradient().item()
