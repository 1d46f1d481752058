"""Rank statistics on plain arrays: rho, tau-b, partial rho, ceilings, tests of many pairs.

Ranks are kept doubled and centred, 2 * (average rank - mean rank): whole numbers even where values tie, so
that sums of their products are exact and the same rho comes out in whatever order the rows are added.
"""

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

FEWEST = 3  # rows below which a rank correlation says nothing
ROUNDING = 1e-12  # differences of rho below it are not there
EXACT = 2**18  # rows below which sums of products of ranks are exact as reals


def spearman(x: Real, y: Real) -> float:
    """Spearman's rho with average ranks for ties, on the rows where both are finite.

    x, y: (rows,) numbers of any unit

    Returns -1..1, higher is closer to the same order; NaN below 3 rows or when either is constant.
    Equal to scipy.stats.spearmanr up to rounding.
    """
    usable = np.isfinite(x) & np.isfinite(y)
    if usable.sum() < FEWEST:
        return float("nan")
    return float(_correlation(_centred_ranks(x[usable]), _centred_ranks(y[usable])))


def kendall(x: Real, y: Real) -> float:
    """Kendall's tau-b on the rows where both are finite.

    x, y: (rows,) numbers of any unit

    Returns -1..1, higher is closer to the same order; NaN below 3 rows or when either is constant.
    Equal to scipy.stats.kendalltau, whose import takes longer than a ranking.
    Source: Knight 1966: sorted by x, the discordant pairs are those that sorting by y has to exchange.
    """
    usable = np.isfinite(x) & np.isfinite(y)
    if usable.sum() < FEWEST:
        return float("nan")
    (of_x, ties_x), (of_y, ties_y) = _tied_pairs(x[usable]), _tied_pairs(y[usable])
    ties_both = _tied_pairs(of_x * len(of_x) + of_y)[1]
    pairs = comb(len(of_x), 2)
    scale = np.sqrt(float(pairs - ties_x) * float(pairs - ties_y))
    unlike = _exchanges(of_y[np.lexsort((of_y, of_x))])
    return (pairs - ties_x - ties_y + ties_both - 2 * unlike) / scale if scale > 0 else float("nan")


def spearman_columns(columns: Real, truth: Real, given: Real) -> tuple[Real, Real]:
    """`spearman` of every column with the truth, and `partial_spearman` with the order of `given` held fixed.

    columns:      (rows, columns) numbers of any unit; NaN where there is none
    truth, given: (rows,)

    Returns two arrays (columns,), each number to the bit what those functions return. What columns that miss
    the same rows share is ranked once.
    """
    rho, partial = np.full(columns.shape[1], np.nan), np.full(columns.shape[1], np.nan)
    known = np.isfinite(truth)
    for some in equal_columns(np.isfinite(columns)):
        rows = known & np.isfinite(columns[:, some[0]])
        if rows.sum() < FEWEST:
            continue
        ranks = _ranked_columns(columns[rows][:, some])
        rho[some] = xy = _correlations(ranks, truth[rows])
        sized = rows & np.isfinite(given)
        if sized.sum() <= FEWEST:
            continue
        if sized.sum() < rows.sum():
            ranks = _ranked_columns(columns[sized][:, some])
            xy = _correlations(ranks, truth[sized])
        yz = _correlation(_centred_ranks(truth[sized]), _centred_ranks(given[sized]))
        partial[some] = first_order_partial(xy, _correlations(ranks, given[sized]), yz)
    return rho, partial


def partial_spearman(x: Real, y: Real, given: Real) -> float:
    """Spearman's rho between x and y with the order of `given` held fixed (first-order partial correlation).

    x, y, given: (rows,) numbers of any unit; rows where any is not finite are left out

    Returns -1..1, higher means that x orders y beyond what `given` explains; NaN below 4 rows, when any is
    constant, or when `given` orders the rows exactly as x or y does.
    Source: Kendall, Rank Correlation Methods, chapter 8, with Spearman's rho for each pair.
    """
    usable = np.isfinite(x) & np.isfinite(y) & np.isfinite(given)
    if usable.sum() <= FEWEST:
        return float("nan")
    ranks = [_centred_ranks(values[usable]) for values in (x, y, given)]
    xy, xz, yz = (np.array(_correlation(ranks[i], ranks[j])) for i, j in ((0, 1), (0, 2), (1, 2)))
    return float(first_order_partial(xy, xz, yz))


