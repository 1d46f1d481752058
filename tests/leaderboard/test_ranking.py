"""The page "Ranking" over a planted benchmark, without a browser."""

import html
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from leaderboard import reading
from leaderboard.selection import Filters
from store import Benchmark
from store.rank import CONTROLS
from store.write import write_part
from tests.leaderboard.conftest import PLANTED, Open, give_each_task_a_recipe, query, table
from tests.store.planted import score_row

SCRATCH = {"space": "autoformer-micro", "task": "digits", "accuracy": "scratch/micro"}
PLAIN = SCRATCH | {"combiners": "no"}
WHERE = {"task": "digits", "protocol": "scratch", "recipe": "micro", "space": "autoformer-micro"}


def test_the_table_is_the_ranking_of_store(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **PLAIN))
    with Benchmark.open(benchmark) as planted:
        expected = planted.rank(**WHERE).to_pandas()
        places = planted.overall(**WHERE, proxies=planted.proxies()).to_pandas()
    expected = expected[expected["rho"].notna()].reset_index(drop=True)
    assert shown["proxy"].iloc[0] == "zico"
    assert set(shown["proxy"]) == set(PLANTED)
    for name in ("rho", "low", "high", "rho_given_params"):
        assert shown[name].tolist() == pytest.approx(expected[name].tolist(), abs=1e-12, nan_ok=True)
    assert (shown["milliseconds"] == expected["seconds"] * 1000).all()
    first = places.iloc[0]
    assert shown["place"].iloc[0] == f"{first['first_place']:.0f}–{first['last_place']:.0f}"


def test_combiners_stand_among_the_proxies_and_fitted_ones_are_marked(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **SCRATCH)).set_index("proxy")
    assert shown.loc["rank_sum", "kind"] == "combiner"
    assert shown.loc["libra", "kind"] == "fitted combiner"
    assert shown.loc["zico", "kind"] == "proxy" and shown.loc["params", "kind"] == "control"
    assert -1 < shown.loc["libra", "low"] < shown.loc["libra", "high"] < 1


def test_several_tasks_are_a_mean_with_a_column_each(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **(PLAIN | {"task": "all"}))
    shown = table(page).set_index("proxy")
    with Benchmark.open(benchmark) as planted:
        rho = {
            task: planted.rank(**(WHERE | {"task": task}), draws=0).to_pandas().set_index("proxy")["rho"]
            for task in ("digits", "flowers")
        }
    for proxy in ("zico", "params"):
        each = [rho[task][proxy] for task in rho]
        assert shown.loc[proxy, list(rho)].tolist() == each
        assert shown.loc[proxy, "rho"] == pytest.approx(sum(each) / 2)
    # Failed throughout on one task, never scored on the other: no mean over what exists.
    assert "jacobian" not in shown.index and "jacobian" in set(page.dataframe[1].value["proxy"])


def test_given_params_ranks_by_the_partial_rho(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **(PLAIN | {"given_params": "yes"}))
    shown = table(page)
    assert shown["rho_given_params"].is_monotonic_decreasing
    assert "params" not in set(shown["proxy"])
    with Benchmark.open(benchmark) as planted:
        expected = planted.rank(**WHERE, given="params").to_pandas().set_index("proxy")
    row = shown.set_index("proxy").loc["zico"]
    assert row["low"] == pytest.approx(expected.loc["zico", "low_given_params"])
    # An interval stands behind the number that it is of.
    assert list(shown.columns)[3:7] == ["rho_given_params", "low", "high", "rho"]


def test_rows_are_chosen_by_principle_and_need(benchmark: Path, visit: Open) -> None:
    by_principle = table(visit(benchmark, **PLAIN, principle="saliency"))
    assert set(by_principle["proxy"]) - set(CONTROLS) == {"synflow"}
    without_labels = table(visit(benchmark, **PLAIN, needs="no labels"))
    assert set(without_labels["proxy"]) - set(CONTROLS) == {"synflow", "nwot"}


def test_failures_stay_visible(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **PLAIN)).set_index("proxy")
    assert shown.loc["grasp", ["n", "failed"]].tolist() == [57, 6]


def test_a_proxy_without_rho_is_listed_apart(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **PLAIN)
    assert "jacobian" not in set(table(page)["proxy"])
    (apart,) = page.dataframe[1].value.to_dict("records")
    assert apart == {"proxy": "jacobian", "n": 0, "failed": 60, "unscored": 0, "reason": "it took too much"}


def test_a_proxy_scored_elsewhere_only_is_listed_apart(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, space="nasbench201", task="flowers")
    (apart,) = page.dataframe[1].value.to_dict("records")
    assert (apart["proxy"], apart["unscored"]) == ("jacobian", 60)


def test_controls_are_marked_and_can_be_hidden(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **PLAIN)
    marked = table(page)
    assert set(marked.loc[marked["kind"] == "control", "proxy"]) == set(CONTROLS)
    places = marked.set_index("proxy")["place"]
    page.toggle(key="controls").set_value(False).run()
    shown = table(page)
    assert query(page)["controls"] == "no"
    assert set(shown["proxy"]) == set(PLANTED) - set(CONTROLS)
    assert (shown.set_index("proxy")["place"] == places[shown["proxy"]]).all()


