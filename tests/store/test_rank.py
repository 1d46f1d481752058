"""The ranking finds what was planted, equals scipy, and mixes nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

import proxies
from store import Benchmark, write_part
from store.rank import COMPARISON, CONTROLS, RANKING
from tests.store.planted import CORRELATIONS, accuracy_row, score_row, write_architectures, write_planted
from tests.store.test_statistics import expected

VALUE = st.sampled_from([-1.0, -0.0, 0.0, 2.0, 1e-300, 1e300]) | st.floats(-10, 10) | st.none()


def rows_of(table, *names):
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def write_small(root: Path, accuracies, scores: dict, **other) -> Benchmark:
    """A benchmark of architectures a0, a1, ... of one space, with scores by (proxy, seed)."""
    names = [f"a{place}" for place in range(len(accuracies))]
    rows = [accuracy_row(name, value) for name, value in zip(names, accuracies, strict=True)]
    write_part(root, "accuracies", rows, "part")
    rows = [
        score_row(name, value, proxy=proxy, seed=seed, **other)
        for (proxy, seed), values in scores.items()
        for name, value in zip(names, values, strict=True)
    ]
    write_part(root, "scores", rows, "part")
    return Benchmark.open(root)


def test_planted_order_is_found(planted):
    found = planted.rank(task="digits", protocol="scratch", draws=200)
    assert found.schema.equals(RANKING, check_metadata=True)
    rows = {row["proxy"]: row for row in found.to_pylist()}
    assert [row["rank"] for row in rows.values()] == list(range(1, len(CORRELATIONS) + 1))
    order = list(rows)
    assert order[0] == "zico" and order[-1] == "grasp"
    assert rows["zico"]["rho"] > 0.75 and rows["grasp"]["rho"] < -0.3
    for row in rows.values():
        assert row["low"] < row["rho"] < row["high"]
        assert row["control"] == (row["proxy"] in CONTROLS)
        assert (row["seeds"], row["unscored"]) == (2, 0)
        assert (row["n"], row["failed"]) == ((57, 6) if row["proxy"] == "grasp" else (60, 0))
    assert rows["params"]["rho_given_params"] is None
    assert rows["params"]["seconds"] == pytest.approx(0.1)


def test_every_number_equals_scipy_on_the_released_rows(planted):
    truth = planted.accuracy(None, "flowers", "scratch").to_pandas().set_index("arch_id")["accuracy"]
    scores = planted.scores(task="flowers").to_pandas()
    for row in planted.rank("flowers", "scratch", draws=0).to_pylist():
        mine = scores[scores.proxy == row["proxy"]]
        joined = [
            part.set_index("arch_id").value.dropna().to_frame().join(truth)
            for _, part in mine.groupby("seed")
        ]
        rho = np.mean([stats.spearmanr(part.value, part.accuracy).statistic for part in joined])
        tau = np.mean([stats.kendalltau(part.value, part.accuracy).statistic for part in joined])
        assert row["rho"] == pytest.approx(rho, abs=1e-12)
        assert row["tau_b"] == pytest.approx(tau, abs=1e-12)
        assert row["low"] is None


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.9]) | st.floats(0, 1), VALUE), min_size=1, max_size=25)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rho_in_sql_equals_scipy(tmp_path, pairs):
    accuracies, values = zip(*pairs, strict=True)
    with write_small(tmp_path, accuracies, {("snip", 0): values}) as benchmark:
        row = benchmark.rank(draws=0).to_pylist()[0]
    numbers = np.array([np.nan if value is None else value for value in values])
    wanted = expected(stats.spearmanr, numbers, np.array(accuracies))
    assert (np.nan if row["rho"] is None else row["rho"]) == pytest.approx(wanted, abs=1e-12, nan_ok=True)
    assert row["n"] == np.isfinite(numbers).sum()
    assert row["failed"] == len(values) - row["n"]


def test_nan_and_inf_from_other_writers_are_failures(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_small(tmp_path, [0.1, 0.2, 0.3, 0.4, 0.5], {("snip", 0): [1.0, 2.0, 3.0, 4.0, 5.0]}).close()
    path = tmp_path / "scores" / "part.parquet"
    rows = pq.read_table(path)
    foreign = pa.array([1.0, float("nan"), 3.0, float("inf"), 2.0])
    pq.write_table(rows.set_column(4, rows.schema.field("value"), foreign), path)
    with Benchmark.open(tmp_path) as benchmark:
        assert rows_of(benchmark.rank(draws=10), "n", "failed", "rho") == [(3, 2, 0.5)]


@pytest.mark.parametrize(
    ("accuracies", "values"),
    [
        ([0.1, 0.2], [1, 2]),
        ([0.1, 0.2, 0.3], [1, 1, 1]),
        ([0.5, 0.5, 0.5], [1, 2, 3]),
        ([0.1, 0.2, 0.3], [1, 2, None]),
    ],
)
def test_rho_without_meaning_is_null(tmp_path, accuracies, values):
    with write_small(tmp_path, accuracies, {("snip", 0): values}) as benchmark:
        found = benchmark.rank(draws=20)
    assert rows_of(found, "rank", "rho", "low", "high", "tau_b") == [(None,) * 5]


def test_a_seed_without_meaning_makes_the_mean_null(tmp_path):
    scores = {("snip", 0): [1, 2, 3, 4], ("snip", 1): [None, None, None, 1], ("zico", 0): [1, 2, 4, 3]}
    with write_small(tmp_path, [0.1, 0.2, 0.3, 0.4], scores) as benchmark:
        found = benchmark.rank(draws=20)
    assert rows_of(found, "proxy", "rank", "n", "failed", "seeds") == [
        ("zico", 1, 4, 0, 1),
        ("snip", None, 1, 3, 2),
    ]


def test_unscored_architectures_are_counted(tmp_path):
    with write_small(tmp_path, [0.1, 0.2, 0.3, 0.4], {("snip", 0): [1, 2, 3, 4]}) as benchmark:
        assert benchmark.rank(draws=0)["unscored"].to_pylist() == [0]
    write_part(tmp_path, "accuracies", [accuracy_row("new", 0.5), accuracy_row("lost", None)], "more")
    with Benchmark.open(tmp_path) as benchmark:
        assert rows_of(benchmark.rank(draws=0), "n", "failed", "unscored") == [(4, 0, 1)]


def test_named_proxy_without_scores_gets_a_row_of_nulls(tmp_path):
    with write_small(tmp_path, [0.1, 0.2, 0.3], {("snip", 0): [1, 2, 3]}) as benchmark:
        benchmark.close()
    write_part(tmp_path, "scores", [score_row("a0", 1.0, proxy="zico", task="flowers")], "other")
    with Benchmark.open(tmp_path) as benchmark:
        assert benchmark.rank(draws=0)["proxy"].to_pylist() == ["snip"]
        found = benchmark.rank(proxies=["snip", "zico"], draws=9)
        compared = benchmark.compare("snip", "zico")
    assert rows_of(found, "proxy", "rho", "n", "unscored", "seeds") == [
        ("snip", 1.0, 3, 0, 1),
        ("zico", None, 0, 3, 0),
    ]
    assert rows_of(compared, "n", "rho_a", "separable") == [(0, None, None)]


def test_equal_orders_share_a_rank(tmp_path):
    scores = {("snip", 0): [1, 2, 4, 3], ("macs", 0): [10, 20, 40, 30], ("zico", 0): [4, 3, 2, 1]}
    with write_small(tmp_path, [0.1, 0.2, 0.3, 0.4], scores) as benchmark:
        found = benchmark.rank(draws=50)
    assert rows_of(found, "proxy", "rank") == [("macs", 1), ("snip", 1), ("zico", 3)]
    assert len(set(rows_of(found.slice(0, 2), "low", "high"))) == 1


def test_protocols_recipes_tasks_and_spaces_are_never_mixed(tmp_path):
    recipes = (("scratch", "micro"), ("scratch", "long"), ("published", "paper"))
    write_planted(tmp_path, 20, ("autoformer-micro", "autoformer-tiny"), recipes=recipes, failures=0)
    with Benchmark.open(tmp_path) as benchmark:
        together = benchmark.rank(draws=20)
        cells = set(rows_of(together, "space", "task", "protocol", "recipe"))
        assert len(cells) == 2 * 2 * 3
        assert len(together) == len(cells) * len(CORRELATIONS)
        assert set(together["n"].to_pylist()) == {20}
        for space, task, protocol, recipe in cells:
            alone = benchmark.rank(task, protocol, recipe, space, draws=20).to_pylist()
            where = {"space": space, "task": task, "protocol": protocol, "recipe": recipe}
            assert alone == [row for row in together.to_pylist() if where.items() <= row.items()]
    micro, long = (
        {row["proxy"]: row["rho"] for row in together.to_pylist() if row["recipe"] == name}
        for name in ("micro", "long")
    )
    assert micro["zico"] > 0.5 and long["zico"] < -0.5  # the planted accuracies are reversed


def test_order_of_rows_and_files_changes_nothing(planted, planted_root, tmp_path):
    generator = np.random.default_rng(5)
    for name in ("architectures", "accuracies", "scores", "runs"):
        rows = planted.sql(f"SELECT * FROM {name}").to_pylist()
        generator.shuffle(rows)
        half = len(rows) // 2
        write_part(tmp_path, name, rows[:half], "z")
        write_part(tmp_path, name, rows[half:], "a/b")
    with Benchmark.open(tmp_path) as shuffled:
        assert shuffled.rank(draws=50).equals(planted.rank(draws=50))
        assert shuffled.compare("zico", "snip").equals(planted.compare("zico", "snip"))


def test_growing_functions_of_a_score_change_nothing(planted, tmp_path):
    write_planted(tmp_path)
    for part in sorted((tmp_path / "scores").rglob("*.parquet")):
        part.unlink()
    rows = planted.sql("SELECT * FROM scores").to_pylist()
    for row in rows:
        if row["value"] is not None:
            row["value"] = -1 / (1 + row["value"]) ** 2
    write_part(tmp_path, "scores", rows, "all")
    with Benchmark.open(tmp_path) as other:
        assert other.rank(draws=50).equals(planted.rank(draws=50))


def test_same_seed_same_interval(planted):
    first = planted.rank("digits", draws=100, seed=3)
    assert first.equals(planted.rank("digits", draws=100, seed=3))
    other = planted.rank("digits", draws=100, seed=4)
    assert first["rho"].equals(other["rho"]) and not first["low"].equals(other["low"])
    alone = planted.rank("digits", proxies=["snip"], draws=100, seed=3)
    wanted = [row for row in first.to_pylist() if row["proxy"] == "snip"]
    assert [row | {"rank": 1} for row in wanted] == alone.to_pylist()


def test_scores_from_another_task(planted):
    found = planted.rank("digits", "scratch", proxies=["snip"], scores_from="flowers", draws=0).to_pylist()[0]
    scores = (
        planted.scores(None, "flowers", "snip")
        .to_pandas()
        .pivot(index="arch_id", columns="seed", values="value")
    )
    truth = (
        planted.accuracy(None, "digits", "scratch")
        .to_pandas()
        .set_index("arch_id")
        .accuracy.loc[scores.index]
    )
    assert found["scores_from"] == "flowers" and found["task"] == "digits"
    assert found["rho"] == pytest.approx(
        np.mean([stats.spearmanr(scores[s], truth).statistic for s in (0, 1)]), abs=1e-12
    )
    own = planted.rank("digits", "scratch", proxies=["snip"], draws=0).to_pylist()[0]
    assert own["scores_from"] == "digits" and own["rho"] != found["rho"]


def test_the_controls_are_those_of_the_registry():
    assert set(CONTROLS) == {name for name in proxies.names() if proxies.get(name).control}


def test_shared_judges_all_on_the_architectures_every_one_scored(tmp_path):
    accuracies = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    scores = {
        ("snip", 0): [1, 2, 3, 4, 6, 5],
        ("snip", 1): [1, 2, 3, None, 6, 5],
        ("zico", 0): [None, 3, 2, 1, 5, 4],
    }
    benchmark = write_small(tmp_path, accuracies, scores)
    apart = {row["proxy"]: row for row in benchmark.rank(draws=0).to_pylist()}
    assert (apart["snip"]["n"], apart["zico"]["n"]) == (5, 5)
    shared = {row["proxy"]: row for row in benchmark.rank(draws=0, shared=True).to_pylist()}
    kept = [1, 2, 4, 5]
    assert {row["n"] for row in shared.values()} == {len(kept)}
    for (proxy, _), values in list(scores.items())[1:]:
        rho = stats.spearmanr([values[i] for i in kept], [accuracies[i] for i in kept]).statistic
        assert shared[proxy]["rho"] == pytest.approx(rho, abs=1e-12)


def test_shared_changes_nothing_where_every_proxy_scored_all(planted):
    names = [name for name in planted.proxies() if name != "grasp"]
    assert planted.rank(proxies=names, draws=50) == planted.rank(proxies=names, draws=50, shared=True)


def test_shared_without_a_shared_architecture_is_an_empty_ranking(tmp_path):
    scores = {("snip", 0): [1.0, 2.0, None, None], ("zico", 0): [None, None, 1.0, 2.0]}
    assert len(write_small(tmp_path, [0.1, 0.2, 0.3, 0.4], scores).rank(shared=True)) == 0


def test_params_window(planted):
    params = np.sort(planted.architectures()["params"].to_numpy())
    low, high = int(params[10]), int(params[29])
    assert set(planted.rank("digits", proxies=["snip"], params=(low, high), draws=0)["n"].to_pylist()) == {20}
    assert set(planted.rank("digits", proxies=["snip"], params=(low, None), draws=0)["n"].to_pylist()) == {50}
    assert set(planted.rank("digits", proxies=["snip"], params=(None, high), draws=0)["n"].to_pylist()) == {
        30
    }
    assert planted.rank("digits", params=(1, 2)).num_rows == 0


def test_partial_rho_tells_size_from_knowledge(tmp_path):
    generator = np.random.default_rng(1)
    quality = generator.standard_normal(300)
    names = write_architectures(tmp_path, "autoformer-micro", quality, generator)
    with Benchmark.open(tmp_path) as benchmark:
        params = dict(rows_of(benchmark.architectures(), "arch_id", "params"))
    size = np.array([np.log(params[name]) for name in names])
    rows = [
        accuracy_row(name, float(value))
        for name, value in zip(names, 1 / (1 + np.exp(-quality)), strict=True)
    ]
    write_part(tmp_path, "accuracies", rows, "part")
    noisy = {
        "params": size,
        "larger": size + 0.02 * generator.standard_normal(300),
        "knowing": quality + generator.standard_normal(300),
    }
    rows = [
        score_row(name, float(value), proxy=proxy)
        for proxy, values in noisy.items()
        for name, value in zip(names, values, strict=True)
    ]
    write_part(tmp_path, "scores", rows, "part")
    with Benchmark.open(tmp_path) as benchmark:
        partial = dict(rows_of(benchmark.rank(draws=0), "proxy", "rho_given_params"))
    assert partial["params"] is None
    assert abs(partial["larger"]) < 0.15 < 0.4 < partial["knowing"]


def test_compare_finds_planted_differences(planted):
    found = planted.compare("zico", "synflow", task="digits", protocol="scratch")
    assert found.schema.equals(COMPARISON, check_metadata=True)
    row = found.to_pylist()[0]
    assert row["separable"] and 0 < row["low"] < row["difference"] < row["high"]
    ranked = dict(rows_of(planted.rank("digits", "scratch", draws=0), "proxy", "rho"))
    assert (row["rho_a"], row["rho_b"]) == pytest.approx((ranked["zico"], ranked["synflow"]), abs=1e-12)
    back = planted.compare("synflow", "zico", task="digits", protocol="scratch").to_pylist()[0]
    assert (back["low"], back["high"]) == pytest.approx((-row["high"], -row["low"]))
    same = planted.compare("zico", "zico", task="digits", protocol="scratch").to_pylist()[0]
    assert (same["difference"], same["low"], same["high"], same["separable"]) == (0, 0, 0, False)


def test_compare_uses_the_architectures_both_scored(planted):
    assert set(planted.compare("zico", "grasp", draws=10)["n"].to_pylist()) == {57}
    row = planted.compare("depth", "width", task="digits", protocol="scratch", draws=0).to_pylist()[0]
    assert row["low"] is None and row["separable"] is None and row["n"] == 60


def test_rho_is_that_of_the_scattered_points(planted):
    for proxy in ("zico", "grasp", "params"):
        ranked = planted.rank("digits", "scratch", proxies=[proxy], draws=0).to_pylist()[0]
        found = planted.scatter(proxy, "digits", protocol="scratch").to_pandas()
        of_seeds = [stats.spearmanr(one.score, one.accuracy)[0] for _, one in found.groupby("seed")]
        assert (len(of_seeds), np.mean(of_seeds)) == (ranked["seeds"], pytest.approx(ranked["rho"]))
        assert found.groupby("seed").size().min() == ranked["n"]
    # grasp failed on some: where all are judged alike, those are missing from the others too.
    alike = planted.scatter("zico", "digits", protocol="scratch", shared=True, proxies=["zico", "grasp"])
    assert set(alike["arch_id"].to_pylist()) == set(
        planted.scatter("grasp", "digits", protocol="scratch", shared=True)["arch_id"].to_pylist()
    )
    assert 0 < alike.num_rows < planted.scatter("zico", "digits", protocol="scratch").num_rows
