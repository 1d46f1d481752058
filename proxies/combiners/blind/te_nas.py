"""TE-NAS: two proxies by rank sum."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners import ranks
from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.table import Table


@combiner("te_nas", source="Chen et al., ICLR 2021", fits=False)
def te_nas(tables: Sequence[Table], generator: np.random.Generator) -> Combination:
    """Sum the ranks by the condition number of the tangent kernel and by the number of linear regions.

    Formula: `rank_sum` of ntk_cond, which is higher the better conditioned, and linear_regions.
    Source: Chen, Gong, Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021.
    Deviations: ranks whole architectures with ties at their average, as AZ-NAS's and L-SWAG's comparisons do;
    TE-NAS's search ranks operations by how much removing them changes each, to three digits.
    """
    return Combination(("ntk_cond", "linear_regions"), ranks.rank_sum)
