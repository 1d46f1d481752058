"""Gradient-boosted trees on ranks."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.regression import regressed, scikit_learn
from proxies.combiners.table import Table


@combiner("gradient_boosted", source="Friedman, 2001; Krishnakumar et al., NeurIPS 2022", fits=True)
def gradient_boosted(
    tables: Sequence[Table], generator: np.random.Generator, *, trees: int = 100, depth: int = 3
) -> Combination:
    """Predict the ranks of accuracy from those by all proxies given, by gradient-boosted trees.

    Formula: `trees` trees of `depth` levels, each on a random half of the architectures, learning rate 0.1,
    squared error, ranks as shares of their pool.
    Source: Friedman, Annals of Statistics 2001, by scikit-learn's GradientBoostingRegressor;
    NAS-Bench-Suite-Zero combines its proxies so, with XGBoost. A baseline: what accuracies give to whoever
    has them.
    Deviations: ranks instead of values; scikit-learn's settings but for the half.
    """
    ensemble = scikit_learn("ensemble")
    seed = int(generator.integers(2**31))
    model = ensemble.GradientBoostingRegressor(
        n_estimators=trees, max_depth=depth, subsample=0.5, random_state=seed
    )
    return regressed(tables, model)
