"""SynFlow: the saliency of the weights without data."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "synflow", principle="saliency", source="Tanaka et al., NeurIPS 2020", data="shape", passes=("data_free",)
)
def synflow(probe: Probe) -> float:
    """Sum |w * dR/dw| over the network of absolute weights, R its summed logits for an image of ones.

    Formula: S = sum over convolution and linear weights of |w dR/dw|, every floating tensor of the state dict
    replaced by its absolute value, all in float64.
    Range and direction: >= 0, no unit; higher is better.
    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow",
    NeurIPS 2020, summed over the network as in Abdelfattah et al., ICLR 2021.
    Deviations: S itself, where NASLib stores log S: the order is the same. BatchNorm is bypassed, as in
    NASLib; LayerNorm and softmax stay, so that on a ViT the layers' sums are not equal, as they are on a ReLU
    network.
    """
    return sum((layer.weight * gradient).abs().sum().item() for layer, gradient in probe.data_free())
