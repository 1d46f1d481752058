"""The importance of attention heads."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "head_importance",
    principle="saliency",
    source="Serianni and Kalita, ACL 2023",
    data="images",
    passes=("head_importance",),
    needs="attention",
)
def head_importance(probe: Probe) -> float:
    """Sum over attention heads how much the logits hang on the head's output.

    Formula: sum over layers and heads of mean over images of |sum over tokens and features of o dR/do|, o the
    head's output before the projection, R the summed logits.
    Range and direction: >= 0, proportional to the logits' scale; higher is better.
    Source: Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL
    2023, after Michel, Levy, Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019.
    Deviations: not divided by the number of heads and layers, as in the paper's better variant, so that it
    counts heads too. On images.
    Raises NothingCollected on a network without attention heads.
    """
    return sum(heads.sum().item() for heads in probe.head_importance())