def test_an_address_is_written_and_read_back(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **PLAIN)
    page.selectbox(key="task").set_value("flowers").run()
    page.selectbox(key="scores_from").set_value("digits").run()
    page.selectbox(key="proxy").set_value("snip").run()
    page.selectbox(key="seed").set_value(1).run()
    low, high = page.select_slider[0].value
    page.select_slider[0].set_range(low + 100_000, high).run()
    shared = query(page)
    expected = {"task": "flowers", "scores_from": "digits", "proxy": "snip", "seed": "1"}
    assert expected.items() <= shared.items()
    again = visit(benchmark, **shared)
    assert query(again) == shared
    assert not again.warning
    pd.testing.assert_frame_equal(table(again), table(page))


def test_the_window_of_params_restricts(benchmark: Path, visit: Open) -> None:
    whole = visit(benchmark, **PLAIN)
    assert "params" not in query(whole)
    low, high = whole.select_slider[0].value
    middle = (low + high) // 2
    half = visit(benchmark, **PLAIN, params=f"{middle}-")
    with Benchmark.open(benchmark) as planted:
        params = planted.architectures("autoformer-micro")["params"].to_pandas()
    assert query(half)["params"] == f"{middle}-"
    assert set(table(half).set_index("proxy").drop("grasp")["n"]) == {int((params >= middle).sum())}


@pytest.mark.parametrize("task", ["digits", "all"])
def test_a_window_without_architectures_is_one_line(benchmark: Path, visit: Open, task: str) -> None:
    least, _ = visit(benchmark, **PLAIN).select_slider[0].value
    page = visit(benchmark, **(PLAIN | {"task": task, "params": f"-{least}"}))
    assert trouble(page).startswith("No architecture of these params has an accuracy")


def test_what_draws_its_own_noise_needs_no_images(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    rows = [score_row(name, float(place), proxy="zen") for place, name in enumerate(names)]
    write_part(root, "scores", rows, "zen")
    for need in ("no labels", "no images"):
        shown = table(visit(root, **PLAIN, needs=need)).set_index("proxy")
        assert shown.loc["zen", "needs"] == "image size"


def test_combiners_stand_in_the_ranking_of_one_proxy_seed_too(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **SCRATCH, seeds="1"))
    assert {"rank_sum", "libra"} <= set(shown["proxy"])


def test_the_scores_of_one_seed(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **PLAIN, seeds="1")).set_index("proxy")
    with Benchmark.open(benchmark) as planted:
        rows = planted.by_seed(**WHERE, draws=0).to_pandas()
    expected = rows[rows["seed"] == 1].set_index("proxy")["rho"]
    assert shown["rho"].to_dict() == pytest.approx(expected.dropna().to_dict())


def test_an_own_task_is_followed_when_the_task_changes(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **PLAIN)
    page.selectbox(key="task").set_value("flowers").run()
    assert page.selectbox(key="scores_from").value == "own"
    with Benchmark.open(benchmark) as planted:
        expected = planted.rank(**(WHERE | {"task": "flowers"}), scores_from="flowers", draws=0)
    assert table(page)["rho"].iloc[0] == expected["rho"][0].as_py()


