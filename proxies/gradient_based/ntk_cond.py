"""TE-NAS's condition number of the neural tangent kernel."""

import torch

from proxies.probe import Probe
from proxies.registry import proxy
from proxies.spectrum import eigenvalues


@proxy(
    "ntk_cond",
    principle="trainability",
    source="Chen et al., ICLR 2021",
    data="images",
    passes=("tangent_kernel",),
)
def ntk_cond(probe: Probe) -> float:
    """Return the condition number of the tangent kernel of the batch, negated.

    Formula: -e_max / e_min, e the eigenvalues of J J', row b of J the gradient of image b's summed logits by
    every parameter called weight: convolutions', linear layers' and norms', not biases, tokens, positions or
    tables.
    Range and direction: at most -1, -inf where two images have one gradient; the paper wants a low condition
    number, so that, negated, higher is better.
    Source: Chen, Gong, Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021.
    Deviations: the kernel is summed in float64, and eigenvalues within rounding are 0; the code puts 1e5
    for NaN. The given weights, where TE-NAS draws three times.
    Raises ProxyError for a batch of one image.
    """
    probe.need_two_images()
    values = eigenvalues(probe.tangent_kernel())
    rounding = torch.finfo(values.dtype).eps * len(values) * values[-1]
    values = torch.where(values <= rounding, 0.0, values)
    return -(values[-1] / values[0]).item()
