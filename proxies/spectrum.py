"""Eigenvalues of symmetric matrices that may hold NaN, which LAPACK refuses."""

from __future__ import annotations

import torch
from torch import Tensor


def eigenvalues(matrix: Tensor) -> Tensor:
    """Return the eigenvalues of a symmetric matrix (n, n), ascending, (n,) float64; NaN if it has any."""
    matrix = matrix.double()
    if not matrix.isfinite().all():
        return torch.full_like(matrix[0], torch.nan)
    return torch.linalg.eigvalsh(matrix)
