"""Synaptic saliency: how much a ViT's output hangs on the weights of its MLPs."""

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.attention import roles_with_attention
from proxies.registry import proxy


@proxy(
    "synaptic_saliency",
    principle="saliency",
    source="Serianni and Kalita, ACL 2023",
    data="shape",
    passes=("data_free",),
    needs="attention",
)
def synaptic_saliency(probe: Probe) -> float:
    """Sum the saliencies of the MLPs' weights, without data.

    Formula: sum over the weights of the MLPs of |w dR/dw|, the second part of `dss`, without the head.
    Range and direction: >= 0, no unit; higher is better.
    Source: Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL
    2023, after Zhou et al., "Training-free Transformer Architecture Search", CVPR 2022.
    Deviations: on the network of absolute weights and an image of ones, as `dss`; not divided by the number
    of layers.
    Raises NothingCollected when the network names no attention or no MLP layer in its roles.
    """
    roles = roles_with_attention(probe.network)
    found = [
        (layer.weight * gradient).abs().sum().item()
        for layer, gradient in probe.data_free()
        if roles.get(layer.name) == "mlp"
    ]
    if not found:
        raise NothingCollected("The network names no MLP layer in its roles.")
    return sum(found)
