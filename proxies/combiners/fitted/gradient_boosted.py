"""Gradient-boosted trees on ranks."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.regression import regressed, scikit_learn
from proxies.combiners.table import Table
from proxies.errors import ProxyError


@combiner("gradient_boosted", source="Friedman, 2001; Krishnakumar et al., NeurIPS 2022", fits=True)
def gradient_boosted(
    tables: Sequence[Table], generator: np.random.Generator, *, trees: int = 100, leaves: int = 8
) -> Combination:
    """Predict the ranks of accuracy from those by all proxies given, by gradient-boosted trees.

    Formula: `trees` trees of up to `leaves` leaves, learning rate 0.1, squared error, ranks as shares of
    their pool.
    Source: Friedman, Annals of Statistics 2001, by scikit-learn's HistGradientBoostingRegressor;
    NAS-Bench-Suite-Zero combines its proxies so, with XGBoost. A baseline: what accuracies give to whoever
    has them.
    Deviations: ranks instead of values; never stops early; a leaf holds at least 20 architectures, or a
    quarter of fewer than 80.
    Raises ProxyError for fewer than 1 tree or 2 leaves.
    """
    if trees < 1 or leaves < 2:
        raise ProxyError(f"gradient_boosted needs at least 1 tree of 2 leaves; got {trees} of {leaves}.")
    fitted = sum(len(table.truth) for table in tables)
    model = scikit_learn("ensemble").HistGradientBoostingRegressor(
        max_iter=trees,
        max_leaf_nodes=leaves,
        min_samples_leaf=max(1, min(20, fitted // 4)),
        early_stopping=False,
    )
    return regressed(tables, model)
