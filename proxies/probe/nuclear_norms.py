"""Nuclear norms, the sums of singular values, of attention's weights and of their gradients without data."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from proxies.probe.attention import roles_with_attention
from proxies.probe.layers import WeightedLayer

_TOLERANCE = 1e-6  # of a nuclear norm, relative; what is left to chance is a hundredth of it
_RANK = 96  # columns of the sketch of a gradient


def collect_nuclear_norms(
    network: nn.Module, data_free: Iterable[tuple[WeightedLayer, Tensor]]
) -> list[tuple[float, float]]:
    """Return the nuclear norms of the gradient and of the weight of every linear layer of attention.

    data_free: what `collect_data_free` returns.

    Raises NothingCollected when the network names no such layer in its roles.
    """
    roles = roles_with_attention(network)
    return [
        # Tokens of an image of ones differ little, and the rank of a gradient is small.
        (nuclear_norm(gradient.flatten(1), low_rank=True), nuclear_norm(layer.weight.flatten(1)))
        for layer, gradient in data_free
        if roles.get(layer.name) == "attention"
    ]


def nuclear_norm(matrix: Tensor, low_rank: bool = False) -> float:
    """Return the sum of the singular values of (rows, columns) float64, exact to 1e-6.

    low_rank: whether few of the singular values make up nearly all of the sum. If wrong, that costs time and
              no digits.

    NaN or infinity for a matrix that is not finite.
    """
    norm = torch.linalg.vector_norm(matrix).item()
    if norm - norm != 0:  # the decompositions refuse what is not finite
        return norm
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    total, error = (_from_sketch if low_rank else _from_gram)(tall)
    if error <= _TOLERANCE * total:
        return total
    return torch.linalg.svdvals(matrix).sum().item()


def _from_gram(tall: Tensor) -> tuple[float, float]:
    """The nuclear norm by the eigenvalues of the Gram matrix, and the largest error that squaring leaves.

    An eigenvalue is wrong by up to `rounding`: its root s by up to rounding / s, or sqrt(rounding) where s is
    smaller than that.
    """
    eigenvalues = torch.linalg.eigvalsh(tall.T @ tall).clamp(min=0)  # ascending
    values = eigenvalues.sqrt()
    rounding = sum(tall.shape) * torch.finfo(tall.dtype).eps * eigenvalues[-1]
    error = torch.minimum(rounding / values, rounding.sqrt()).sum()
    return values.sum().item(), error.item()


def _from_sketch(tall: Tensor) -> tuple[float, float]:
    """The nuclear norm of the matrix's projection on few directions, and the most that the rest can add.

    The directions Q span the matrix's image of random vectors. The rest A - A Q Q' adds at most its own
    nuclear norm, which is at most sqrt(columns) times its Frobenius norm. Source: Halko, Martinsson, Tropp,
    "Finding structure with randomness", SIAM Review 2011.
    """
    rows, columns = tall.shape
    # Not a draw of the score: whatever the directions are, the error is bounded.
    draws = torch.randn(rows, _RANK, generator=torch.Generator().manual_seed(0))
    draws = draws.to(tall, non_blocking=True)
    directions = torch.linalg.qr(tall.T @ draws).Q  # (columns, rank)
    projected = tall @ directions  # (rows, rank)
    rest = torch.linalg.vector_norm(tall - projected @ directions.T)
    return torch.linalg.svdvals(projected).sum().item(), columns**0.5 * rest.item()
