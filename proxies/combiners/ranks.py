"""Ranks of architectures, and the ways to merge several into one number an architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from proxies.combiners.table import FEWEST, Real

Merge = Literal["log_rank_sum", "rank_sum"]


def ranks(values: Real) -> Real:
    """Return the rank of each architecture, 1 for the worst, ties at their average; failed ones are worst.

    values: (architectures,) or (architectures, proxies), then each proxy by itself; higher is better.
    """
    finite = np.where(np.isfinite(values), values, -np.inf)
    return np.asarray(rankdata(finite, axis=0), dtype=np.float64)


def percentiles(values: Real) -> Real:
    """Return ranks as shares of the pool, in (0, 1), free of its size; failed ones are worst.

    values: as in `ranks`.
    """
    return (ranks(values) - 0.5) / len(values)


def spearman(x: Real, y: Real) -> float:
    """Return Spearman's rho with average ranks for ties, failed values ranked worst.

    x, y: (architectures,)

    Returns -1..1; NaN below 3 architectures or when either is constant.
    """
    if len(x) < FEWEST:
        return float("nan")
    first, second = (ranked - ranked.mean() for ranked in (ranks(x), ranks(y)))
    scale = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / scale) if scale > 0 else float("nan")


def rank_sum(scores: Real) -> Real:
    """Return the sum of an architecture's ranks, each as a share of the pool.

    scores: (architectures, proxies), higher is better

    Returns (architectures,), in (0, proxies], higher is better.
    """
    return (ranks(scores) / len(scores)).sum(axis=1)


def log_rank_sum(scores: Real) -> Real:
    """Return the sum of the logarithms of an architecture's ranks, each as a share of the pool.

    scores: (architectures, proxies), higher is better

    Returns (architectures,), at most 0, higher is better.
    """
    return np.log(ranks(scores) / len(scores)).sum(axis=1)


MERGES: dict[Merge, Callable[[Real], Real]] = {"log_rank_sum": log_rank_sum, "rank_sum": rank_sum}
