"""Entropies of binned values, and what one more proxy tells about accuracy.

IG(z) = H(y | z1) - H(y | z1, z), with H(y | a) = H(y, a) - H(a) and H the entropy, in bits, of how often each
combination of bins occurs (plug-in); y is accuracy, z1 the proxy known already, z the one to add.
Source: Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022, section 4; its code for the bins.

With as many bins as the source takes, 1000 architectures hardly ever share a combination: H(y, z1, z) comes
close to log2(1000) whatever z is, and IG mostly says how finely z cuts the architectures. A proxy with few
different bins (ties, one far-off value) then seems to tell little. Bins of equal count and Miller and Madow's
correction answer that.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proxies.combiners.ranks import ranks
from proxies.combiners.table import Real

Binned = NDArray[np.intp]
Bins = Literal["width", "equal"]

EQUAL_BINS = 8
FAILED = -1  # the bin of values that are not finite


def width_bins(values: Real) -> Binned:
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


def equal_bins(values: Real, count: int = EQUAL_BINS) -> Binned:
    """Return the bin of each value among bins of as equal numbers of architectures as ties allow.

    values: (architectures,); those that are not finite share a bin of their own

    Bins follow ranks, so that they do not change under monotone transforms of the values.
    """
    finite = np.isfinite(values)
    binned = np.full(len(values), FAILED, dtype=np.intp)
    if finite.any():
        shares = (ranks(values[finite]) - 0.5) / finite.sum()
        binned[finite] = np.floor(shares * count).astype(np.intp)
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


def information_gain(accuracies: Real, known: Real, added: Real, bins: Bins = "width") -> float:
    """Return IG(added) = H(accuracies | known) - H(accuracies | known, added), in bits.

    accuracies, known, added: (architectures,), of any unit.
    bins: "width", as the source; or "equal", eight of equal count, with Miller and Madow's correction.

    Never below 0 for "width", except by rounding; a correction can be larger than what it corrects.
    """
    corrected = bins == "equal"
    cut = equal_bins if corrected else width_bins
    y, first, second = cut(accuracies), cut(known), cut(added)
    without = conditional_entropy(y, first, corrected=corrected)
    return without - conditional_entropy(y, first, second, corrected=corrected)
