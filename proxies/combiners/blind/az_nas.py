"""AZ-NAS: four proxies by log-rank sum."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners import ranks
from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.table import Table


@combiner("az_nas", source="Lee and Ham, CVPR 2024", fits=False)
def az_nas(
    tables: Sequence[Table], generator: np.random.Generator, *, progressivity: bool = True
) -> Combination:
    """Sum the logarithms of the ranks by AZ-NAS's expressivity, progressivity, trainability and complexity.

    Formula: `log_rank_sum` of az_expressivity, az_progressivity, az_trainability and az_complexity, or
    without the second for `progressivity=false`.
    Source: Lee and Ham, "AZ-NAS", CVPR 2024. On Vision Transformers its code leaves progressivity out.
    Deviations: none. Where one of them has no scores, there is no AZ-NAS.
    """
    second = ("az_progressivity",) if progressivity else ()
    proxies = ("az_expressivity", *second, "az_trainability", "az_complexity")
    return Combination(proxies, ranks.log_rank_sum)
