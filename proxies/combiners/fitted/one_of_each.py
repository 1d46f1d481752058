"""The best proxy without and the best one with gradients."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.ranks import MERGES, Merge
from proxies.combiners.registry import combiner
from proxies.combiners.statistics import best_of_kind
from proxies.combiners.table import Table


@combiner("one_of_each", source="Casarin et al., CVPR 2025, Table 4", fits=True)
def one_of_each(
    tables: Sequence[Table], generator: np.random.Generator, *, merge: Merge = "log_rank_sum"
) -> Combination:
    """Merge the gradient-free and the gradient-based proxy of highest rho.

    Formula: `merge` of the two.
    Source: a row of the ablation of L-SWAG's paper, Casarin et al., CVPR 2025, Table 4.
    Deviations: the paper does not say which of each kind it takes. The kinds are those of `two_gradient_free`
    and `two_gradient_based`.
    """
    chosen = best_of_kind(tables, "gradient-free", 1) + best_of_kind(tables, "gradient-based", 1)
    return Combination(tuple(chosen), MERGES[merge])
