"""NEAR: the effective rank of activations."""

import torch
from torch import Tensor

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.registry import proxy
from proxies.spectrum import eigenvalues


@proxy(
    "near",
    principle="expressivity",
    source="Husistein et al., ICLR 2025",
    data="images",
    passes=("hidden_rows",),
)
def near(probe: Probe) -> float:
    """Sum the effective ranks of what activation functions are given and of what they return.

    Formula: sum over activation modules of r(H) + r(act(H)), H the matrix of places x channels that the
    module is given, r = exp(-sum_k p_k log p_k), p the singular values divided by their sum.
    Range and direction: >= 0, at most twice the sum of the smaller side of each matrix; higher is better.
    Source: Husistein, Reiher, Eckhoff, "NEAR: A Training-Free Pre-Estimator of Machine Learning Model
    Performance", ICLR 2025.
    Deviations: rows are tokens or pixels of all images, 512 of them, evenly spaced, where there are more; the
    paper makes its matrices square. Singular values are the roots of a Gram matrix's eigenvalues, in float64.
    Raises NothingCollected on a network without activation modules, or whose activations are all zero.
    """
    ranks = [_effective_rank(rows) for pair in probe.hidden_rows() for rows in pair]
    if not any(ranks[1::2]):
        raise NothingCollected("All that activation modules return is zero.")
    return sum(ranks)


def _effective_rank(rows: Tensor) -> float:
    """That of (rows, channels); 0 for a matrix of zeros."""
    rows = rows.double()
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    values = eigenvalues(gram).clamp(min=0).sqrt()
    if values.sum() == 0:
        return 0.0
    share = values / values.sum()
    return torch.special.entr(share).sum().exp().item()
