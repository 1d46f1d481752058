"""Rank statistics on plain arrays: rho, tau-b, partial rho, ceilings, intervals, tests of many pairs.

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
BLOCK = 2**19  # weights held at once while resampling
RUN = 16  # rows that are added up one after another; so few that whole numbers of 32 bits hold the sums


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
    for some in _alike(np.isfinite(columns)):
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
        partial[some] = _partial(xy, _correlations(ranks, given[sized]), yz)
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
    return float(_partial(xy, xz, yz))


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
    for first, second in combinations_with_replacement(_alike(finite), 2):
        yield finite[:, first[0]] & finite[:, second[0]], first, second


def equal_count(values: Real, bins: int) -> NDArray[np.int64]:
    """The bin of each value, 0..bins - 1, when they are cut into bins of equally many.

    values: (rows,) finite numbers; equal ones share the bin of their average rank, so that bins may be empty
    """
    return (_centred_ranks(values) + len(values)) * bins // (2 * max(1, len(values)))


def bootstrap_p(differences: Real, resampled: Real) -> Real:
    """Two-sided p of no difference, from how far resamples of the difference scatter.

    differences: (pairs,) as observed
    resampled:   (draws, pairs) the same in resamples of the rows; NaN draws are left out

    Returns (pairs,), 0..1: of the normal distribution whose standard deviation is that of the draws. Counting
    draws could not tell a p below 1 / draws, which a correction for many pairs needs. Where draws do not
    scatter: 1 for no difference, as between proxies of one order, and 0 for one that every draw has. 1 where
    the difference is NaN or fewer than 2 draws are usable.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, sections 12.2 and 13.2.
    """
    from scipy.special import erfc  # imported here, as below: few readers ask for it

    if len(resampled) < 2:
        return np.ones(len(differences))
    spread = np.ma.masked_invalid(resampled).std(axis=0, ddof=1)
    known = np.isfinite(differences) & ~np.ma.getmaskarray(spread) & (np.abs(differences) > ROUNDING)
    sizes = np.where(known, np.abs(differences) / np.maximum(spread.filled(np.inf), ROUNDING), 0.0)
    return np.asarray(erfc(sizes / np.sqrt(2)))


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


def bootstrap_spearman(truth: Real, scores: Real, draws: int, generator: np.random.Generator) -> Real:
    """Spearman's rho of every score column with the truth in resamples of the rows, the same for all.

    truth:     (rows,) finite accuracies
    scores:    (rows, columns) scores; NaN where there is none: the row is then left out of that column
    draws:     number of resamples, each of `rows` rows with replacement
    generator: source of the resamples

    Returns (draws, columns), each -1..1; NaN in a column of fewer than 3 scores, and in a draw that left
    fewer than 3 rows or a constant. Ties, which every resample has, get average ranks: a resample is a
    weight per row, and the average rank of a group of equal values follows from the running sum of weights,
    so nothing is sorted per draw.
    """
    rows = len(truth)
    result = np.full((draws, scores.shape[1]), np.nan)
    if rows < FEWEST:
        return result
    columns = _grouped_by_missing(truth, scores)
    step = max(1, BLOCK // rows)
    for start in range(0, draws, step):
        block = slice(start, min(draws, start + step))
        drawn = generator.multinomial(rows, np.full(rows, 1 / rows), size=block.stop - block.start)
        weights = np.ascontiguousarray(drawn.T, dtype=np.float64)  # (rows, draws)
        for present, truth_ties, score_ties in columns:
            sample = _Sample(weights if present.all() else weights[present], truth_ties)
            for column, ties in score_ties:
                result[block, column] = sample.correlation(ties)
    return result


def bootstrap_partial_spearman(truth: Real, scores: Real, given: Real, draws: int, seed: int) -> Real:
    """`partial_spearman` of every score column with the truth in resamples of the rows, the same for all.

    truth, given: (rows,) finite numbers
    scores:       (rows, columns) scores; NaN where there is none: the row is then left out of that column
    draws, seed:  number of resamples, each of `rows` rows with replacement, and the seed of their generator

    Returns (draws, columns), each -1..1; NaN where any of the three correlations is, or where `given` orders
    a resample exactly as the truth or the scores do.
    """

    def resampled(fixed: Real, columns: Real) -> Real:
        return bootstrap_spearman(fixed, columns, draws, np.random.default_rng(seed))

    of_truth = np.where(np.isfinite(scores), truth[:, None], np.nan)
    return _partial(resampled(truth, scores), resampled(given, scores), resampled(given, of_truth))


def interval(samples: Real, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values, NaN draws left out.

    samples: (draws,) values of a statistic in the resamples
    level:   share of the draws inside, 0..1

    Returns (low, high) in the statistic's unit; both NaN when no draw is usable.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, section 13.3.
    """
    usable = samples[np.isfinite(samples)]
    if not len(usable):
        return float("nan"), float("nan")
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


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


