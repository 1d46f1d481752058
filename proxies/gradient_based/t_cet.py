"""T-CET: compressibility times expressivity, layer by layer."""

from collections import defaultdict

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.activations import agreement, log_determinant
from proxies.registry import proxy


@proxy(
    "t_cet",
    principle="saliency",
    source="Xiang et al., AutoML 2023",
    data="labels",
    passes=("gradients", "layer_patterns"),
)
def t_cet(probe: Probe) -> float:
    """Sum over layers the saliencies' signal-to-noise ratio times the outputs' log-determinant.

    Formula: sum over convolution and linear layers of SNR * D; s = |w dL/dw|, SNR = sum(s) / std(s), std with
    n - 1 (sum(s) where it is 0), L the first batch's mean cross-entropy; D = log det K, K[p, q] the number of
    the layer's outputs that are both above zero or both not for images p and q, and 0 where K is singular; a
    layer that is called several times has the sum over its calls.
    Range and direction: >= 0 but for the smallest layers, not changed by the loss's scale; higher is better.
    Source: Xiang et al., "Exploiting Network Compressibility and Topology in Zero-Cost NAS", AutoML 2023,
    with the saliency of SNIP.
    Deviations: both parts are taken in the mode the network has, where the code evaluates the second without
    BatchNorm's training mode. Linear outputs (batch, tokens, channels) are flattened to one row an image.
    Raises NothingCollected when every layer's kernel is singular.
    """
    determinants: dict[str, float] = defaultdict(float)
    for pattern in probe.layer_patterns():
        value = log_determinant(agreement([pattern])).item()
        determinants[pattern.name] += 0.0 if value == -float("inf") else value
    if not any(determinants.values()):
        raise NothingCollected("The kernel of every layer's outputs is singular.")
    total = 0.0
    for layer, gradient in probe.gradients():
        saliency = (layer.weight.double() * gradient).abs()
        spread = saliency.std().item() if saliency.numel() > 1 else 0.0
        ratio = saliency.sum().item() / (spread or 1.0)
        total += ratio * determinants[layer.name]
    return total
