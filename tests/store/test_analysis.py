"""Bias, bands, similarity, information, tops, groups: brute force, laws, planted and published tables."""

import json
from itertools import combinations, pairwise, permutations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from store import Benchmark, StoreError, resampling, statistics, write_part
from store import analysis as analysing
from store import groups as grouping
from store import information as informing
from store import top as topping
from tests.shared import TABLES, needs_tables
from tests.store.planted import accuracy_row, mixed, score_row
from tests.store.test_rank import rows_of, write_small
from tests.store.test_statistics import expected

# Every analysis, small enough to be asked again and again.
ANALYSES = {
    "bias": (lambda b: b.bias(), analysing.BIAS),
    "bands": (lambda b: b.bands(bands=3, draws=50), analysing.BANDS),
    "similarity": (lambda b: b.similarity(), analysing.SIMILARITY),
    "equal width": (lambda b: b.information_gain(), informing.INFORMATION),
    "equal count": (lambda b: b.information_gain(binning="equal_count"), informing.INFORMATION),
    "top": (lambda b: b.top(), topping.TOP),
    "groups": (lambda b: b.groups(draws=50), grouping.GROUPS),
}
FEW = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.5])  # so that ties are everywhere
SCORE = FEW | st.sampled_from([float("nan"), 1e300])


def write_sized(root: Path, genomes, params, accuracies, scores: dict) -> Benchmark:
    """A benchmark of one space whose architectures have these genomes and params."""
    names = [f"a{place:04}" for place in range(len(accuracies))]
    rows = [
        {"arch_id": name, "space": "drawn", "genome": genome, "params": int(count), "macs": int(count) ** 2}
        | {"sample_seed": 0, "sample_index": place, "run_id": "planted"}
        for place, (name, genome, count) in enumerate(zip(names, genomes, params, strict=True))
    ]
    write_part(root, "architectures", rows, "part")
    return write_small_named(root, names, accuracies, scores)


def write_small_named(root, names, accuracies, scores):
    rows = [accuracy_row(name, float(value)) for name, value in zip(names, accuracies, strict=True)]
    write_part(root, "accuracies", rows, "part")
    rows = [
        score_row(name, None if np.isnan(value) else float(value), proxy=proxy)
        for proxy, values in scores.items()
        for name, value in zip(names, values, strict=True)
    ]
    write_part(root, "scores", rows, "part")
    return Benchmark.open(root)


# Laws that hold for all


@pytest.mark.parametrize("name", ANALYSES)
def test_the_table_is_the_declared_one_and_tells_every_column(planted, name):
    ask, schema = ANALYSES[name]
    found = ask(planted)
    assert found.schema.equals(schema, check_metadata=True) and len(found) > 0
    for field in schema:
        assert field.metadata[b"unit"] and len(field.metadata[b"meaning"]) > 4, field.name
        assert field.nullable or found[field.name].null_count == 0, field.name


