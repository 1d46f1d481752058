"""How decided attention heads are, by their output."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "attn_confidence",
    principle="expressivity",
    source="Serianni and Kalita, ACL 2023",
    data="images",
    passes=("head_confidence",),
    needs="attention",
)
def attn_confidence(probe: Probe) -> float:
    """Sum over attention heads the largest entries of their output.

    Formula: sum over layers and heads of mean over images and tokens of o, the largest of the features of the
    head's output at a token.
    Range and direction: real; higher is better.
    Source: Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL
    2023.
    Deviations: not divided by the number of heads and layers, as in the paper's better variant, so that it
    counts heads too. On images.
    Raises NothingCollected on a network without attention heads.
    """
    return sum(heads.sum().item() for heads in probe.head_confidence()[1])
