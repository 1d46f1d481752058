"""Synaptic diversity: how many directions the attention's weights have."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "synaptic_diversity",
    principle="saliency",
    source="Serianni and Kalita, ACL 2023",
    data="shape",
    passes=("nuclear_norms",),
    needs="attention",
)
def synaptic_diversity(probe: Probe) -> float:
    """Sum attention's products of nuclear norms, without data.

    Formula: sum over attention's linear layers of ||dR/dW||_* ||W||_*, the first part of `dss`.
    Range and direction: >= 0, no unit; higher is better.
    Source: Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL
    2023, after Zhou et al., "Training-free Transformer Architecture Search", CVPR 2022.
    Deviations: on the network of absolute weights and an image of ones, as `dss`; not divided by the number
    of layers.
    Raises NothingCollected when the network names no attention layer in its roles.
    """
    return sum(gradient * weight for gradient, weight in probe.nuclear_norms())
