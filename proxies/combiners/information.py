"""Entropies of binned values, and what one more proxy tells about accuracy.

IG(z) = H(y | z1) - H(y | z1, z), with H(y | a) = H(y, a) - H(a) and H the entropy, in bits, of how often each
combination of bins occurs (plug-in); y is accuracy, z1 the proxy known already, z the one to add.
Source: Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022, section 4; its code for the bins.

With as many bins as the source takes, 1000 architectures hardly ever share a combination: H(y, z1, z) comes
close to log2(1000) whatever z is, and IG mostly says how finely z cuts the architectures. A proxy with few
different bins (ties, one far-off value) then seems to tell little. Fewer bins of equal count and Miller and
Madow's correction answer that. `store.Benchmark.information_gain` has both under the same names.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proxies.combiners.ranks import ranks
from proxies.combiners.table import Real

Binned = NDArray[np.intp]
Binning = Literal["equal_width", "equal_count"]

PER_CELL = 5  # architectures that a cell of three equal-count binnings should hold
MOST = 8  # equal-count bins that are enough for any number of architectures
FAILED = -1  # the bin of values that are not finite


def equal_width(values: Real) -> Binned:
    """Return the bin of each value among bins of equal width from the smallest to the largest.

    values: (architectures,); those that are not finite share a bin of their own

    Their number is round(1 + 3.322 ln n), n being the finite values: the source takes the natural logarithm
    where Sturges' rule has that to base 10, so 24 bins for 1000 architectures instead of 11.
    Equal-width bins change under monotone transforms of the values.
    """
    finite = np.isfinite(values)
    binned = np.full(len(values), FAILED, dtype=np.intp)
    if finite.any():
        count = round(1 + 3.322 * np.log(finite.sum()))
        halves = values[finite] / 2  # their range is finite whatever the values are
        low, high = halves.min(), halves.max()
        share = (halves - low) / (high - low) if high > low else np.zeros(len(halves))
        # The last bin has no end, so that the largest value falls in it.
        binned[finite] = np.minimum(share * count, count - 1).astype(np.intp)
    return binned


def equal_count(values: Real) -> Binned:
    """Return the bin of each value among bins of as equal numbers of architectures as ties allow.

    values: (architectures,); those that are not finite share a bin of their own

    Their number is the most of 2 to 8 that leave 5 finite values for each cell of three binnings. Bins follow
    ranks, so that they do not change under monotone transforms of the values.
    """
    finite = np.isfinite(values)
    binned = np.full(len(values), FAILED, dtype=np.intp)
    if finite.any():
        n = int(finite.sum())
        count = next((bins for bins in range(MOST, 2, -1) if PER_CELL * bins**3 <= n), 2)
        binned[finite] = ((2 * ranks(values[finite]) - 1) * count // (2 * n)).astype(np.intp)
    return binned


def entropy(*binned: Binned, corrected: bool = False) -> float:
    """Return the joint entropy of binned values, in bits, 0 or more.

    binned:    (architectures,) each.
    corrected: add Miller and Madow's (occupied - 1) / (2 n), in nats, for the combinations never drawn.
    """
    _, counts = np.unique(np.column_stack(binned), axis=0, return_counts=True)
    shares = counts / counts.sum()
    bits = -float(shares @ np.log2(shares))
    return bits + (len(counts) - 1) / (2 * counts.sum() * np.log(2)) if corrected else bits


def conditional_entropy(of: Binned, *given: Binned, corrected: bool = False) -> float:
    """Return H(of | given) = H(of, given) - H(given), in bits. The arguments are those of `entropy`."""
    return entropy(of, *given, corrected=corrected) - entropy(*given, corrected=corrected)


def information_gain(accuracies: Real, known: Real, added: Real, binning: Binning = "equal_width") -> float:
    """Return IG(added) = H(accuracies | known) - H(accuracies | known, added), in bits.

    accuracies, known, added: (architectures,), of any unit.
    binning: "equal_width", as the source; or "equal_count", with Miller and Madow's correction.

    Never below 0 for "equal_width", except by rounding; a correction can be larger than what it corrects.
    """
    corrected = binning == "equal_count"
    cut = equal_count if corrected else equal_width
    y, first, second = cut(accuracies), cut(known), cut(added)
    without = conditional_entropy(y, first, corrected=corrected)
    return without - conditional_entropy(y, first, second, corrected=corrected)
