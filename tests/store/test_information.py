"""Information gain: brute force, planted copies, and bins."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from store import information as informing
from tests.store.planted import mixed
from tests.store.test_analysis import write_small_named


def entropy_of(*columns):
    """Plug-in entropy of joint values in bits, and how many different ones there are."""
    _, counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum()), len(counts)


def width_bins(values, bins):
    """As NAS-Bench-Suite-Zero's code: edges of a histogram, the largest value in the last bin."""
    edges = np.histogram_bin_edges(values, bins)
    edges[-1] = np.inf
    return np.digitize(values, edges)


@pytest.mark.parametrize("binning", informing.BINNINGS)
def test_information_equals_brute_force(tmp_path, binning):
    generator = np.random.default_rng(0)
    quality = generator.standard_normal(150)
    accuracy = 1 / (1 + np.exp(-quality))
    scores = {name: mixed(quality, c, generator) for name, c in (("x", 0.9), ("y", 0.5), ("z", 0.0))}
    scores["z"][:20] = np.nan
    with write_small_named(tmp_path, [f"a{i:03}" for i in range(150)], accuracy, scores) as benchmark:
        rows = benchmark.information_gain(binning=binning).to_pylist()
    assert [(row["first"], row["second"]) for row in rows] == list(permutations("xyz", 2))
    for row in rows:
        first, second = scores[row["first"]], scores[row["second"]]
        used = np.isfinite(first) & np.isfinite(second)
        n = used.sum()
        if binning == "equal_width":
            bins = round(1 + 3.322 * np.log(n))
            y, a, b = (width_bins(values[used], bins) for values in (accuracy, first, second))
        else:
            bins = 3 if n == 150 else 2
            y, a, b = (
                (stats.rankdata(values[used]) - 0.5) * bins // n for values in (accuracy, first, second)
            )

        def entropy(*columns, n=n):
            plain, cells = entropy_of(*columns)
            return plain + (binning == "equal_count") * (cells - 1) / (2 * n * np.log(2))

        known, one = entropy(y), entropy(y, a) - entropy(a)
        both = entropy(y, a, b) - entropy(a, b)
        assert (row["n"], row["bins"], row["binning"]) == (n, bins, binning)
        assert [row["entropy"], row["given_first"], row["given_both"]] == pytest.approx([known, one, both])
        assert row["gain"] == pytest.approx(one - both)


@pytest.mark.parametrize("binning", informing.BINNINGS)
def test_a_copy_of_the_first_adds_nothing_and_the_accuracy_adds_all(tmp_path, binning):
    accuracy = np.random.default_rng(1).random(200)
    noise = np.random.default_rng(2).random(200)
    scores = {"noise": noise, "copy": -noise, "truth": accuracy, "same": np.ones(200)}
    with write_small_named(tmp_path, [f"a{i:03}" for i in range(200)], accuracy, scores) as benchmark:
        found = {
            (row["first"], row["second"]): row
            for row in benchmark.information_gain(binning=binning).to_pylist()
        }
    assert found["noise", "same"]["gain"] == pytest.approx(0, abs=1e-12)
    assert found["noise", "copy"]["gain"] == pytest.approx(0, abs=0.02 if binning == "equal_width" else 1e-12)
    assert found["noise", "truth"]["given_both"] == pytest.approx(0, abs=1e-12)
    assert found["truth", "noise"]["given_first"] == pytest.approx(0, abs=1e-12)
    # Many cells of equal width seem to tell all there is, even of noise; a few equal counts do not.
    told = found["noise", "truth"]["entropy"] - found["noise", "truth"]["given_first"]
    assert told > 1 if binning == "equal_width" else abs(told) < 0.1


def test_bins_of_equal_width_take_any_numbers():
    assert informing.equal_width(np.array([-1e308, 0.0, 1e308]), 4).tolist() == [0, 2, 3]
    assert informing.equal_width(np.array([5.0, 5.0]), 4).tolist() == [0, 0]
    values = np.random.default_rng(0).standard_normal(500)
    assert np.array_equal(informing.equal_width(values, 24), width_bins(values, 24) - 1)


def test_the_number_of_bins_is_the_published_one():
    assert [informing.sturges(n) for n in (1, 10, 1000)] == [1, 9, 24]
    assert [informing.sparse(n) for n in (1, 134, 135, 625, 2559, 2560, 10**6)] == [2, 2, 3, 5, 7, 8, 8]
