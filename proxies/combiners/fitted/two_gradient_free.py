"""The best two proxies that need no gradient."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.ranks import MERGES, Merge
from proxies.combiners.registry import combiner
from proxies.combiners.statistics import best_of_kind
from proxies.combiners.table import Table


@combiner("two_gradient_free", source="Casarin et al., CVPR 2025, Table 4", fits=True)
def two_gradient_free(
    tables: Sequence[Table], generator: np.random.Generator, *, merge: Merge = "log_rank_sum"
) -> Combination:
    """Merge the two proxies of highest rho among those that need no gradient of a loss.

    Formula: `merge` of the two.
    Source: a row of the ablation of L-SWAG's paper, Casarin et al., CVPR 2025, Table 4.
    Deviations: the paper does not say which two it takes. Gradient-free is what this package files as such,
    with parameter and operation counts among them.
    """
    return Combination(tuple(best_of_kind(tables, "gradient-free", 2)), MERGES[merge])
