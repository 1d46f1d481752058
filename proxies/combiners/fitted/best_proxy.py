"""The best proxy, alone."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.ranks import ranks
from proxies.combiners.registry import combiner
from proxies.combiners.statistics import rho_by_proxy
from proxies.combiners.table import Real, Table


@combiner("best_proxy", source="what any choice must beat", fits=True)
def best_proxy(tables: Sequence[Table], generator: np.random.Generator) -> Combination:
    """Take the proxy of highest rho with accuracy, alone.

    Formula: its ranks.
    Source: a baseline, and LIBRA's first: what accuracies give to whoever chooses one proxy by them, and
    merges nothing.
    Deviations: none.
    """
    best = next(iter(rho_by_proxy(tables)))

    def alone(scores: Real) -> Real:
        return ranks(scores)[:, 0]

    return Combination((best,), alone)
