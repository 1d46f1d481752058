"""The plain sum of ranks."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners import ranks
from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.table import Table


@combiner("rank_sum", source="Borda, 1781", fits=False)
def rank_sum(tables: Sequence[Table], generator: np.random.Generator) -> Combination:
    """Sum each architecture's ranks by all proxies given.

    Formula: sum over proxies of rank / n, ranks ascending with ties at their average, n the architectures
    ranked together.
    Source: Borda's count of 1781; among proxies, TE-NAS (Chen et al., ICLR 2021).
    Deviations: none.
    """
    return Combination(tables[0].proxies, ranks.rank_sum)
