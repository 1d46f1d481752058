"""ZiCo: the gradients' mean magnitude over their spread across batches."""

from collections.abc import Sequence

import torch

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.registry import proxy

_AT_ONCE = 1 << 17  # weights whose statistics are taken at a time: as many as stay in a cache


@proxy(
    "zico",
    principle="trainability",
    source="Li et al., ICLR 2023",
    data="labels",
    passes=("batch_gradients",),
)
def zico(probe: Probe) -> float:
    """Sum over layers the log of the summed ratios of gradient magnitude to its spread over batches.

    Formula: sum over convolution and linear layers of log(sum over weights of mean_n |g_n| / std_n g_n), g_n
    the gradient of batch n's mean cross-entropy, std the population's. Weights of zero spread are dropped,
    and layers that keep none.
    Range and direction: real, not changed by the loss's scale; higher is better.
    Source: Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", ICLR 2023, as
    its code computes it: the spread is that of g, where the paper prints |g|.
    Deviations: statistics in float64. All batches given are used, two or more. With two the sum hangs on the
    smallest differences: float32 gradients move it by up to 1 %.
    Raises NothingCollected when no weight of any layer varies.
    """
    logs = [log for _, gradients in probe.batch_gradients() if (log := log_ratio(gradients)) is not None]
    if not logs:
        raise NothingCollected("The gradient of every weight is the same for all batches.")
    return sum(logs)


def log_ratio(gradients: Sequence[torch.Tensor]) -> float | None:
    """Return the log of a layer's summed ratios, of a gradient a batch, (*weight); None when none varies."""
    parts = zip(*(gradient.flatten().split(_AT_ONCE) for gradient in gradients), strict=True)
    ratio = torch.stack([_ratio(torch.stack(some)) for some in parts]).sum()
    return None if ratio == 0 else ratio.log().item()


def _ratio(gradients: torch.Tensor) -> torch.Tensor:
    """The summed ratios of weights, of gradients (batches, weights); NaN is kept, to be seen in the score."""
    gradients = gradients.double()
    if len(gradients) == 2:  # the same numbers, several times faster
        spread = (gradients[0] - gradients[1]).abs_().div_(2)
    else:
        spread = gradients.std(dim=0, correction=0)
    return torch.where(spread == 0, 0.0, gradients.abs().mean(dim=0).div_(spread)).sum()
