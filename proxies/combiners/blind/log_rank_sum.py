"""The sum of the logarithms of ranks."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners import ranks
from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.table import Table


@combiner("log_rank_sum", source="Lee and Ham, CVPR 2024", fits=False)
def log_rank_sum(tables: Sequence[Table], generator: np.random.Generator) -> Combination:
    """Sum the logarithms of each architecture's ranks by all proxies given.

    Formula: sum over proxies of log(rank / n), ranks ascending with ties at their average, n the
    architectures ranked together. One bad rank weighs more than a good one.
    Source: Lee and Ham, "AZ-NAS", CVPR 2024, its non-linear rank aggregation.
    Deviations: of all proxies instead of AZ-NAS's own four; for those see `az_nas`.
    """
    return Combination(tables[0].proxies, ranks.log_rank_sum)