class _Ties:
    """Where equal values stand: row order by value, and each row's group of equals, numbered by value."""

    def __init__(self, values: Real) -> None:
        _, self.group, self.counts = np.unique(values, return_inverse=True, return_counts=True)
        self.order = np.argsort(self.group, kind="stable")
        self.starts = np.cumsum(self.counts) - self.counts
        self.none = len(self.counts) == len(values)
        self.by_size = np.argsort(-self.counts, kind="stable")

    def sums(self, values: Real) -> Real:
        """Sums (groups, draws) of values (rows, draws) over equals, in the order of the groups.

        One group after another where there are few; else the first row of each, then the second of each that
        has one, and so on: numpy.add.reduceat takes twice as long.
        """
        ordered = values.take(self.order, axis=0)
        if self.none:
            return ordered
        found = np.zeros((len(self.counts), values.shape[1]))
        largest = self.counts.max()
        if len(found) < largest:
            for group, (start, count) in enumerate(zip(self.starts, self.counts, strict=True)):
                ordered[start : start + count].sum(axis=0, out=found[group])
            return found
        counts, starts = self.counts[self.by_size], self.starts[self.by_size]
        for place in range(largest):
            groups = np.searchsorted(-counts, -place)  # that have more rows
            found[:groups] += ordered.take(starts[:groups] + place, axis=0)
        found[self.by_size] = found.copy()
        return found


class _Sample:
    """Resamples as weights (rows, draws), and the ranks of the truth in them.

    The doubled centred rank of a group of equals is 2 c - g - n: c the weight up to its end, g its own, n the
    weight of all. Over a sample these ranks add up to 0, and their squares to (n^3 - sum of g^3) / 3.
    """

    def __init__(self, weights: Real, truth: _Ties) -> None:
        self.weights = weights
        self.total = weights.sum(axis=0)
        groups = truth.sums(weights)
        ranks = 2 * np.cumsum(groups, axis=0) - groups - self.total
        self.weighted_truth = weights * ranks[truth.group]
        self.truth_spread = self._spread(groups)
        self.alone = _dot(self.weighted_truth, weights), self._spread(weights)
        largest = len(weights) * (RUN * weights.max(initial=0)) ** 2  # that a run may add up to
        kind = np.int32 if largest < 2**31 else np.float64
        self.short = weights.astype(kind), self.weighted_truth.astype(kind)

    def correlation(self, ties: _Ties) -> Real:
        """Spearman's rho (draws,) of the truth with scores that are equal where `ties` says."""
        if ties.none:
            together, (own, spread) = _earlier_by_later(*self.short, ties.order), self.alone
        else:
            groups, truths = ties.sums(self.weights), ties.sums(self.weighted_truth)
            together = _earlier_by_later(groups, truths, np.arange(len(groups)))
            own, spread = _dot(truths, groups), self._spread(groups)
        scale = np.sqrt(spread * self.truth_spread)
        scale[self.total < FEWEST] = 0.0
        return np.divide(2 * together + own, scale, out=np.full_like(scale, np.nan), where=scale > 0)

    def _spread(self, groups: Real) -> Real:
        return (self.total**3 - np.einsum("gd,gd,gd->d", groups, groups, groups)) / 3


def _earlier_by_later(one: NDArray[Any], other: NDArray[Any], order: NDArray[np.int64]) -> Real:
    """Sums (draws,) of one[j] * other[k] over all rows of (rows, draws) that `order` puts j before k.

    Cut into runs of RUN rows: within the runs, where a step takes the next row of every run at once, and then
    between them, where a run is a row. numpy is slow at a running sum over all rows.
    """
    first = order[::RUN]
    before, later = one.take(first, axis=0), other.take(first, axis=0)
    within = np.zeros_like(before)
    for place in range(1, RUN):
        rows = order[place::RUN]  # the last run may be shorter
        here = slice(len(rows))
        product = other.take(rows, axis=0)
        later[here] += product
        product *= before[here]
        within[here] += product
        before[here] += one.take(rows, axis=0)
    total = within.sum(axis=0, dtype=np.float64)
    if len(first) > 1:
        runs = np.arange(len(first))
        total += _earlier_by_later(before.astype(np.float64), later.astype(np.float64), runs)
    return total


def _dot(one: Real, other: Real) -> Real:
    """Sums (draws,) of products of (groups, draws)."""
    return np.einsum("gd,gd->d", one, other)


def _alike(finite: NDArray[np.bool_]) -> list[list[int]]:
    """Columns of a mask (rows, columns) that are equal, together."""
    masks: dict[bytes, list[int]] = {}
    for column in range(finite.shape[1]):
        masks.setdefault(finite[:, column].tobytes(), []).append(column)
    return list(masks.values())


def _grouped_by_missing(
    truth: Real, scores: Real
) -> list[tuple[NDArray[np.bool_], _Ties, list[tuple[int, _Ties]]]]:
    """Columns that miss the same rows, together: they share the ranks of the truth."""
    finite = np.isfinite(scores)
    groups = []
    for columns in _alike(finite):
        present = finite[:, columns[0]]
        if present.sum() >= FEWEST:
            ties = [(column, _Ties(scores[present, column])) for column in columns]
            groups.append((present, _Ties(truth[present]), ties))
    return groups


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


def _partial(xy: Real, xz: Real, yz: Real | float) -> Real:
    """First-order partial correlations from the three plain ones; NaN where z orders as x or y does."""
    left = np.asarray((1 - xz**2) * (1 - yz**2))
    found = np.divide(xy - xz * yz, np.sqrt(left), out=np.full_like(left, np.nan), where=left > ROUNDING)
    return np.clip(found, -1.0, 1.0)


def _correlation(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Pearson's r of centred whole numbers; the sums are exact below about two million rows."""
    scale = np.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else float("nan")
