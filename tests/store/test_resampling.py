"""Resampling by weights agrees with resampling by rows, and intervals cover as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from store import resampling, statistics
from tests.store.test_statistics import MAYBE, expected


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.2, 0.5]) | st.floats(0, 1), MAYBE, MAYBE), max_size=15)
)
@settings(max_examples=40, deadline=None)
def test_weights_equal_rows_drawn(rows):
    truth, *columns = np.array(rows, dtype=float).reshape(-1, 3).T
    scores = np.column_stack(columns)
    draws = 8
    found = resampling.bootstrap_spearman(truth, scores, draws, np.random.default_rng(3))
    assert found.shape == (draws, 2)
    if len(truth) < 3:
        assert np.isnan(found).all()
        return
    weights = np.random.default_rng(3).multinomial(
        len(truth), np.full(len(truth), 1 / len(truth)), size=draws
    )
    for draw in range(draws):
        drawn = np.repeat(np.arange(len(truth)), weights[draw])
        for column in range(2):
            enough = np.isfinite(scores[:, column]).sum() >= 3
            wanted = expected(stats.spearmanr, scores[drawn, column], truth[drawn]) if enough else np.nan
            assert found[draw, column] == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def test_resamples_do_not_depend_on_the_block(monkeypatch):
    generator = np.random.default_rng(0)
    truth, scores = generator.random(50), generator.random((50, 2))
    whole = resampling.bootstrap_spearman(truth, scores, 30, np.random.default_rng(1))
    monkeypatch.setattr(resampling, "BLOCK", 7 * 50)
    pieces = resampling.bootstrap_spearman(truth, scores, 30, np.random.default_rng(1))
    assert np.array_equal(whole, pieces)


def test_equal_columns_get_equal_resamples():
    generator = np.random.default_rng(0)
    truth, score = generator.random(30), generator.random(30)
    found = resampling.bootstrap_spearman(
        truth, np.column_stack([score, np.exp(score), -score]), 50, generator
    )
    assert np.array_equal(found[:, 0], found[:, 1])
    assert np.array_equal(found[:, 0], -found[:, 2])


def test_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(0)
    truth_rho = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's rho of a bivariate normal with correlation 0.7
    covered = 0
    for _ in range(200):
        x = generator.standard_normal(80)
        y = 0.7 * x + np.sqrt(1 - 0.49) * generator.standard_normal(80)
        low, high = resampling.interval(resampling.bootstrap_spearman(x, y[:, None], 300, generator)[:, 0])
        covered += low <= truth_rho <= high
    assert 0.90 <= covered / 200 <= 0.98


def test_interval_without_usable_draws_is_nan():
    assert np.isnan(resampling.interval(np.array([np.nan, np.nan]))).all()
    assert np.isnan(resampling.interval(np.array([]))).all()


def test_resampled_partial_rho_is_that_of_the_resampled_rows():
    generator = np.random.default_rng(0)
    truth, given = generator.random(30).round(1), generator.random(30)
    scores = generator.random((30, 3)) + given[:, None]
    scores[:4, 1] = np.nan
    found = resampling.bootstrap_partial_spearman(truth, scores, given, 20, 7)
    weights = np.random.default_rng(7).multinomial(30, np.full(30, 1 / 30), size=20)
    for draw, weight in enumerate(weights):
        rows = np.repeat(np.arange(30), weight)
        for column in range(3):
            wanted = statistics.partial_spearman(scores[rows, column], truth[rows], given[rows])
            assert found[draw, column] == pytest.approx(wanted, abs=1e-12)


def test_p_of_resamples():
    generator = np.random.default_rng(0)
    draws = generator.normal([2.0, 0.0], 1.0, (4000, 2))
    assert resampling.bootstrap_p(np.array([2.0, 0.0]), draws) == pytest.approx([0.0455, 1], abs=0.005)
    draws[::2] = np.nan
    assert resampling.bootstrap_p(np.array([2.0, 0.0]), draws) == pytest.approx([0.0455, 1], abs=0.01)
    for nothing in (np.full((9, 1), np.nan), np.full((1, 1), 0.3), np.empty((0, 1))):
        assert resampling.bootstrap_p(np.array([0.3]), nothing).tolist() == [1]
    steady = np.full((9, 3), [0.0, 1e-17, -2.0])
    assert resampling.bootstrap_p(np.array([0.0, 1e-17, -2.0]), steady).tolist() == [1, 1, 0]
    assert resampling.bootstrap_p(np.array([np.nan]), draws[:, :1]).tolist() == [1]
