"""Jacov: how far the images' input gradients are from correlated."""

import torch
from torch import Tensor

from proxies.probe import Probe
from proxies.registry import proxy
from proxies.spectrum import eigenvalues

_FLOOR = 1e-5


@proxy(
    "jacov",
    principle="expressivity",
    source="Mellor et al., 2020",
    data="images",
    passes=("input_jacobian",),
)
def jacov(probe: Probe) -> float:
    """Score the eigenvalues of the correlation of the images' input gradients by how near they are to 1.

    Formula: -sum_i [log(e_i + k) + 1 / (e_i + k)], e_i the eigenvalues of the correlation matrix of the rows
    d(summed logits)/d(image), k = 1e-5.
    Range and direction: at most -batch, when no two gradients are correlated; -1e5 for every
    direction that is missing; higher is better.
    Source: Mellor et al., "Neural Architecture Search without Training", arXiv:2006.04647v1 (2020), as
    Abdelfattah et al., ICLR 2021, name it.
    Deviations: eigenvalues are those of a symmetric matrix, in float64, and at least 0; the code's general
    solver gives NaN where rounding makes one less than -k.
    Raises ProxyError for a batch of one image.
    """
    probe.need_two_images()
    values = eigenvalues(correlation(probe.input_jacobian())).clamp(min=0) + _FLOOR
    return -(values.log() + 1 / values).sum().item()


def correlation(jacobian: Tensor) -> Tensor:
    """Return the correlation of the rows of (batch, ...), (batch, batch) float64; NaN for a constant one."""
    return torch.corrcoef(jacobian.flatten(1).double()).reshape(len(jacobian), len(jacobian))
