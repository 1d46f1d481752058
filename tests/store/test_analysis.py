"""Laws of every analysis; bias, bands and similarity: brute force, planted and published tables."""

import json
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from store import Benchmark, StoreError, statistics, write_part
from store import analysis as analysing
from store import groups as grouping
from store import information as informing
from store import top as topping
from tests.shared import TABLES, needs_tables
from tests.store.planted import accuracy_row, score_row
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
