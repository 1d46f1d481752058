"""The statistics agree with scipy."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from store import statistics

# Few distinct numbers, so that ties are everywhere; zeros of both signs, nulls and infinities among them.
NUMBER = st.sampled_from([-2.0, -0.0, 0.0, 1e-300, 1.0, 1.5, 1e30]) | st.floats(-1e6, 1e6)
MAYBE = NUMBER | st.sampled_from([float("nan"), float("inf"), float("-inf")])
PAIRS = st.lists(st.tuples(NUMBER, MAYBE), min_size=0, max_size=40)


def expected(function, x, y):
    """scipy's answer on the rows where both are finite; NaN where it has none."""
    usable = np.isfinite(x) & np.isfinite(y)
    if usable.sum() < 3:
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return function(x[usable], y[usable]).statistic


@given(PAIRS)
@settings(max_examples=150, deadline=None)
def test_spearman_and_kendall_equal_scipy(pairs):
    x, y = np.array(pairs, dtype=float).reshape(-1, 2).T
    assert statistics.spearman(x, y) == pytest.approx(expected(stats.spearmanr, x, y), abs=1e-12, nan_ok=True)
    assert statistics.kendall(x, y) == pytest.approx(expected(stats.kendalltau, x, y), abs=1e-12, nan_ok=True)


def test_partial_equals_the_correlation_of_rank_residuals():
    generator = np.random.default_rng(0)
    z = generator.integers(0, 30, 200).astype(float)
    x, y = z + 10 * generator.standard_normal(200), z + 10 * generator.standard_normal(200)
    rank_x, rank_y, rank_z = (stats.rankdata(values) for values in (x, y, z))

    def residual(ranks):
        return ranks - np.polyval(np.polyfit(rank_z, ranks, 1), rank_z)

    wanted = stats.pearsonr(residual(rank_x), residual(rank_y)).statistic
    assert statistics.partial_spearman(x, y, z) == pytest.approx(wanted, abs=1e-12)
    assert abs(wanted) < statistics.spearman(x, y)


def test_partial_is_nan_where_nothing_is_left():
    generator = np.random.default_rng(0)
    x, y = generator.random(20), generator.random(20)
    for nothing in (x, np.exp(x), -y, np.ones(20)):
        assert np.isnan(statistics.partial_spearman(x, y, nothing))
    assert np.isnan(statistics.partial_spearman(x[:3], y[:3], x[2::-1]))


@pytest.mark.parametrize("exact", [statistics.EXACT, 0], ids=["as reals", "as whole numbers"])
def test_columns_together_are_to_the_bit_what_each_is_alone(monkeypatch, exact):
    monkeypatch.setattr(statistics, "EXACT", exact)
    draws = np.random.default_rng(5)
    truth, given = draws.integers(0, 9, 40).astype(float), draws.normal(size=40)
    columns = np.column_stack([draws.normal(size=40), draws.integers(0, 3, 40), given, truth, np.ones(40)])
    columns = np.concatenate([columns, columns], axis=1)
    columns[::7, 5:] = np.nan
    columns[3:, 6] = np.nan
    truth[11], given[12] = np.nan, np.nan
    rho, partial = statistics.spearman_columns(columns, truth, given)
    assert rho.tolist() == pytest.approx(
        [statistics.spearman(x, truth) for x in columns.T], nan_ok=True, abs=0
    )
    alone = [statistics.partial_spearman(x, truth, given) for x in columns.T]
    assert partial.tolist() == pytest.approx(alone, nan_ok=True, rel=0, abs=0)
    assert np.isfinite(rho).sum() >= 6 and np.isfinite(partial).sum() >= 4


def test_holm_by_hand():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert statistics.holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert (
        statistics.holm(np.array([0.6, 0.9])) == pytest.approx([1, 1])
        and len(statistics.holm(np.empty(0))) == 0
    )
