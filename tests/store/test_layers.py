"""Where to look in the depth: the spike rule on planted curves, the curve itself, the fitted interval."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from store import Benchmark, write_part
from store.layers import CURVE, INTERVALS, RHO_BY_INTERVAL, halves, spikes
from tests.store.planted import accuracy_row, write_architectures, write_run

FLAT = np.full(10, -7.0)
SPREAD = np.full(10, 0.3)
WHOLE = (0, 9)


def noisy(curve, architectures: int = 100, seed: int = 0):
    """The mean and the spread of a curve that is seen through so many architectures, each off by 0.3."""
    drawn = curve + 0.3 * np.random.default_rng(seed).standard_normal((architectures, len(curve)))
    return drawn.mean(axis=0), drawn.std(axis=0, ddof=1)


def raised(*tenths, by: float = 2.0):
    curve = FLAT.copy()
    curve[list(tenths)] += by
    return curve


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (FLAT, WHOLE),
        (raised(4), (4, 4)),
        (raised(3, 4, 5), (3, 5)),
        (raised(0), (0, 0)),
        (raised(8, 9), (8, 9)),
        (raised(2, 6), (2, 6)),  # from where the spikes begin to where they end
        (raised(2, 3, 4, by=-2.0), WHOLE),  # a dip is no spike
        (raised(4, by=0.2), WHOLE),  # lower than what the networks differ by
        (raised(*range(5)), WHOLE),  # where half is raised, nothing stands out
        (np.linspace(-9, -5, 10), WHOLE),  # a steady rise
    ],
)
def test_planted_curves_with_and_without_noise(curve, expected):
    assert spikes(curve, SPREAD) == expected
    for seed in range(50):
        assert spikes(*noisy(curve, seed=seed)) == expected, seed


def test_the_rule_only_sees_the_shape():
    curve, spread = noisy(raised(3, 4))
    assert spikes(curve + 5, spread) == spikes(7 * curve, 7 * spread) == spikes(curve, spread) == (3, 4)


def test_tenths_without_a_layer_and_curves_of_one_network():
    curve = raised(5, 6)
    curve[[1, 8]] = np.nan
    assert spikes(curve, SPREAD) == (5, 6)
    assert spikes(raised(5), np.full(10, np.nan)) == (5, 5)
    assert spikes(FLAT, np.full(10, np.nan)) == WHOLE
    assert spikes(np.full(10, np.nan), SPREAD) == WHOLE


def test_halves_are_disjoint_and_whole():
    first, second = halves(11, np.random.default_rng(0))
    assert (len(first), len(second)) == (5, 6)
    assert sorted([*first, *second]) == list(range(11))


def layer_row(arch_id: str, place: int, layers: int = 20, **other):
    row = {
        "arch_id": arch_id,
        "task": "digits",
        "seed": 0,
        "layer": f"blocks.{place}",
        "place": place,
        "depth_percentile": 10 * place // layers,
        "params": 100,
        "log_sigma_mean": -7.0,
        "log_sigma_std": 1.0,
        "lambda_term": 4.0,
        "status": "ok",
        "message": None,
        "batch_size": 8,
        "run_id": "planted",
    }
    return row | other


FAILED = {
    "log_sigma_mean": None,
    "log_sigma_std": None,
    "lambda_term": None,
    "status": "oom",
    "message": "out of memory",
}


def write_layers(root: Path, terms, accuracies, failed: int = 0) -> tuple[Benchmark, list[str]]:
    """Architectures of 20 layers, two a tenth; terms (architectures, 20) are their terms of Lambda too."""
    write_run(root, "planted")
    names = write_architectures(root, "micro", np.zeros(len(terms)), np.random.default_rng(0))
    rows = [
        layer_row(name, place, log_sigma_mean=-float(term), lambda_term=float(term))
        for name, mine in zip(names, terms, strict=True)
        for place, term in enumerate(mine)
    ]
    for row in rows[: 20 * failed]:
        row.update(FAILED)
    write_part(root, "layers", rows, "part")
    found = [accuracy_row(n, float(a)) for n, a in zip(names, accuracies, strict=True)]
    write_part(root, "accuracies", found, "part")
    return Benchmark.open(root), names


def planted_terms(carrying, architectures: int = 80, seed: int = 0):
    """Terms of noise, but for the tenths whose sum is the accuracy; accuracies within 0..1."""
    generator = np.random.default_rng(seed)
    terms = 5 + generator.standard_normal((architectures, 20))
    layers = [layer for tenth in carrying for layer in (2 * tenth, 2 * tenth + 1)]
    quality = terms[:, layers].sum(axis=1) if layers else generator.standard_normal(architectures)
    return terms, 0.5 + 0.01 * (quality - quality.mean())


def test_the_curve_is_a_mean_over_architectures_of_means_over_layers(tmp_path):
    terms, accuracies = planted_terms(())
    benchmark, _ = write_layers(tmp_path, terms, accuracies, failed=5)
    with benchmark:
        table = benchmark.layers("digits")
    assert table.schema.equals(CURVE, check_metadata=True)
    by_tenth = -terms[5:].reshape(75, 10, 2).mean(axis=2)  # (architectures, tenths)
    assert table["log_sigma"].to_pylist() == pytest.approx(by_tenth.mean(axis=0))
    assert table["spread"].to_pylist() == pytest.approx(by_tenth.std(axis=0, ddof=1))
    assert set(table["architectures"].to_pylist()) == {75} and set(table["layers"].to_pylist()) == {150}
    assert all(table["spike"].to_pylist())


def test_a_planted_spike_is_marked(tmp_path):
    terms, accuracies = planted_terms(())
    terms[:, 10:14] -= 9  # log sigma is its negative here
    benchmark, _ = write_layers(tmp_path, terms, accuracies)
    with benchmark:
        curve = benchmark.layers("digits").to_pylist()
        chosen = [row for row in benchmark.layer_intervals("digits", draws=0).to_pylist() if row["spike"]]
    assert [row["percentile"] for row in curve if row["spike"]] == [5, 6]
    assert [(row["first"], row["last"]) for row in chosen] == [(5, 6)]


def test_every_interval_orders_as_its_sum_does(tmp_path):
    terms, accuracies = planted_terms((2, 3))
    benchmark, names = write_layers(tmp_path, terms, accuracies, failed=4)
    with benchmark:
        table = benchmark.layer_intervals("digits", draws=50, seed=3)
    assert table.schema.equals(RHO_BY_INTERVAL, check_metadata=True)
    rows = table.to_pylist()
    assert [(row["first"], row["last"]) for row in rows] == INTERVALS
    order = 4 + np.argsort(names[4:])  # those that did not fail, by arch_id
    fitting, other = halves(76, np.random.default_rng(3))
    for row in rows:
        sums = terms[order, 2 * row["first"] : 2 * row["last"] + 2].sum(axis=1)
        for name, kept in (("rho", slice(None)), ("rho_fitting", fitting), ("rho_other", other)):
            expected = stats.spearmanr(sums[kept], accuracies[order][kept]).statistic
            assert row[name] == pytest.approx(expected, abs=1e-12), (row, name)
        assert row["n"] == 76 and row["low"] <= row["rho_other"] <= row["high"]
    assert [(row["first"], row["last"]) for row in rows if row["whole"]] == [(0, 9)]


def test_the_fitted_interval_is_the_planted_one_and_holds_on_the_other_half(tmp_path):
    terms, accuracies = planted_terms((2, 3, 4))
    with write_layers(tmp_path, terms, accuracies)[0] as benchmark:
        rows = benchmark.layer_intervals("digits", draws=50).to_pylist()
    (fitted,) = [row for row in rows if row["fitted"]]
    assert (fitted["first"], fitted["last"]) == (2, 4) and fitted["rho_other"] > 0.99
    assert not fitted["spike"]


def test_what_is_fitted_to_nothing_is_seen_through_on_the_other_half(tmp_path):
    found = []
    for seed in range(10):
        terms, accuracies = planted_terms((), architectures=40, seed=seed)
        with write_layers(tmp_path / str(seed), terms, accuracies)[0] as benchmark:
            rows = benchmark.layer_intervals("digits", draws=0, seed=seed).to_pylist()
        found += [(row["rho_fitting"], row["rho_other"]) for row in rows if row["fitted"]]
    on_fitting, on_other = np.mean(found, axis=0)
    assert on_fitting > 0.25 and abs(on_other) < 0.15


def test_without_accuracies_there_is_a_curve_and_no_rho(tmp_path):
    write_run(tmp_path, "planted")
    names = write_architectures(tmp_path, "micro", np.zeros(3), np.random.default_rng(0))
    rows = [layer_row(name, place, log_sigma_mean=-1.0 * place) for name in names for place in range(20)]
    write_part(tmp_path, "layers", rows, "part")
    with Benchmark.open(tmp_path) as benchmark:
        curve = benchmark.layers("digits", space="micro")["log_sigma"].to_pylist()
        assert len(benchmark.layer_intervals("digits")) == 0
    assert len(curve) == 10 and all(a > b for a, b in pairwise(curve))
