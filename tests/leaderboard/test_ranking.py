"""The page "Ranking" over a planted benchmark, without a browser."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from leaderboard import reading
from leaderboard.reading import Filters
from store import Benchmark
from store.rank import CONTROLS
from store.write import write_part
from tests.leaderboard.conftest import Open
from tests.store.planted import CORRELATIONS, accuracy_row, score_row

SCRATCH = {"space": "autoformer-micro", "task": "digits", "accuracy": "scratch/micro"}


def table(page: AppTest) -> pd.DataFrame:
    assert not page.exception
    return page.dataframe[0].value


def query(page: AppTest) -> dict[str, str]:
    """The address; the test harness keeps every value in a list."""
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def test_the_table_is_the_ranking_of_store(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **SCRATCH))
    with Benchmark.open(benchmark) as planted:
        expected = planted.rank("digits", "scratch", "micro", "autoformer-micro").to_pandas()
    expected = expected[expected["rho"].notna()].reset_index(drop=True)
    assert shown["proxy"].iloc[0] == "zico"
    assert set(shown["proxy"].str.removesuffix(" (control)")) == set(CORRELATIONS)
    for name in ("rho", "low", "high", "tau_b", "rho_given_params"):
        assert shown[name].equals(expected[name])
    assert (shown["seconds"] == expected["seconds"] * 1000).all()


def test_failures_stay_visible(benchmark: Path, visit: Open) -> None:
    shown = table(visit(benchmark, **SCRATCH)).set_index("proxy")
    assert shown.loc["grasp", ["n", "failed"]].tolist() == [57, 6]


def test_a_proxy_without_rho_is_listed_apart(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **SCRATCH)
    assert "jacobian" not in set(table(page)["proxy"])
    (apart,) = page.dataframe[1].value.to_dict("records")
    assert apart == {"proxy": "jacobian", "n": 0, "failed": 60, "unscored": 0, "reason": "it took too much"}


def test_a_proxy_scored_elsewhere_only_is_listed_apart(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, space="nasbench201", task="flowers")
    (apart,) = page.dataframe[1].value.to_dict("records")
    assert (apart["proxy"], apart["unscored"]) == ("jacobian", 60)


def test_controls_are_marked_and_can_be_hidden(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **SCRATCH)
    marked = table(page)["proxy"]
    assert set(marked[marked.str.endswith("(control)")].str.removesuffix(" (control)")) == set(CONTROLS)
    ranks = table(page).set_index("proxy")["rank"]
    page.toggle(key="controls").set_value(False).run()
    shown = table(page)
    assert query(page)["controls"] == "no"
    assert set(shown["proxy"]) == set(CORRELATIONS) - set(CONTROLS)
    assert (shown.set_index("proxy")["rank"] == ranks[shown["proxy"]]).all()


def test_an_address_is_written_and_read_back(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **SCRATCH)
    page.selectbox(key="task").set_value("flowers").run()
    page.selectbox(key="scores_from").set_value("digits").run()
    page.selectbox(key="proxy").set_value("snip").run()
    page.selectbox(key="seed").set_value(1).run()
    low, high = page.select_slider[0].value
    page.select_slider[0].set_range(low + 100_000, high).run()
    shared = query(page)
    assert {
        "task": "flowers",
        "scores_from": "digits",
        "proxy": "snip",
        "seed": "1",
    }.items() <= shared.items()
    again = visit(benchmark, **shared)
    assert query(again) == shared
    assert not again.warning
    pd.testing.assert_frame_equal(table(again), table(page))


def test_the_window_of_params_restricts(benchmark: Path, visit: Open) -> None:
    whole = visit(benchmark, **SCRATCH)
    assert "params" not in query(whole)
    low, high = whole.select_slider[0].value
    middle = (low + high) // 2
    half = visit(benchmark, **SCRATCH, params=f"{middle}-")
    with Benchmark.open(benchmark) as planted:
        params = planted.architectures("autoformer-micro")["params"].to_pandas()
    assert query(half)["params"] == f"{middle}-"
    assert set(table(half).set_index("proxy").drop("grasp")["n"]) == {int((params >= middle).sum())}


@pytest.mark.parametrize(
    "name, value", [("task", "imagenet"), ("seed", "7"), ("controls", "perhaps"), ("params", "big-small")]
)
def test_what_an_address_cannot_have_is_told_in_one_line(
    benchmark: Path, visit: Open, name: str, value: str
) -> None:
    page = visit(benchmark, **(SCRATCH | {name: value}))
    (warning,) = page.warning
    assert name in warning.value and value in warning.value and "\n" not in warning.value
    assert query(page).get(name) != value
    assert not page.run().warning
    assert len(table(page))


def test_an_unknown_name_in_the_address_is_told(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, proxies="snip")
    assert [warning.value for warning in page.warning] == [
        "The address sets 'proxies', which is no filter; it is ignored."
    ]
    assert "proxies" not in page.query_params


def test_an_own_task_is_followed_when_the_task_changes(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **SCRATCH)
    page.selectbox(key="task").set_value("flowers").run()
    assert page.selectbox(key="scores_from").value == "own"
    with Benchmark.open(benchmark) as planted:
        expected = planted.rank("flowers", "scratch", "micro", "autoformer-micro", scores_from="flowers")
    assert table(page)["rho"].iloc[0] == expected["rho"][0].as_py()


def test_a_new_part_is_seen_without_a_restart(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    page = visit(root, **SCRATCH)
    assert "snip" in set(table(page)["proxy"])
    for part in (root / "scores" / "digits").glob("snip-*.parquet"):
        part.unlink()
    shown = set(table(page.run())["proxy"])
    assert "snip" not in shown


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


def test_learning_curves_are_shown_where_epochs_were_measured(
    benchmark: Path, visit: Open, tmp_path: Path
) -> None:
    assert "Learning curves" in [title.value for title in visit(benchmark, **SCRATCH).subheader]
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.accuracy(None, "digits", "scratch", "micro")["arch_id"].to_pylist()
    shutil.rmtree(root / "accuracies")
    write_part(root, "accuracies", [accuracy_row(n, i / len(names)) for i, n in enumerate(names)], "ends")
    page = visit(root, **SCRATCH)
    assert "Learning curves" not in [title.value for title in page.subheader] and not page.exception


def test_a_ranking_without_scores_says_what_to_run(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    shutil.rmtree(root / "scores" / "flowers")
    (warning,) = visit(root, **(SCRATCH | {"task": "flowers"})).warning
    assert warning.value.endswith(f"job=score root={root} space=autoformer-micro task=flowers")


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
    (apart,) = visit(root, **SCRATCH).dataframe[1].value.to_dict("records")
    assert (apart["proxy"], apart["reason"]) == ("jacobian", "it took too much")


def test_all_proxies_on_the_same_architectures(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark, **SCRATCH)
    assert query(page)["shared"] == "no"
    assert set(table(page)["n"]) == {57, 60}
    page.toggle(key="shared").set_value(True).run()
    assert query(page)["shared"] == "yes"
    with Benchmark.open(benchmark) as planted:
        where = ("digits", "scratch", "micro", "autoformer-micro")
        expected = planted.rank(*where, proxies=CORRELATIONS, shared=True).to_pandas()
    shown = table(page)
    assert set(shown["n"]) == {57}
    for name in ("rho", "low", "high"):
        assert shown[name].equals(expected[name])
    # Not even a proxy that failed throughout takes the ranking away; it stays listed apart.
    assert page.dataframe[1].value["proxy"].tolist() == ["jacobian"]
    assert any("only the 57 architectures scored by all" in caption.value for caption in page.caption)


def test_the_ceiling_is_told_where_seeds_tell_it(benchmark: Path, visit: Open) -> None:
    page = visit(benchmark)
    with Benchmark.open(benchmark) as planted:
        where = ("digits", "published", "paper", "autoformer-micro", "test")
        row = planted.noise(*where).to_pylist()[0]
    told = f"about {row['ceiling']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    assert any(told in caption.value for caption in page.caption)
    shown = reading.noise(Filters("autoformer-micro", "digits", "published", "paper", "digits"))
    assert shown["ceiling"] == row["ceiling"]


def test_the_scatter_draws_the_architectures_that_count(benchmark: Path, visit: Open) -> None:
    visit(benchmark)
    where = Filters("autoformer-micro", "digits", "scratch", "micro", "digits")
    shared = replace(where, shared=tuple(CORRELATIONS))
    failed = set(reading.points(where, "snip")["arch_id"]) - set(reading.points(where, "grasp")["arch_id"])
    left = reading.points(shared, "snip")
    assert len(failed) == 3 and len(left) == 57 * 2
    assert failed.isdisjoint(left["arch_id"])


def test_no_switch_where_all_proxies_have_the_same_architectures(
    benchmark: Path, visit: Open, tmp_path: Path
) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    for part in (root / "scores").rglob("grasp-*.parquet"):
        part.unlink()
    page = visit(root, **SCRATCH)
    assert len(table(page)) and [toggle.key for toggle in page.toggle] == ["controls"]


def test_nothing_scored_by_every_proxy_is_one_line(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    for proxy, mine in (("early", names[:30]), ("late", names[30:])):
        rows = [score_row(name, float(place), proxy=proxy) for place, name in enumerate(mine)]
        write_part(root, "scores", rows, proxy)
    page = visit(root, **SCRATCH, shared="yes")
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
    return error.value


def test_a_genome_without_genes_is_coloured_by_params(benchmark: Path, visit: Open, tmp_path: Path) -> None:
    root = shutil.copytree(benchmark, tmp_path / "copy")
    with Benchmark.open(root) as planted:
        rows = planted.architectures("autoformer-micro").to_pylist()
    write_part(root, "architectures", [row | {"genome": '"|conv|"'} for row in rows], "autoformer-micro")
    page = visit(root, **SCRATCH)
    assert len(table(page))
    assert page.selectbox(key="colour").options == ["params"]
