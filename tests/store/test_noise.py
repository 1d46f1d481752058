"""Noise, ceiling and agreement: equal to plain computations, right on planted noise, silent where unknown."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from store import Benchmark, StoreError, statistics, write_part
from store.noise import AGREEMENT, MOST, NOISE
from tests.store.planted import accuracy_row

# Noise sd over the sd of true differences -> rho of a perfect proxy, rho between two independent runs.
SIMULATED = {
    0.1: (0.99, 0.99),
    0.2: (0.98, 0.96),
    0.3: (0.95, 0.91),
    0.5: (0.88, 0.79),
    0.75: (0.79, 0.63),
    1.0: (0.69, 0.48),
    1.5: (0.54, 0.30),
    2.0: (0.43, 0.19),
}


def trained(ratio: float, architectures: int, seeds: int, seed: int = 0):
    """Hidden qualities (architectures,), and their noisy accuracies (architectures, seeds) within 0..1."""
    generator = np.random.default_rng(seed)
    quality = generator.standard_normal(architectures)
    noise = ratio * generator.standard_normal((architectures, seeds))
    return quality, 0.5 + 0.01 * (quality[:, None] + noise)


def write_trained(root: Path, accuracies, **other) -> Benchmark:
    """Accuracies (architectures, seeds) as final epochs, after a first epoch that says nothing; NaN: none."""
    rows = []
    for place, seed in np.argwhere(~np.isnan(accuracies)).tolist():
        where = {"seed": seed} | other
        rows.append(accuracy_row(f"a{place:04}", float(accuracies[place, seed]), **where))
        rows.append(accuracy_row(f"a{place:04}", 0.1 + 0.001 * (place % 7), **where, epoch=1))
    write_part(root, "accuracies", rows, "part" + "".join(map(str, other.values())))
    return Benchmark.open(root)


def only(table) -> dict:
    rows = table.to_pylist()
    assert len(rows) == 1
    return rows[0]


def straightforward(accuracies) -> dict:
    """What the row must say, computed the long way."""
    count = accuracies.shape[1]
    size = count // 2
    rhos, seen = [], set()
    for a in combinations(range(count), size):
        for b in combinations(range(count), size):
            if not set(a) & set(b) and frozenset((a, b)) not in seen:
                seen.add(frozenset((a, b)))
                means = accuracies[:, list(a)].mean(axis=1), accuracies[:, list(b)].mean(axis=1)
                rhos.append(stats.spearmanr(*means).statistic)
    rho, factor = np.mean(rhos), count / size
    reliability = factor * rho / (1 + (factor - 1) * rho)
    return {
        "accuracy": accuracies.mean(),
        "architecture_std": accuracies.mean(axis=1).std(ddof=1),
        "seed_std": np.sqrt(accuracies.var(axis=1, ddof=1).mean()),
        "binomial_std": np.sqrt((accuracies * (1 - accuracies) / 360).mean()),
        "rho": rho,
        "reliability": reliability,
        "ceiling": np.sqrt(reliability),
    }


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 6])
def test_every_number_equals_the_long_way(tmp_path, seeds):
    _, accuracies = trained(0.7, 30, seeds)
    with write_trained(tmp_path, accuracies) as benchmark:
        table = benchmark.noise("digits", "scratch", draws=50)
    assert table.schema.equals(NOISE, check_metadata=True)
    row = only(table)
    for name, wanted in straightforward(accuracies).items():
        assert row[name] == pytest.approx(wanted, abs=1e-12), name
    assert (row["architectures"], row["seeds"], row["trainings"]) == (30, seeds, 30 * seeds)
    assert (row["failed"], row["compared"], row["group"]) == (0, 30, seeds // 2)
    assert row["low"] <= row["ceiling"] <= row["high"] and row["reason"] is None


def test_the_order_of_seeds_and_architectures_changes_nothing(tmp_path):
    _, accuracies = trained(0.7, 25, 4)
    generator = np.random.default_rng(1)
    found = []
    for name, shown in {
        "as drawn": accuracies,
        "seeds": accuracies[:, generator.permutation(4)],
        "architectures": accuracies[generator.permutation(25)],
    }.items():
        with write_trained(tmp_path / name, shown) as benchmark:
            found.append(only(benchmark.noise(draws=30)))
    numbers = [name for name in found[0] if isinstance(found[0][name], float) and name not in ("low", "high")]
    for other in found[1:]:
        assert [other[name] for name in numbers] == pytest.approx(
            [found[0][name] for name in numbers], abs=1e-12
        )
    # Resamples are of architectures by name, so only other seeds leave the interval as it was.
    assert [found[1][end] for end in ("low", "high")] == pytest.approx(
        [found[0][end] for end in ("low", "high")], abs=1e-12
    )


def test_without_noise_the_ceiling_is_one(tmp_path):
    _, accuracies = trained(0.0, 20, 3)
    with write_trained(tmp_path, accuracies) as benchmark:
        row = only(benchmark.noise(draws=50))
    assert [row[name] for name in ("rho", "reliability", "ceiling", "low", "high")] == pytest.approx(
        [1.0] * 5
    )
    assert row["seed_std"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("ratio", SIMULATED)
def test_planted_noise_gives_the_simulated_ceilings(ratio):
    perfect, between = SIMULATED[ratio]
    runs, said, reached = [], [], []
    for seed in range(10):
        quality, accuracies = trained(ratio, 1000, 2, seed)
        rho = statistics.spearman(*accuracies.T)
        runs.append(rho)
        said.append(statistics.ceiling(statistics.spearman_brown(np.array(rho), 1.0)))
        reached.append(statistics.spearman(quality, accuracies[:, 0]))
    # Ten draws of a thousand: a standard error of 0.01, beside the rounding of the table.
    assert np.mean(runs) == pytest.approx(between, abs=0.025)
    assert np.mean(reached) == pytest.approx(perfect, abs=0.025)
    assert np.mean(said) == pytest.approx(np.mean(reached), abs=0.02)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_the_ceiling_is_what_a_perfect_proxy_reaches_on_the_mean_over_seeds(tmp_path, seeds):
    quality, accuracies = trained(1.0, 2000, seeds)
    with write_trained(tmp_path, accuracies) as benchmark:
        row = only(benchmark.noise(draws=0))
    reached = statistics.spearman(quality, accuracies.mean(axis=1))
    assert row["ceiling"] == pytest.approx(reached, abs=0.025)
    assert row["low"] is None and row["high"] is None


def test_the_interval_holds_what_a_perfect_proxy_reaches_on_average(tmp_path):
    inside = 0
    for seed in range(20):
        _, accuracies = trained(0.75, 100, 2, seed)
        with write_trained(tmp_path / str(seed), accuracies) as benchmark:
            row = only(benchmark.noise(draws=100))
        truth = 1 / np.sqrt(1 + 0.75**2 / 2)  # Pearson's; Spearman's is 0.01 lower
        inside += row["low"] <= truth - 0.01 <= row["high"]
    assert inside >= 16


def test_architectures_of_one_training_lower_the_ceiling_of_the_ranking(tmp_path):
    _, accuracies = trained(0.5, 60, 4)
    accuracies[20:, 1:] = np.nan
    accuracies[2:, 3] = np.nan  # a seed that has only begun is not compared
    with write_trained(tmp_path, accuracies) as benchmark:
        row = only(benchmark.noise(draws=10))
    assert (row["compared"], row["group"], row["seeds"], row["trainings"]) == (20, 1, 4, 60 + 40 + 2)
    pairs = [statistics.spearman(accuracies[:20, a], accuracies[:20, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    behind = 60 / (2 / 4 + 18 / 3 + 40)
    assert row["rho"] == pytest.approx(np.mean(pairs), abs=1e-12)
    rho = row["rho"]
    assert row["reliability"] == pytest.approx(behind * rho / (1 + (behind - 1) * rho), abs=1e-12)


@pytest.mark.parametrize(
    "accuracies, reason",
    [
        ([[0.1], [0.2], [0.3], [0.4]], "one training seed"),
        ([[0.1, 0.2], [0.2, 0.3]], "fewer than 3 architectures were trained with the same seeds"),
        (
            [
                [0.1, 0.2, *[np.nan] * 4],
                [np.nan, np.nan, 0.3, 0.3, np.nan, np.nan],
                [*[np.nan] * 4, 0.2, 0.3],
            ],
            "fewer than 3 architectures were trained with the same seeds",
        ),
        ([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5]], "the accuracies of a group of seeds are all alike"),
    ],
)
def test_what_is_not_known_is_null_with_a_reason(tmp_path, accuracies, reason):
    with write_trained(tmp_path, np.array(accuracies)) as benchmark:
        row = only(benchmark.noise(draws=10))
    assert row["reason"] == reason
    assert [row[name] for name in ("rho", "reliability", "ceiling", "low", "high")] == [None] * 5
    assert (row["seed_std"] is None) == (reason == "one training seed")


def test_an_order_that_reverses_leaves_no_ceiling_above_zero(tmp_path):
    rising = np.linspace(0.4, 0.6, 10)
    with write_trained(tmp_path, np.column_stack([rising, rising[::-1]])) as benchmark:
        row = only(benchmark.noise(draws=10))
    assert row["rho"] == pytest.approx(-1.0)
    assert (row["reliability"], row["ceiling"]) == (0.0, 0.0)


def test_failed_trainings_are_left_out_and_counted(tmp_path):
    _, accuracies = trained(0.5, 10, 2)
    with write_trained(tmp_path, accuracies) as benchmark:
        before = only(benchmark.noise(draws=0))
    failed = [accuracy_row("a9999", None, images=None, seed=seed) for seed in (0, 1)]
    write_part(tmp_path, "accuracies", [*failed, accuracy_row("a9999", 0.9, epoch=1)], "failed")
    with Benchmark.open(tmp_path) as benchmark:
        after = only(benchmark.noise(draws=0))
    assert after == before | {"failed": 2}
    write_part(tmp_path, "accuracies", failed, "part")
    write_part(tmp_path, "accuracies", failed, "failed")
    with Benchmark.open(tmp_path) as benchmark:
        row = only(benchmark.noise(draws=0))
    assert (row["architectures"], row["failed"], row["reason"]) == (0, 2, "every training failed")
    assert row["accuracy"] is None


def test_images_that_no_source_counted_give_no_binomial_error(tmp_path):
    rows = [accuracy_row(name, 0.5, images=None) for name in "abc"]
    write_part(tmp_path, "accuracies", rows, "part")
    with Benchmark.open(tmp_path) as benchmark:
        assert only(benchmark.noise())["binomial_std"] is None


def test_spaces_tasks_protocols_and_splits_are_never_mixed(planted):
    rows = planted.noise(draws=0).to_pylist()
    assert [(row["task"], row["protocol"], row["recipe"]) for row in rows] == [
        (task, protocol, recipe)
        for task in ("digits", "flowers")
        for protocol, recipe in (("published", "paper"), ("scratch", "micro"))
    ]
    for row in rows:
        one = only(planted.noise(row["task"], row["protocol"], row["recipe"], draws=0))
        assert one == row and row["ceiling"] > 0.9
    few = only(planted.noise("digits", "scratch", params=(None, 1_200_000), draws=0))
    assert 3 <= few["architectures"] < 60


@pytest.mark.parametrize("seeds", range(2, 9))
def test_groups_of_seeds_are_every_pair_of_disjoint_halves_once(seeds):
    groups = statistics.seed_groups(seeds, MOST, np.random.default_rng(0))
    assert len({frozenset(pair) for pair in groups}) == len(groups)
    assert all(len(a) == len(b) == seeds // 2 and not set(a) & set(b) for a, b in groups)
    sizes = {2: 1, 3: 3, 4: 3, 5: 15, 6: 10, 7: 70, 8: 35}
    assert len(groups) == sizes[seeds]


def test_many_seeds_are_cut_by_an_explicit_generator():
    groups, again = (statistics.seed_groups(20, MOST, np.random.default_rng(0)) for _ in range(2))
    assert groups == again != statistics.seed_groups(20, MOST, np.random.default_rng(1))
    assert len(groups) == MOST and all(len(a) == len(b) == 10 and not set(a) & set(b) for a, b in groups)


def test_spearman_brown():
    rho = np.linspace(0, 1, 11)
    assert statistics.spearman_brown(rho, 2.0) == pytest.approx(2 * rho / (1 + rho), abs=1e-12)
    assert statistics.spearman_brown(rho, 1.0) == pytest.approx(rho, abs=1e-12)
    # Three times as many of twice as many are six times as many.
    twice = statistics.spearman_brown(statistics.spearman_brown(rho, 2.0), 3.0)
    assert twice == pytest.approx(statistics.spearman_brown(rho, 6.0), abs=1e-12)
    assert np.isnan(statistics.spearman_brown(np.array([np.nan]), 2.0)).all()


def test_agreement_equals_scipy_on_the_shared_architectures(tmp_path):
    generator = np.random.default_rng(0)
    quality, scratch = trained(0.3, 40, 2)
    inherited = 0.5 + 0.01 * (quality + generator.standard_normal(40))[:, None]
    inherited[:5] = np.nan
    scratch[35:] = np.nan
    write_trained(tmp_path, scratch).close()
    with write_trained(tmp_path, inherited, protocol="supernet", recipe="one-shot") as benchmark:
        table = benchmark.agreement("digits", "supernet", ("scratch", "micro"), draws=200)
        swapped = only(benchmark.agreement("digits", "scratch", "supernet", draws=200))
        unasked = only(benchmark.agreement(draws=200))
        with pytest.raises(StoreError, match="Unknown protocol 'supernets'. Did you mean 'supernet'"):
            benchmark.agreement("digits", "supernets")
        with pytest.raises(StoreError, match="Unknown recipe 'mcro'. Did you mean 'micro'"):
            benchmark.agreement("digits", ("scratch", "mcro"))
    assert table.schema.equals(AGREEMENT, check_metadata=True)
    row = only(table)
    a, b = inherited[5:35, 0], scratch[5:35].mean(axis=1)
    assert row["n"] == 30
    assert row["rho"] == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert row["tau_b"] == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
    assert row["low"] < row["rho"] < row["high"]
    assert (row["protocol_a"], row["protocol_b"]) == ("supernet", "scratch")
    assert (swapped["protocol_a"], swapped["protocol_b"]) == ("scratch", "supernet")
    for name in ("n", "rho", "tau_b", "low", "high"):
        assert swapped[name] == pytest.approx(row[name], abs=1e-12)
        assert unasked[name] == pytest.approx(row[name], abs=1e-12)


def test_agreement_tells_every_pair_once_and_mixes_no_recipes(tmp_path):
    for recipe, sign in (("one", 1.0), ("two", 1.0), ("three", -1.0)):
        accuracies = 0.5 + 0.01 * sign * np.arange(6.0)[:, None]
        write_trained(tmp_path, accuracies, recipe=recipe).close()
    apart = np.full((9, 1), np.nan)
    apart[6:] = [[0.1], [0.2], [0.3]]
    with write_trained(tmp_path, apart, protocol="supernet") as benchmark:
        found = benchmark.agreement(draws=0).to_pylist()
        asked = benchmark.agreement("digits", "scratch", "supernet").to_pylist()
    pairs = {(row["recipe_a"], row["recipe_b"]): row["rho"] for row in found}
    assert pairs == {("one", "three"): -1.0, ("one", "two"): 1.0, ("three", "two"): -1.0}
    assert asked == []  # they share no architecture


def test_agreement_on_two_architectures_is_null(tmp_path):
    write_trained(tmp_path, np.array([[0.1], [0.2]])).close()
    with write_trained(tmp_path, np.array([[0.1], [0.2]]), protocol="supernet") as benchmark:
        row = only(benchmark.agreement())
    assert row["n"] == 2 and all(row[name] is None for name in ("rho", "low", "high", "tau_b"))


def test_curves_are_the_epochs_that_were_measured(tmp_path):
    rows = [accuracy_row("a", 0.1 * epoch, epoch=epoch, seed=seed) for seed in (1, 0) for epoch in (3, 1, 2)]
    rows += [
        accuracy_row("a", 0.9, split="validation"),
        accuracy_row("b", None),
        accuracy_row("b", 0.2, epoch=1),
    ]
    write_part(tmp_path, "accuracies", rows, "part")
    with Benchmark.open(tmp_path) as benchmark:
        found = benchmark.curves("digits", "scratch").to_pylist()
        with pytest.raises(StoreError, match="Unknown task"):
            benchmark.curves("digit")
    assert [(row["arch_id"], row["seed"], row["epoch"]) for row in found] == [
        *(("a", seed, epoch) for seed in (0, 1) for epoch in (1, 2, 3)),
        ("b", 0, 1),
    ]
    assert [row["accuracy"] for row in found[:3]] == pytest.approx([0.1, 0.2, 0.3])


def test_a_negative_number_of_draws_is_refused(planted):
    for ask in (planted.noise, planted.agreement):
        with pytest.raises(StoreError, match="draws is -1"):
            ask(draws=-1)
