"""Two proxies drawn at random."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.ranks import MERGES, Merge
from proxies.combiners.registry import combiner
from proxies.combiners.table import Table


@combiner("two_random", source="Casarin et al., CVPR 2025, Table 4", fits=False)
def two_random(
    tables: Sequence[Table], generator: np.random.Generator, *, merge: Merge = "log_rank_sum"
) -> Combination:
    """Merge two proxies drawn at random.

    Formula: `merge` of two different proxies, each pair as likely as any other.
    Source: a row of the ablation of L-SWAG's paper, Casarin et al., CVPR 2025, Table 4.
    Deviations: how the paper draws is not told. One draw says little: judge many.
    """
    drawn = generator.choice(sorted(tables[0].proxies), size=min(2, len(tables[0].proxies)), replace=False)
    return Combination(tuple(map(str, drawn)), MERGES[merge])