@pytest.fixture(scope="module")
def shuffled(planted_root, tmp_path_factory):
    """The planted benchmark with its rows in another order, in other files."""
    root = tmp_path_factory.mktemp("shuffled")
    generator = np.random.default_rng(5)
    with Benchmark.open(planted_root) as planted:
        for name in ("architectures", "accuracies", "scores", "runs"):
            rows = planted.sql(f"SELECT * FROM {name}").to_pylist()
            generator.shuffle(rows)
            write_part(root, name, rows[: len(rows) // 2], "z")
            write_part(root, name, rows[len(rows) // 2 :], "a/b")
    with Benchmark.open(root) as benchmark:
        yield benchmark


@pytest.mark.parametrize("name", ANALYSES)
def test_order_of_rows_and_files_changes_nothing(planted, shuffled, name):
    ask, _ = ANALYSES[name]
    assert ask(shuffled).equals(ask(planted))


@pytest.fixture(scope="module")
def grown(planted_root, tmp_path_factory):
    """The planted benchmark with a growing function of every score."""
    root = tmp_path_factory.mktemp("grown")
    with Benchmark.open(planted_root) as planted:
        for name in ("architectures", "accuracies", "runs", "scores"):
            rows = planted.sql(f"SELECT * FROM {name}").to_pylist()
            for row in rows if name == "scores" else ():
                row["value"] = None if row["value"] is None else -1 / (1 + row["value"]) ** 2
            write_part(root, name, rows, "all")
    with Benchmark.open(root) as benchmark:
        yield benchmark


@pytest.mark.parametrize("name", sorted(ANALYSES.keys() - {"equal width"}))
def test_growing_functions_of_a_score_change_nothing(planted, grown, name):
    ask, _ = ANALYSES[name]
    assert ask(grown).equals(ask(planted))


def test_bins_of_equal_width_feel_growing_functions(planted, grown):
    before, after = planted.information_gain(), grown.information_gain()
    assert before["entropy"].equals(after["entropy"]) and not before["gain"].equals(after["gain"])


@pytest.mark.parametrize("name", ANALYSES)
def test_cells_stand_apart_and_shared_judges_on_the_same_architectures(planted, name):
    ask = getattr(
        planted, {"equal width": "information_gain", "equal count": "information_gain"}.get(name, name)
    )
    extra = {"binning": name.replace(" ", "_")} if name.startswith("equal") else {}
    one = {"protocol": "scratch", "recipe": "micro", "space": "autoformer-micro"}
    rows = ask("digits", **one, **extra).to_pylist()
    assert rows == [
        row for row in ask(**extra).to_pylist() if row["task"] == "digits" and one.items() <= row.items()
    ]
    shared = ask("digits", **one, **extra, shared=True).to_pylist()
    assert len(shared) == len(rows)
    counts = {row["architectures"] if name == "bands" else row["n"] for row in shared}
    assert counts == ({14, 15} if name == "bands" else {57}) and "grasp" in str(shared)


def test_named_proxies_without_scores_get_rows_of_nulls(tmp_path):
    write_small(tmp_path, [0.1, 0.2, 0.3, 0.4], {("snip", 0): [1, 2, 4, 3]}).close()
    write_part(tmp_path, "scores", [score_row("a0", 1.0, proxy="zico", task="flowers")], "other")
    with Benchmark.open(tmp_path) as benchmark:
        for name, numbers in {
            "bias": ["params"],
            "similarity": ["rho"],
            "information_gain": ["gain", "given_both"],
            "top": ["regret", "overlap", "ndcg"],
            "groups": ["rho", "first_place", "groups", "with_best"],
        }.items():
            rows = getattr(benchmark, name)(proxies=["zico", "snip"]).to_pylist()
            mine = [row for row in rows if "zico" in (row.get("proxy"), row.get("second"))]
            assert mine, name
            for row in mine:
                assert row["n"] == 0 and [row[number] for number in numbers] == [None] * len(numbers), name


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda b: b.bias("digit"), "Unknown task 'digit'. Did you mean 'digits'?"),
        (lambda b: b.similarity(proxies=["snp"]), "Unknown proxy 'snp'. Did you mean 'snip'?"),
        (lambda b: b.bands(bands=0), "bands is 0. Give 1 or more."),
        (lambda b: b.bands(draws=-1), "draws is -1. Give 0 or more; 1000 is usual."),
        (lambda b: b.top(k=[1, 0]), "k is 0. Give 1 or more."),
        (lambda b: b.top(protocol="scrach"), "Unknown protocol 'scrach'. Did you mean 'scratch'?"),
        (lambda b: b.groups(draws=1), "draws is 1. Give 2 or more; 1000 is usual."),
        (
            lambda b: b.information_gain(binning="equal_widht"),
            "Unknown binning 'equal_widht'. Did you mean 'equal_width'?",
        ),
        (lambda b: b.information_gain(bins=1), "bins is 1. Give 2 or more, or None for as many"),
    ],
)
def test_mistakes_are_told_in_one_line(planted, ask, message):
    with pytest.raises(StoreError) as caught:
        ask(planted)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_a_misspelt_filter_is_an_error(planted):
    with pytest.raises(TypeError, match="recipes"):
        planted.bias(recipes="micro")


# Correlations: bias, bands, similarity


@given(st.lists(st.tuples(FEW, SCORE, SCORE, SCORE), max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_matrix_is_that_of_scipy(rows):
    columns = np.array(rows, dtype=float).reshape(-1, 4)
    rho, n = statistics.spearman_matrix(columns)
    assert np.array_equal(rho, rho.T, equal_nan=True) and np.array_equal(n, n.T)
    for i, j in combinations(range(4), 2):
        x, y = columns[:, i], columns[:, j]
        assert rho[i, j] == pytest.approx(expected(stats.spearmanr, x, y), abs=1e-12, nan_ok=True)
        assert rho[i, j] == statistics.spearman(x, y) or np.isnan(rho[i, j])
        assert n[i, j] == (np.isfinite(x) & np.isfinite(y)).sum()


@given(st.lists(FEW, min_size=1, max_size=30), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_bins_of_equal_count(values, bins):
    values = np.array(values)
    found = statistics.equal_count(values, bins)
    assert found.min() >= 0 and found.max() < bins
    for x, y in permutations(range(len(values)), 2):
        if values[x] <= values[y]:
            assert found[x] <= found[y]
    distinct = statistics.equal_count(np.argsort(np.argsort(values)).astype(float), bins)
    sizes = np.bincount(distinct, minlength=bins)
    assert sizes.max() - sizes.min() <= 1


def test_bias_of_what_is_size(tmp_path):
    generator = np.random.default_rng(0)
    depth, width = generator.integers(1, 5, 40), generator.integers(1, 9, 40)
    genomes = [f'{{"depth": {d}, "embed_dim": [{w}, {w + 2}]}}' for d, w in zip(depth, width, strict=True)]
    params = 100 * depth * width + np.arange(40)
    accuracy = generator.random(40)
    failing = np.where(np.arange(40) < 5, np.nan, -params.astype(float))
    scores = {"params": params.astype(float), "small": failing, "deep": np.exp(depth), "same": np.ones(40)}
    with write_sized(tmp_path, genomes, params, accuracy, scores) as benchmark:
        rows = {row["proxy"]: row for row in benchmark.bias().to_pylist()}
        partial = dict(rows_of(benchmark.rank(draws=0), "proxy", "rho_given_params"))
    assert next(iter(rows)) == "accuracy"
    assert (rows["params"]["params"], rows["params"]["macs"], partial["params"]) == (1, 1, None)
    assert (rows["small"]["params"], rows["small"]["n"], rows["params"]["n"]) == (-1, 35, 40)
    assert rows["deep"]["depth"] == 1 and rows["deep"]["reason"] is None
    for size, values in {"params": params, "depth": depth, "width": width}.items():
        assert rows["accuracy"][size] == pytest.approx(stats.spearmanr(accuracy, values).statistic, abs=1e-12)
    for name, row in rows.items():
        if name != "same":
            assert row["beyond_accuracy"] == row["params"] - rows["accuracy"]["params"]
    assert rows["same"]["params"] is None
    assert rows["same"]["reason"].startswith("params: fewer than 3 architectures, or all alike; macs: ")


@pytest.mark.parametrize(
    ("genome", "reason"),
    [
        (
            '"|conv~0|"',
            "depth: no genome has a number depth; width: no genome has a number width or embed_dim",
        ),
        ('{"depth": 3, "width": "wide"}', "depth: 3 in every architecture; width: no genome has a number"),
    ],
)
def test_a_size_that_the_genome_does_not_tell_is_null_with_a_reason(tmp_path, genome, reason):
    with write_sized(tmp_path, [genome] * 5, range(1, 6), np.arange(5) / 9, {"snip": np.arange(5.0)}) as b:
        for row in b.bias().to_pylist():
            assert (row["params"], row["depth"], row["width"]) == (1, None, None)
            assert row["reason"].startswith(reason)


def test_a_size_that_some_genomes_lack_is_null(tmp_path):
    genomes = ['{"depth": 1}', '{"depth": 2}', '{"depth": 3}', "{}"]
    with write_sized(tmp_path, genomes, range(1, 5), np.arange(4) / 9, {"snip": np.arange(4.0)}) as benchmark:
        row = benchmark.bias().to_pylist()[1]
    assert row["depth"] is None and row["reason"].startswith("depth: known of 3 of 4 architectures")


def test_bands_equal_the_ranking_inside_their_window(planted):
    rows = planted.bands("digits", bands=4, draws=60, protocol="scratch").to_pylist()
    assert [row["band"] for row in rows[:4]] == [1, 2, 3, 4] and {row["architectures"] for row in rows} == {
        15
    }
    for window in {(row["least"], row["most"]) for row in rows}:
        ranked = planted.rank("digits", "scratch", params=window, draws=60).to_pylist()
        inside = [row for row in rows if (row["least"], row["most"]) == window]
        for row, wanted in zip(inside, sorted(ranked, key=lambda row: row["proxy"]), strict=True):
            for name in ("proxy", "rho", "low", "high", "n", "seeds"):
                assert row[name] == wanted[name]


def test_one_band_is_the_whole_ranking(planted):
    whole = dict(rows_of(planted.rank("digits", "scratch", draws=0), "proxy", "rho"))
    assert dict(rows_of(planted.bands("digits", 1, draws=0, protocol="scratch"), "proxy", "rho")) == whole


def test_equal_params_stay_in_one_band(tmp_path):
    params = [10] * 7 + [20, 30]
    with write_sized(tmp_path, ["{}"] * 9, params, np.arange(9) / 9, {"snip": np.arange(9.0)}) as benchmark:
        rows = rows_of(benchmark.bands(bands=3, draws=0), "band", "least", "most", "architectures", "rho")
    assert rows == [(1, 10, 10, 7, 1.0), (2, 20, 30, 2, None)]


def test_similarity_equals_scipy_seed_by_seed(planted):
    found = {
        (row["first"], row["second"]): row
        for row in planted.similarity("digits", protocol="scratch").to_pylist()
    }
    values = {
        key: part.set_index("arch_id").value
        for key, part in planted.scores(task="digits").to_pandas().groupby(["proxy", "seed"])
    }
    for (first, second), row in found.items():
        pairs = [(i, j) for i in (0, 1) for j in (0, 1) if first != second or i != j]
        rho = []
        for i, j in pairs:
            x, y = values[first, i].align(values[second, j])
            rho.append(expected(stats.spearmanr, x.to_numpy(float), y.to_numpy(float)))
        assert row["rho"] == pytest.approx(np.mean(rho), abs=1e-12)
        assert row["rho"] == found[second, first]["rho"]
        assert row["n"] == (57 if "grasp" in (first, second) else 60)


def test_a_proxy_of_one_seed_does_not_tell_how_it_repeats(tmp_path):
    scores = {("snip", 0): [1, 2, 3, 4], ("zico", 0): [4, 3, 2, 1], ("zico", 1): [4, 3, 1, 2]}
    with write_small(tmp_path, [0.1, 0.2, 0.3, 0.4], scores) as benchmark:
        found = {(a, b): rho for a, b, rho in rows_of(benchmark.similarity(), "first", "second", "rho")}
    assert found["snip", "snip"] is None and found["zico", "zico"] == pytest.approx(0.8)
    assert found["snip", "zico"] == pytest.approx((-1 - 0.8) / 2)


# Information


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


# Tops


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


# Comparisons and groups


def test_compare_takes_proxies_of_other_seeds_and_single_seeds(tmp_path):
    generator = np.random.default_rng(0)
    accuracy = generator.random(30)
    series = {("snip", 0): generator.random(30), ("zico", 3): generator.random(30), ("zico", 4): accuracy}
    with write_small(tmp_path, accuracy, series) as benchmark:
        whole = benchmark.compare("snip", "zico", draws=100).to_pylist()[0]
        one = benchmark.compare(("zico", 3), ("zico", 4), draws=100).to_pylist()[0]
        none = benchmark.compare(("zico", 9), "snip", draws=100).to_pylist()[0]
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


# Published tables


@pytest.fixture(scope="module")
def nasbench201(tmp_path_factory):
    """All of NAS-Bench-201 on three tasks, with the proxies that its published table holds for every one."""
    table = pq.read_table(TABLES / "nasbench201.parquet").to_pandas().sort_values("index")
    names = [f"{number:016x}" for number in table["index"]]
    root = tmp_path_factory.mktemp("nasbench201")
    rows = [
        {
            "arch_id": name,
            "space": "nasbench201",
            "genome": f'"{text}"',
            "params": int(1e6 * count),
            "macs": 0,
        }
        | {"sample_seed": None, "sample_index": None, "run_id": "published"}
        for name, text, count in zip(names, table["arch_str"], table["cifar10_params_M"], strict=True)
    ]
    write_part(root, "architectures", rows, "part")
    for task in ("cifar10", "cifar100", "imagenet16_120"):
        where = {"task": task, "protocol": "published", "recipe": "nats"}
        accuracies = table[f"{task}_test_acc"].to_numpy() / 100
        write_part(
            root,
            "accuracies",
            [accuracy_row(n, float(a), **where) for n, a in zip(names, accuracies, strict=True)],
            task,
        )
        scores = {
            "params": table["cifar10_params_M"],
            "nwot": table[f"{task}_naswot"],
            "synflow": table[f"{task}_synflow"],
            "zen": table[f"{task}_zen"].where(table[f"{task}_zen"] > -1e7),
        }
        rows = [
            score_row(name, float(value) if np.isfinite(value) else None, task=task, proxy=proxy)
            for proxy, values in scores.items()
            for name, value in zip(names, values, strict=True)
        ]
        write_part(root, "scores", rows, task)
    with Benchmark.open(root) as benchmark:
        yield benchmark


@needs_tables
def test_nasbench201_bias_of_the_accuracies_is_the_published_rho_of_params(nasbench201):
    """ZiCo, ICLR 2023, table of all 15,625 architectures: params .75, .73 and .69."""
    rows = [row for row in nasbench201.bias().to_pylist() if row["proxy"] == "accuracy"]
    found = {row["task"]: row["params"] for row in rows}
    assert found == pytest.approx({"cifar10": 0.75, "cifar100": 0.73, "imagenet16_120": 0.69}, abs=0.01)
    assert {row["n"] for row in rows} == {15625}


@needs_tables
@pytest.mark.parametrize(
    ("proxy", "published"),
    [
        ("nwot", [0.77, 0.80, 0.77]),
        ("synflow", [0.73, 0.76, 0.75]),
        ("params", [0.72, 0.73, 0.69]),
        ("zen", [0.35, 0.35, 0.39]),
    ],
)
def test_nasbench201_rho_is_the_published_one(nasbench201, proxy, published):
    """NAS-Bench-Suite-Zero, figure 2: 1,000 of the architectures, so that rho has a standard error of .02."""
    found = nasbench201.rank(proxies=[proxy], draws=0)["rho"].to_pylist()
    assert found == pytest.approx(published, abs=0.04)


@needs_tables
def test_nasbench201_params_say_little_among_networks_of_one_size(nasbench201):
    rows = nasbench201.bands("cifar10", draws=0, proxies=["params", "nwot"]).to_pylist()
    rho = {proxy: [row["rho"] for row in rows if row["proxy"] == proxy] for proxy in ("params", "nwot")}
    assert min(rho["params"]) < 0 < min(rho["nwot"]) and len(rho["nwot"]) == 4


@needs_tables
@pytest.mark.parametrize(
    ("size", "published"),
    [
        ("tiny", {"params": 0.635, "depth": 0.799}),
        ("small", {"params": 0.941, "width": 0.869}),
        ("base", {"params": 0.224, "depth": -0.425, "width": 0.441}),
    ],
)
def test_bias_of_inherited_accuracies_of_vision_transformers(tmp_path, size, published):
    """1,001 architectures of each AutoFormer space from OoD-ViT-NAS; the numbers were computed elsewhere."""
    table = pq.read_table(TABLES / "ood_vit_nas_autoformer.parquet").to_pylist()
    mine = [row for row in table if row["autoformer_space"] == size]
    genes = ("depth", "embed_dim", "mlp_ratio", "num_heads")
    genomes = [json.dumps({gene: row[gene] for gene in genes}) for row in mine]
    params = [int(1e6 * row["params_M"]) for row in mine]
    accuracies = [row["imagenet_top1_supernet"] / 100 for row in mine]
    with write_sized(tmp_path, genomes, params, accuracies, {"params": params}) as benchmark:
        row = benchmark.bias().to_pylist()[0]
    assert row["proxy"] == "accuracy" and row["n"] == 1001
    assert {name: row[name] for name in published} == pytest.approx(published, abs=0.002)
