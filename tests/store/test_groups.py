"""Comparisons of pairs, and the groups of proxies that none of them tells apart."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from store import groups as grouping
from store import resampling, statistics
from tests.store.planted import mixed
from tests.store.test_analysis import write_small_named
from tests.store.test_rank import write_small


def test_compare_takes_proxies_of_other_seeds_and_single_seeds(tmp_path):
    generator = np.random.default_rng(0)
    accuracy = generator.random(30)
    series = {("snip", 0): generator.random(30), ("zico", 3): generator.random(30), ("zico", 4): accuracy}
    with write_small(tmp_path, accuracy, series) as benchmark:
        whole = benchmark.compare("snip", "zico", draws=100).to_pylist()[0]
        one = benchmark.compare(("zico", 3), ("zico", 4), draws=100).to_pylist()[0]
        none = benchmark.compare(("zico", 0), "snip", draws=100).to_pylist()[0]
    rho = {key: stats.spearmanr(values, accuracy).statistic for key, values in series.items()}
    assert whole["rho_a"] == pytest.approx(rho["snip", 0])
    assert whole["rho_b"] == pytest.approx((rho["zico", 3] + rho["zico", 4]) / 2)
    assert (whole["seed_a"], whole["seed_b"]) == (None, None) and 0 <= whole["p"] <= 1
    assert (one["rho_a"], one["rho_b"]) == pytest.approx((rho["zico", 3], 1)) and one["separable"]
    assert (one["seed_a"], one["seed_b"]) == (3, 4) and one["p"] < 0.01
    assert (none["n"], none["rho_a"], none["p"]) == (0, None, None)


@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.booleans(), min_size=n * n, max_size=n * n)))
@settings(max_examples=120, deadline=None)
def test_two_share_a_group_exactly_when_they_are_alike(flags):
    n = int(len(flags) ** 0.5)
    alike = np.triu(np.array(flags).reshape(n, n), 1)
    alike = alike | alike.T | np.eye(n, dtype=bool)
    found = grouping.cover(alike)
    for x in range(n):
        for y in range(n):
            assert alike[x, y] == any(x in group and y in group for group in found)
    for group in found:  # as large as it can be
        assert not any(alike[other, group].all() for other in set(range(n)) - set(group))


def test_letters_go_on_after_z():
    names = grouping._letters(~np.eye(30, dtype=bool))
    assert names[0] == "a" and names[25:28] == ["z", "aa", "ab"]


def test_groups_agree_with_the_comparison_of_each_pair(planted):
    chosen = ["params", "macs", "zico", "grasp", "random"]
    rows = planted.groups("digits", draws=200, seed=3, protocol="scratch", proxies=chosen).to_pylist()
    names = [row["proxy"] for row in rows]
    assert names == planted.rank("digits", "scratch", proxies=chosen, draws=0)["proxy"].to_pylist()
    pairs = list(combinations(range(len(rows)), 2))
    one = {"task": "digits", "protocol": "scratch", "draws": 200, "seed": 3}
    p = [planted.compare(names[a], names[b], **one).to_pylist()[0]["p"] for a, b in pairs]
    apart = dict(zip(pairs, statistics.holm(np.array(p)) < 0.05, strict=True))
    assert set(apart.values()) == {True, False}
    for (a, b), told in apart.items():
        share = set(rows[a]["groups"].split()) & set(rows[b]["groups"].split())
        assert bool(share) != told
    for place, row in enumerate(rows):
        above = sum(told for (a, b), told in apart.items() if b == place)
        below = sum(told for (a, b), told in apart.items() if a == place)
        assert (row["first_place"], row["last_place"]) == (1 + above, len(rows) - below)
        assert row["with_best"] == (not apart.get((0, place), False))
        assert (row["comparisons"], row["n"]) == (10, 57)  # every one meets grasp, which failed on three


def test_equal_orders_are_one_group_and_a_constant_has_none(tmp_path):
    accuracy = np.random.default_rng(0).random(80)
    scores = {"params": accuracy, "macs": accuracy**3, "turned": -accuracy, "same": np.ones(80)}
    with write_small_named(tmp_path, [f"a{i:03}" for i in range(80)], accuracy, scores) as benchmark:
        rows = {row["proxy"]: row for row in benchmark.groups(draws=100).to_pylist()}
    assert rows["params"]["groups"] == rows["macs"]["groups"] != rows["turned"]["groups"]
    assert [rows[name]["first_place"] for name in ("params", "macs", "turned")] == [1, 1, 3]
    assert [rows[name]["last_place"] for name in ("params", "macs", "turned")] == [2, 2, 3]
    same = rows["same"]
    assert (same["groups"], same["with_best"], same["n"], same["comparisons"]) == (None, None, 80, 0)


def test_equal_proxies_are_seldom_told_apart():
    """Six proxies as good as one another, a hundred times: the correction keeps its promise for all pairs."""
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        quality = generator.standard_normal(60)
        scores = np.column_stack([mixed(quality, 0.6, generator) for _ in range(6)])
        drawn = resampling.bootstrap_spearman(quality, scores, 200, generator)
        rho = np.array([statistics.spearman(column, quality) for column in scores.T])
        pairs = np.array(list(combinations(range(6), 2))).T
        p = resampling.bootstrap_p(rho[pairs[0]] - rho[pairs[1]], drawn[:, pairs[0]] - drawn[:, pairs[1]])
        wrong += bool((statistics.holm(p) < 0.05).any())
    assert wrong <= 10