def spearman_matrix(columns: Real) -> tuple[Real, NDArray[np.int64]]:
    """Spearman's rho between every two columns, each pair on the rows where both are finite.

    columns: (rows, columns) numbers of any unit; NaN where there is none

    Returns rho (columns, columns), -1..1, NaN where `spearman` is, and the rows of each pair, of that shape.
    """
    rho = np.full((columns.shape[1], columns.shape[1]), np.nan)
    together = np.zeros(rho.shape, dtype=np.int64)
    for rows, first, second in joint_rows(columns):
        here, there = np.ix_(first, second), np.ix_(second, first)
        together[here] = together[there] = rows.sum()
        if rows.sum() >= FEWEST:
            # As reals, which a library multiplies; whole numbers of this size stay exact.
            x, y = (_ranked_columns(columns[rows][:, some]) for some in (first, second))
            scale = np.sqrt(np.outer((x * x).sum(axis=0), (y * y).sum(axis=0)))
            rho[here] = np.divide(x.T @ y, scale, out=np.full_like(scale, np.nan), where=scale > 0)
            rho[there] = rho[here].T
    return rho, together


def joint_rows(columns: Real) -> Iterator[tuple[NDArray[np.bool_], list[int], list[int]]]:
    """The rows on which pairs of columns are both finite, for all pairs that share them at once.

    columns: (rows, columns); NaN where there is none

    Yields (rows, first, second): a mask (rows,), and the columns whose pairs (one of first, one of second)
    it belongs to. Every unordered pair comes once; a column with itself too.
    """
    finite = np.isfinite(columns)
    for first, second in combinations_with_replacement(equal_columns(finite), 2):
        yield finite[:, first[0]] & finite[:, second[0]], first, second


def equal_count(values: Real, bins: int) -> NDArray[np.int64]:
    """The bin of each value, 0..bins - 1, when they are cut into bins of equally many.

    values: (rows,) finite numbers; equal ones share the bin of their average rank, so that bins may be empty
    """
    return (_centred_ranks(values) + len(values)) * bins // (2 * max(1, len(values)))


def holm(p: Real) -> Real:
    """Values of p corrected for their number: below a level, they are wrong together as rarely as it says.

    p: (tests,) 0..1

    Returns (tests,), 0..1, none below its p. Source: Holm 1979, the step-down rule.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def seed_groups(
    seeds: int, most: int, generator: np.random.Generator
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The ways to cut seeds into two disjoint groups of seeds // 2 each; of an odd number one seed rests.

    seeds:     how many, 2 or more
    most:      up to so many ways each is returned once; where there are more, so many are drawn
    generator: source of the drawn ones
    """
    size = seeds // 2
    if comb(seeds, size) * comb(seeds - size, size) // 2 <= most:
        return [
            (a, b)
            for a in combinations(range(seeds), size)
            for b in combinations([seed for seed in range(seeds) if seed not in a], size)
            if a < b
        ]
    orders = [generator.permutation(seeds).tolist() for _ in range(most)]
    return [(tuple(order[:size]), tuple(order[size : 2 * size])) for order in orders]


def spearman_brown(rho: Real, factor: float) -> Real:
    """Reliability of a mean over `factor` times as many measurements as those that rho was found between.

    rho:    correlations between two disjoint groups of measurements; a negative one counts as 0
    factor: measurements of the mean over those of one group, above 0; 2 for the mean of both groups

    Returns 0..1: the share of the variance that is not noise. NaN stays NaN.
    Source: Spearman 1910; Brown 1910: r' = f r / (1 + (f - 1) r).
    """
    real = np.clip(rho, 0.0, 1.0)
    return factor * real / (1 + (factor - 1) * real)


