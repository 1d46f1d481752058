"""How decided attention heads are, by their weights."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "softmax_confidence",
    principle="expressivity",
    source="Serianni and Kalita, ACL 2023",
    data="images",
    passes=("head_confidence",),
    needs="attention",
)
def softmax_confidence(probe: Probe) -> float:
    """Sum over attention heads the largest entries of their weights.

    Formula: sum over layers and heads of mean over images and tokens of o, the largest of a query's attention
    weights over the keys.
    Range and direction: 0 to the number of heads; higher is better.
    Source: Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL
    2023.
    Deviations: not divided by the number of heads and layers, as in the paper's better variant, so that it
    counts heads too. On images.
    Raises NothingCollected on a network without attention heads.
    """
    return sum(heads.sum().item() for heads in probe.head_confidence()[0])
