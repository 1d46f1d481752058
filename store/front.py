"""Which proxies no other beats in both price and rho: the Pareto front."""

import numpy as np
from numpy.typing import NDArray

from store.statistics import Real


def front(price: Real, worth: Real) -> NDArray[np.bool_]:
    """Which rows are on the Pareto front of a low price and a high worth.

    price, worth: (rows,); a row where either is not finite is on no front

    Returns (rows,): true where no other row is at least as cheap and as good, and one of both better. Equal
    rows are on it together.
    """
    known = np.isfinite(price) & np.isfinite(worth)
    no_worse = (price[None, :] <= price[:, None]) & (worth[None, :] >= worth[:, None])
    better = (price[None, :] < price[:, None]) | (worth[None, :] > worth[:, None])
    return known & ~(no_worse & better & known[None, :]).any(axis=1)