def ceiling(reliability: Real) -> Real:
    """The correlation with the measured accuracies that is left for a proxy that knows the true ones.

    reliability: 0..1, of the measured accuracies

    Returns 0..1. Exact for Pearson's r and additive noise of one size; for Spearman's rho within 0.01 where
    truth and noise are Gaussian.
    Source: Spearman 1904, attenuation by unreliability.
    """
    return np.sqrt(reliability)


def first_order_partial(xy: Real, xz: Real, yz: Real | float) -> Real:
    """First-order partial correlations of x and y with z held fixed, from the three plain ones.

    xy, xz, yz: -1..1, of one shape; yz may be one number

    Returns that shape, -1..1; NaN where one of them is, or where z orders as x or y does.
    Source: Kendall, Rank Correlation Methods, chapter 8.
    """
    left = np.asarray((1 - xz**2) * (1 - yz**2))
    found = np.divide(xy - xz * yz, np.sqrt(left), out=np.full_like(left, np.nan), where=left > ROUNDING)
    return np.clip(found, -1.0, 1.0)


def equal_columns(mask: NDArray[np.bool_]) -> list[list[int]]:
    """Positions of the columns of a mask (rows, columns), equal ones in one list, by the first of them."""
    found: dict[bytes, list[int]] = {}
    for column in range(mask.shape[1]):
        found.setdefault(mask[:, column].tobytes(), []).append(column)
    return list(found.values())


def _tied_pairs(values: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Each value's place among the distinct ones, and how many pairs of values are equal."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return group, int((counts * (counts - 1) // 2).sum())


def _exchanges(values: NDArray[np.int64]) -> int:
    """Pairs whose earlier value is the larger one, counted while sorted pieces are merged two by two."""
    pieces = np.full(1 << (len(values) - 1).bit_length(), len(values))
    pieces[: len(values)] = values  # what is added stands last and is largest
    found, size = 0, 1
    while size < len(pieces):
        both = pieces.reshape(-1, 2 * size)
        order = np.argsort(both, axis=1, kind="stable")
        # One of the first piece stands as far behind its own place as values of the second go before it.
        found += int(np.nonzero(order < size)[1].sum()) - len(both) * comb(size, 2)
        pieces = np.take_along_axis(both, order, axis=1).ravel()
        size *= 2
    return found


def _centred_ranks(values: Real) -> NDArray[np.int64]:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (2 * ends - counts - len(values))[group]


def _ranked_columns(columns: Real) -> Real:
    """Centred ranks of every column (rows, columns), within it."""
    series = np.ascontiguousarray(columns.T)
    order = np.argsort(series, axis=1)
    ranks = np.empty(series.shape)
    # Without ties the rank of a value is its place.
    np.put_along_axis(ranks, order, 2.0 * np.arange(len(columns)) - (len(columns) - 1), axis=1)
    tied = (np.diff(np.take_along_axis(series, order, axis=1), axis=1) == 0).any(axis=1)
    for place in np.flatnonzero(tied):
        ranks[place] = _centred_ranks(series[place])
    return ranks.T


def _correlations(ranks: Real, truth: Real) -> Real:
    """Pearson's r of centred ranks (rows, columns) with those of the truth (rows,), as `_correlation`."""
    # As reals, which a library multiplies, while their sums are exact; then as slower whole numbers.
    kind = np.float64 if len(truth) < EXACT else np.int64
    of_truth, ranks = _centred_ranks(truth).astype(kind), ranks.astype(kind, copy=False)
    scale = np.sqrt(np.einsum("rc,rc->c", ranks, ranks).astype(np.float64) * float(of_truth @ of_truth))
    return np.divide(of_truth @ ranks, scale, out=np.full_like(scale, np.nan), where=scale > 0)


def _correlation(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Pearson's r of centred whole numbers; the sums are exact below about two million rows."""
    scale = np.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else float("nan")
