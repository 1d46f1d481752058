"""What a second proxy tells about the accuracy that a first does not: entropies of binned values."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store import statistics
from store.analysis import SCORES_FROM
from store.cells import CELL, Cell, Observations, Selection, as_table, fewest, mean
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

Bins = NDArray[np.int64]

PER_CELL = 5  # architectures that a cell of three equal-count binnings should hold
MOST = 8  # equal-count bins that are enough for any number of architectures

INFORMATION = pa.schema(
    [
        *CELL,
        column("first", TEXT, "name", "proxy that is known already"),
        column("second", TEXT, "name", "proxy that is added"),
        column("entropy", REAL, "bits", "H(accuracy)", nullable=True),
        column("given_first", REAL, "bits", "H(accuracy | first): what the first leaves open", nullable=True),
        column("given_both", REAL, "bits", "H(accuracy | first, second)", nullable=True),
        column("gain", REAL, "bits", "given_first - given_both: what the second adds", nullable=True),
        column("binning", TEXT, "name", "equal_width or equal_count"),
        column("bins", WHOLE, "count", "bins of each of the three: the fewest of any two seeds"),
        column("n", WHOLE, "count", "architectures both scored: the fewest of any two seeds"),
        SCORES_FROM,
    ]
)


def information_gain(
    observations: Observations, selection: Selection, binning: str, bins: int | None
) -> pa.Table:
    """Information gain of proxies; see Benchmark.information_gain. Returns a table of schema INFORMATION."""
    rows = []
    for cell in observations.cells(selection):
        found, count, n = gains(cell, binning, bins)
        series = {name: cell.series(name) for name in cell.names(selection)}
        for first, second in product(series, series):
            if first == second:
                continue
            pairs = np.ix_(series[first], series[second])
            known, given_first, given_both = (mean(found[pairs][..., which]) for which in range(3))
            rows.append(
                cell.about
                | {"first": first, "second": second, "entropy": known, "given_first": given_first}
                | {"given_both": given_both, "gain": given_first - given_both, "binning": binning}
                | {"bins": fewest(count[pairs]), "n": fewest(n[pairs])}
            )
    return as_table(rows, INFORMATION)


def gains(cell: Cell, binning: str, bins: int | None) -> tuple[Real, Bins, Bins]:
    """Entropies of the accuracy for every two series of scores, on the architectures both have.

    Returns (series, series, 3) bits: H(accuracy), H(accuracy | first), H(accuracy | first, second), NaN below
    3 architectures; bins and architectures, each (series, series).
    """
    width = cell.scores.shape[1]
    found = np.full((width, width, 3), np.nan)
    used, n = np.zeros((width, width), dtype=np.int64), np.zeros((width, width), dtype=np.int64)
    cut, count_for, corrected = BINNINGS[binning]
    for rows, some, others in statistics.joint_rows(cell.scores):
        size = int(rows.sum())
        count = bins or count_for(size)
        for pairs in (np.ix_(some, others), np.ix_(others, some)):
            used[pairs], n[pairs] = count, size
        if size < statistics.FEWEST:
            continue
        accuracy = cut(cell.accuracy[rows], count)
        binned = {one: cut(cell.scores[rows, one], count) for one in {*some, *others}}
        known = entropy(accuracy, corrected)
        alone = {
            one: entropy(accuracy + count * mine, corrected) - entropy(mine, corrected)
            for one, mine in binned.items()
        }
        for first, second in product(some, others):
            if some is others and second < first:
                continue
            both = binned[first] + count * binned[second]
            left = entropy(accuracy + count * both, corrected) - entropy(both, corrected)
            found[first, second] = known, alone[first], left
            found[second, first] = known, alone[second], left
    return found, used, n


def entropy(bins: Bins, corrected: bool) -> float:
    """Plug-in entropy of binned values.

    bins:      (rows,) numbers of bins, 0 or more
    corrected: add Miller and Madow's (occupied - 1) / (2 rows), in bits

    Returns bits, 0 or more. Source: Miller 1955, Note on the bias of information estimates.
    """
    counts = np.bincount(bins)
    counts = counts[counts > 0]
    # Sorted, so that the same number comes out whatever the bins are called.
    terms = np.sort(counts * np.log2(counts))
    plain = float(np.log2(len(bins)) - terms.sum() / len(bins))
    return plain + corrected * (len(counts) - 1) / (2 * len(bins) * np.log(2))


def equal_width(values: Real, bins: int) -> Bins:
    """The bin of each value, 0..bins - 1, when the range of the values is cut into bins of one width.

    values: (rows,) finite numbers; where all are equal, all are in bin 0
    """
    halves = values / 2  # their range is finite whatever the values are
    low, high = halves.min(), halves.max()
    if low == high:
        return np.zeros(len(values), dtype=np.int64)
    return np.minimum((halves - low) / (high - low) * bins, bins - 1).astype(np.int64)


def sturges(rows: int) -> int:
    """Bins of NAS-Bench-Suite-Zero's code: Sturges' rule, with a natural logarithm where he has log10."""
    return max(1, round(1 + 3.322 * np.log(max(1, rows))))


def sparse(rows: int) -> int:
    """The most bins, 2 to 8, of which three binnings have PER_CELL architectures for each of their cells."""
    return next((bins for bins in range(MOST, 2, -1) if PER_CELL * bins**3 <= rows), 2)


# Name: how values are cut, into how many bins where nobody says, whether entropies are corrected.
BINNINGS: dict[str, tuple[Callable[[Real, int], Bins], Callable[[int], int], bool]] = {
    "equal_width": (equal_width, sturges, False),
    "equal_count": (statistics.equal_count, sparse, True),
}
