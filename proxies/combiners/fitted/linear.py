"""A linear fit of ranks."""

from collections.abc import Sequence

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.registry import combiner
from proxies.combiners.regression import regressed, scikit_learn
from proxies.combiners.table import Table


@combiner("linear", source="ridge regression, Hoerl and Kennard, 1970", fits=True)
def linear(tables: Sequence[Table], generator: np.random.Generator) -> Combination:
    """Weigh the ranks by all proxies given, by a linear fit to the ranks of accuracy.

    Formula: ridge regression of accuracy's ranks on the proxies', all as shares of their pool; the penalty is
    that of 0.1, 1 and 10 with the least error on architectures left out one by one.
    Source: Hoerl and Kennard, Technometrics 1970, by scikit-learn's RidgeCV. A baseline: what accuracies give
    to whoever has them.
    Deviations: none.
    """
    return regressed(tables, scikit_learn("linear_model").RidgeCV())
