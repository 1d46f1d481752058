"""DSS: the synaptic diversity of attention and the synaptic saliency of MLPs."""

import torch

from proxies.probe import Probe
from proxies.probe.attention import roles_with_attention
from proxies.registry import proxy


@proxy(
    "dss",
    principle="saliency",
    source="Zhou et al., CVPR 2022",
    data="shape",
    passes=("data_free", "nuclear_norms"),
    needs="attention",
)
def dss(probe: Probe) -> float:
    """Sum attention's products of nuclear norms and the other layers' saliencies, without data.

    Formula: sum over attention's linear layers (query, key, value and output projections) of
    ||dR/dW||_* ||W||_*, plus sum over the weights of the MLPs and the head of |w dR/dw|; R the summed logits
    of an image of ones, every floating tensor of the state dict replaced by its absolute value; ||.||_* the
    nuclear norm, the sum of singular values.
    Range and direction: >= 0, no unit, nearly all of it attention's; higher is better.
    Source: Zhou et al., "Training-free Transformer Architecture Search", CVPR 2022, as AZ-NAS's code computes
    it.
    Deviations: the head counts once, where AZ-NAS counts one of 1000 classes twice, and layers are told apart
    by their roles, not by their shapes. TF-TAS's own code keeps the signs of the weights, and loses query,
    key and value. All in float64; nuclear norms are exact to 1e-6 at least.
    Raises NothingCollected when the network names no attention layer in its roles.
    """
    diversity = sum(gradient * weight for gradient, weight in probe.nuclear_norms())
    roles = roles_with_attention(probe.network)
    saliency = sum(
        torch.dot(layer.weight.flatten(), gradient.abs().flatten()).item()
        for layer, gradient in probe.data_free()
        if roles.get(layer.name) in ("mlp", "head")
    )
    return diversity + saliency
