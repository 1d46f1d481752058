"""Resamples of the rows a rank statistic was found on: rho in each, intervals, and p of a difference."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.statistics import FEWEST, ROUNDING, Real, equal_columns, first_order_partial

BLOCK = 2**19  # weights held at once while resampling
RUN = 16  # rows that are added up one after another; so few that whole numbers of 32 bits hold the sums


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
    from scipy.special import erfc  # imported here: few readers ask for it

    if len(resampled) < 2:
        return np.ones(len(differences))
    spread = np.ma.masked_invalid(resampled).std(axis=0, ddof=1)
    known = np.isfinite(differences) & ~np.ma.getmaskarray(spread) & (np.abs(differences) > ROUNDING)
    sizes = np.where(known, np.abs(differences) / np.maximum(spread.filled(np.inf), ROUNDING), 0.0)
    return np.asarray(erfc(sizes / np.sqrt(2)))


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
    return first_order_partial(resampled(truth, scores), resampled(given, scores), resampled(given, of_truth))


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


def _grouped_by_missing(
    truth: Real, scores: Real
) -> list[tuple[NDArray[np.bool_], _Ties, list[tuple[int, _Ties]]]]:
    """Columns that miss the same rows, together: they share the ranks of the truth."""
    finite = np.isfinite(scores)
    groups = []
    for columns in equal_columns(finite):
        present = finite[:, columns[0]]
        if present.sum() >= FEWEST:
            ties = [(column, _Ties(scores[present, column])) for column in columns]
            groups.append((present, _Ties(truth[present]), ties))
    return groups