def test_a_new_part_is_seen_without_a_restart(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    page = visit(root, **PLAIN)
    assert "snip" in set(table(page)["proxy"])
    version = query(page)["data"]
    for part in (root / "scores" / "digits").glob("snip-*.parquet"):
        part.unlink()
    page.run()
    assert "snip" not in set(table(page)["proxy"])
    assert query(page)["data"] != version


@pytest.mark.parametrize(
    "gone, job, known",
    [
        (("architectures", "accuracies", "scores"), "sample", ""),
        (("accuracies", "scores"), "accuracy", " space=autoformer-micro"),
        (("accuracies",), "accuracy", " space=autoformer-micro task=digits"),
        (("scores",), "score", " space=autoformer-micro task=digits"),
    ],
)
def test_an_unfinished_benchmark_says_what_to_run(
    benchmark: Path, visit: Open, tmp_path: Path, gone: tuple[str, ...], job: str, known: str
) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    for name in gone:
        shutil.rmtree(root / name)
    assert trouble(visit(root)).endswith(f"Run: python -m builder job={job} root={root}{known}")


def test_a_ranking_without_scores_says_what_to_run(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    shutil.rmtree(root / "scores" / "flowers")
    (warning,) = visit(root, **(SCRATCH | {"task": "flowers"})).warning
    told = html.unescape(warning.value)
    assert told.endswith(f"job=score root={root} space=autoformer-micro task=flowers")


def test_the_reason_of_a_failure_is_that_of_the_shown_space(
    benchmark: Path, visit: Open, tmp_path: Path
) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.architectures("nasbench201")["arch_id"].to_pylist()
    # More often than what failed in the space that is shown.
    failed = {"proxy": "jacobian", "message": "it is another space"}
    rows = [score_row(name, None, seed=seed, **failed) for name in names for seed in range(3)]
    write_part(root, "scores", rows, "elsewhere")
    (apart,) = visit(root, **PLAIN).dataframe[1].value.to_dict("records")
    assert (apart["proxy"], apart["reason"]) == ("jacobian", "it took too much")


def test_all_proxies_on_the_same_architectures(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **PLAIN)
    assert query(page)["shared"] == "no"
    assert set(table(page)["n"]) == {57, 60}
    page.toggle(key="shared").set_value(True).run()
    assert query(page)["shared"] == "yes"
    with Benchmark.open(benchmark) as planted:
        expected = planted.rank(**WHERE, proxies=PLANTED, shared=True).to_pandas()
    shown = table(page)
    assert set(shown["n"]) == {57}
    for name in ("rho", "low", "high"):
        assert shown[name].tolist() == pytest.approx(expected[name].tolist(), abs=1e-12)
    # Not even a proxy that failed throughout takes the ranking away; it stays listed apart.
    assert page.dataframe[1].value["proxy"].tolist() == ["jacobian"]
    assert any("only the 57 architectures scored by all" in caption.value for caption in page.caption)


def test_the_ceiling_is_told_where_seeds_tell_it(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **PLAIN)
    with Benchmark.open(benchmark) as planted:
        row = planted.noise(**WHERE, split="test").to_pylist()[0]
    told = f"about {row['ceiling']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    assert any(told in caption.value for caption in page.caption)


def test_the_scatter_draws_the_architectures_that_count(benchmark: Path, visit: Open) -> None:
    visit(benchmark, **PLAIN)
    where = Filters("autoformer-micro", ("digits",), "scratch", "micro", "digits")
    shared = replace(where, shared=tuple(PLANTED))
    failed = set(reading.points(where, "snip")["arch_id"]) - set(reading.points(where, "grasp")["arch_id"])
    left = reading.points(shared, "snip")
    assert len(failed) == 3 and len(left) == 57 * 2
    assert failed.isdisjoint(left["arch_id"])


def test_the_scatter_is_the_same_where_the_intervals_are_kept(
    benchmark: Path, visit: Open, tmp_path: Path
) -> None:
    """It is drawn before the intervals where they have to be computed, and after them where they are kept."""
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    for proxy in ("one", "two", "three", "four", "five"):
        rows = [score_row(name, float(place), proxy=proxy) for place, name in enumerate(names)]
        write_part(root, "scores", rows, proxy)
    first, again = visit(root, **SCRATCH), visit(root, **SCRATCH)
    ranked = table(again)
    # The chart beside is as high as the scatter, which alone has fewer rows than a low one may.
    assert len(ranked[~ranked["kind"].str.contains("combiner")]) < 20 <= len(ranked)
    computed, kept = ([chart.proto.spec for chart in page.get("vega_lite_chart")] for page in (first, again))
    assert len(computed) == 2 and computed == kept


def test_no_switch_where_all_proxies_have_the_same_architectures(
    benchmark: Path, visit: Open, tmp_path: Path
) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    for name in ("grasp", "jacobian"):
        for part in (root / "scores").rglob(f"{name}*.parquet"):
            part.unlink()
    page = visit(root, **PLAIN)
    assert len(table(page)) and "shared" not in {toggle.key for toggle in page.toggle}


def test_nothing_scored_by_every_proxy_is_one_line(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    for proxy, mine in (("early", names[:30]), ("late", names[30:])):
        rows = [score_row(name, float(place), proxy=proxy) for place, name in enumerate(mine)]
        write_part(root, "scores", rows, proxy)
    page = visit(root, **PLAIN, shared="yes")
    assert not page.exception
    (warning,) = page.warning
    assert warning.value.startswith("No architecture was scored by every proxy") and "\n" not in warning.value
    page.toggle(key="shared").set_value(False).run()
    assert not page.warning and {"early", "late"} < set(table(page)["proxy"])


def test_a_missing_folder_and_a_damaged_part_are_one_line(
    benchmark: Path, visit: Open, tmp_path: Path
) -> None:
    assert trouble(visit(tmp_path / "nowhere")).startswith("No benchmark at")
    root = shutil.copytree(benchmark, tmp_path / "copy")
    next((root / "scores").rglob("*.parquet")).write_bytes(b"half")
    assert "is not a whole Parquet file" in trouble(visit(root))


def trouble(page: AppTest) -> str:
    assert not page.exception
    (error,) = page.error
    assert "\n" not in error.value
    return html.unescape(error.value)


def test_a_genome_without_genes_is_coloured_by_params(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        rows = planted.architectures("autoformer-micro").to_pylist()
    write_part(root, "architectures", [row | {"genome": '"|conv|"'} for row in rows], "autoformer-micro")
    page = visit(root, **PLAIN)
    assert len(table(page))
    assert page.selectbox(key="colour").options == ["params"]


def test_every_recipe_is_one_of_its_task(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    give_each_task_a_recipe(root)
    page = visit(root, space="autoformer-micro", task="all", accuracy="supernet/each", combiners="no")
    assert not page.warning and {"digits", "flowers"} < set(table(page).columns)
