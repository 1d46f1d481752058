"""Tops: every order of ties by brute force, another library, and chance."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import top as topping
from tests.store.test_analysis import SCORE, write_small_named
from tests.store.test_rank import rows_of


def orders(scores):
    """Every order of rows, best first, that the scores allow."""
    known = [row for row in range(len(scores)) if np.isfinite(scores[row])]
    return [order for order in permutations(known) if all(scores[a] >= scores[b] for a, b in pairwise(order))]


@given(
    st.lists(st.tuples(SCORE, st.sampled_from([0.1, 0.2, 0.25, 0.9])), min_size=2, max_size=6),
    st.integers(1, 6),
)
@settings(max_examples=80, deadline=None)
def test_tops_are_the_mean_over_every_order_of_ties(rows, k):
    scores, accuracy = np.array(rows).T
    found = topping.measures(scores, accuracy, k)
    if np.isfinite(scores).sum() < k:
        assert all(np.isnan(value) for value in found.values())
        return
    best = sorted(accuracy, reverse=True)
    spread = (accuracy - min(accuracy)) / (np.ptp(accuracy) or 1)
    discount = 1 / np.log2(np.arange(2, k + 2))
    tops = [list(order[:k]) for order in orders(scores)]
    wanted = {
        "regret": np.mean([best[0] - accuracy[top].max() for top in tops]),
        "accuracy": np.mean([accuracy[top].mean() for top in tops]),
        "overlap": np.mean([(accuracy[top] >= best[k - 1]).mean() for top in tops]),
        "ndcg": np.nan,
        "ndcg_of_accuracy": np.mean([accuracy[top] @ discount for top in tops]) / (best[:k] @ discount),
    }
    if np.ptp(accuracy) > 0:
        ideal = np.sort(spread)[::-1][:k] @ discount
        wanted["ndcg"] = np.mean([spread[top] @ discount for top in tops]) / ideal
    assert found == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def test_ndcg_equals_another_library():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    accuracy, scores = generator.random(80), generator.integers(0, 12, 80).astype(float)
    for k in (1, 7, 80):
        wanted = metrics.ndcg_score([accuracy], [scores], k=k)
        assert topping.ndcg(scores, accuracy, k) == pytest.approx(wanted, abs=1e-12)


def test_the_accuracy_itself_finds_all_and_its_reverse_nothing(tmp_path):
    accuracy = np.random.default_rng(3).random(60).round(2)  # with ties
    scores = {"truth": accuracy, "reverse": -accuracy, "same": np.zeros(60)}
    with write_small_named(tmp_path, [f"a{i:03}" for i in range(60)], accuracy, scores) as benchmark:
        rows = benchmark.top(k=(1, 5, 50, 61)).to_pylist()
    assert {row["k"] for row in rows} == {1, 5, 50}
    for row in rows:
        if row["proxy"] == "truth":
            assert (row["regret"], row["overlap"]) == (0, 1) and row["ndcg"] == pytest.approx(1, abs=1e-12)
            assert row["accuracy"] == pytest.approx(np.sort(accuracy)[-row["k"] :].mean())
        if row["proxy"] == "same":
            for measure in ("regret", "overlap", "ndcg"):
                assert row[measure] == row[f"{measure}_by_chance"]
        if row["proxy"] == "reverse":
            assert row["regret"] > row["regret_by_chance"] and row["ndcg"] < row["ndcg_by_chance"]


def test_chance_is_what_random_orders_find():
    generator = np.random.default_rng(0)
    accuracy = generator.random(30)
    chance = topping.measures(np.zeros(30), accuracy, 4)
    drawn = [topping.measures(generator.random(30), accuracy, 4) for _ in range(3000)]
    for name, value in chance.items():
        assert value == pytest.approx(np.mean([one[name] for one in drawn]), abs=0.01), name


def test_an_architecture_without_score_is_never_found(tmp_path):
    scores = {"snip": [1.0, 2.0, 3.0, np.nan]}
    with write_small_named(tmp_path, list("abcd"), [0.1, 0.2, 0.3, 0.9], scores) as benchmark:
        apart = rows_of(benchmark.top(k=[1, 4]), "regret", "n")
        shared = rows_of(benchmark.top(k=1, shared=True), "regret", "n")
    assert apart == [(pytest.approx(0.6), 3), (None, 3)] and shared == [(0, 3)]
