"""Means over tasks, single seeds, the Pareto front and nearest architectures, on planted rows."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from store import Benchmark, StoreError, write_part
from store.front import front
from tests.store.planted import CORRELATIONS, accuracy_row, score_row, write_planted, write_run

WHERE = {"protocol": "scratch", "recipe": "micro"}


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory):
    with Benchmark.open(write_planted(tmp_path_factory.mktemp("overall"))) as planted:
        yield planted


def by_proxy(table) -> dict[str, dict]:
    return {row["proxy"]: row for row in table.to_pylist()}


def test_one_task_is_its_own_mean(benchmark: Benchmark) -> None:
    alone = by_proxy(benchmark.rank("digits", **WHERE))
    overall = by_proxy(benchmark.overall("digits", **WHERE))
    assert list(alone) == list(overall)
    for proxy, row in overall.items():
        for name in ("rank", "rho", "low", "high", "n", "failed", "seeds", "control"):
            assert row[name] == pytest.approx(alone[proxy][name]), (proxy, name)


def test_the_mean_is_over_tasks_and_its_interval_is_of_the_mean(benchmark: Benchmark) -> None:
    each = [by_proxy(benchmark.rank(task, **WHERE)) for task in ("digits", "flowers")]
    overall = by_proxy(benchmark.overall(**WHERE))
    for proxy in CORRELATIONS:
        rhos = [rows[proxy]["rho"] for rows in each]
        row = overall[proxy]
        assert row["rho"] == pytest.approx(np.mean(rhos)) and row["low"] < row["rho"] < row["high"]
        assert (row["tasks"], row["of_tasks"]) == (2, 2)
        # Two tasks tell more than one: the mean's interval is narrower than that of its wider task.
        assert row["high"] - row["low"] < max(rows[proxy]["high"] - rows[proxy]["low"] for rows in each)


def test_a_proxy_without_rho_on_one_task_has_no_mean(benchmark: Benchmark) -> None:
    rows = [{"arch_id": name, "value": float(place)} for place, name in enumerate(ids(benchmark))]
    with benchmark.with_scores(rows, proxy="half", task="digits") as more:
        row = by_proxy(more.overall(**WHERE))["half"]
        names = more.overall(**WHERE)["proxy"].to_pylist()
    assert (row["rho"], row["rank"], row["first_place"], row["tasks"]) == (None, None, None, 1)
    assert names[-1] == "half"


def test_what_was_asked_before_changes_no_answer(benchmark: Benchmark) -> None:
    asked = [{"given": given, "draws": draws} for given in ("params", None) for draws in (0, 50, 0)]
    here = {task: [benchmark.overall(task, **WHERE, **how) for how in asked] for task in ("digits", None)}
    rhos = [benchmark.rhos(task, **WHERE) for task in here]
    for task, answers in here.items():
        for how, answer in zip(asked, answers, strict=True):
            with Benchmark.open(benchmark.path) as fresh:
                assert fresh.overall(task, **WHERE, **how).equals(answer)
    for task, answer in zip(here, rhos, strict=True):
        with Benchmark.open(benchmark.path) as fresh:
            assert fresh.rhos(task, **WHERE).equals(answer)


def test_places_follow_from_what_can_be_told_apart(benchmark: Benchmark) -> None:
    rows = by_proxy(benchmark.overall("digits", **WHERE))
    assert rows["zico"]["first_place"] == 1
    # Planted far apart: the best is surely before the worst.
    assert rows["zico"]["last_place"] < rows["grasp"]["first_place"]
    for row in rows.values():
        assert row["first_place"] <= row["rank"] <= row["last_place"]


def test_no_draws_no_intervals_and_the_same_order(benchmark: Benchmark) -> None:
    quick = benchmark.overall(**WHERE, draws=0)
    assert quick["proxy"].equals(benchmark.overall(**WHERE)["proxy"])
    assert quick["low"].null_count == quick["first_place"].null_count == len(quick)


def test_given_params_is_ranked_by_the_partial_rho(benchmark: Benchmark) -> None:
    alone = by_proxy(benchmark.rank("digits", **WHERE, given="params"))
    overall = by_proxy(benchmark.overall("digits", **WHERE, given="params"))
    assert overall["params"]["rank"] is None
    for proxy in set(CORRELATIONS) - {"params"}:
        assert overall[proxy]["rank"] == alone[proxy]["rank"]
        assert overall[proxy]["low"] == pytest.approx(alone[proxy]["low_given_params"])
    with pytest.raises(StoreError, match="Unknown given 'macs'"):
        benchmark.overall("digits", given="macs")


def test_several_recipes_of_one_task_are_not_mixed(tmp_path: Path) -> None:
    recipes = (("scratch", "one"), ("scratch", "other"))
    with (
        Benchmark.open(write_planted(tmp_path, recipes=recipes)) as planted,
        pytest.raises(StoreError, match="'one' and of 'other', which are never mixed"),
    ):
        planted.overall(protocol="scratch", draws=0)


def test_a_seed_alone_is_scipys_rho_of_its_scores(benchmark: Benchmark) -> None:
    accuracy = {
        row["arch_id"]: row["accuracy"] for row in benchmark.accuracy(task="digits", **WHERE).to_pylist()
    }
    scores = benchmark.scores(task="digits", proxy="snip").to_pylist()
    rows = [
        row for row in benchmark.by_seed("digits", **WHERE, draws=50).to_pylist() if row["proxy"] == "snip"
    ]
    assert [row["seed"] for row in rows] == [0, 1]
    for row in rows:
        mine = [(one["value"], accuracy[one["arch_id"]]) for one in scores if one["seed"] == row["seed"]]
        assert row["rho"] == pytest.approx(stats.spearmanr(*zip(*mine, strict=True)).statistic, abs=1e-12)
        assert row["low"] <= row["rho"] <= row["high"] and row["n"] == 60
    assert by_proxy(benchmark.rank("digits", **WHERE, draws=0))["snip"]["rho"] == pytest.approx(
        np.mean([row["rho"] for row in rows])
    )
    only = by_proxy(benchmark.rank("digits", **WHERE, draws=0, seeds=[1]))["snip"]
    assert (only["rho"], only["seeds"]) == (pytest.approx(rows[1]["rho"]), 1)


def test_the_front_is_what_no_other_beats() -> None:
    generator = np.random.default_rng(0)
    price, worth = generator.integers(1, 12, 40).astype(float), generator.integers(1, 12, 40).astype(float)
    price[0], worth[1] = np.nan, np.inf
    found = front(price, worth)
    assert not found[:2].any() and found.any()
    known = range(2, 40)
    for row in known:
        beaten = any(
            price[other] <= price[row]
            and worth[other] >= worth[row]
            and (price[other], worth[other]) != (price[row], worth[row])
            for other in known
        )
        assert found[row] == (not beaten)


def ids(benchmark: Benchmark) -> list[str]:
    return benchmark.architectures()["arch_id"].to_pylist()


@pytest.fixture
def genomes(tmp_path: Path):
    """Four architectures of one space, and one of another."""
    write_run(tmp_path, "planted")
    genomes = [
        {"depth": 2, "ratio": [1.0, 2.0], "kind": "a"},
        {"depth": 2, "ratio": [1.0, 3.0], "kind": "a"},
        {"depth": 4, "ratio": [1.0, 2.0, 1.0, 1.0], "kind": "a"},
        {"depth": 2, "ratio": [1.0, 2.0], "kind": "b"},
    ]
    rows = [
        {"arch_id": f"{place:016x}", "space": "micro", "genome": json.dumps(genome, sort_keys=True)}
        | {"params": 1, "macs": 1, "sample_seed": 0, "sample_index": place, "run_id": "planted"}
        for place, genome in enumerate(genomes)
    ]
    rows.append(rows[0] | {"arch_id": f"{9:016x}", "space": "other"})
    write_part(tmp_path, "architectures", rows, "part")
    with Benchmark.open(tmp_path) as planted:
        yield planted


def test_neighbours_are_of_its_space_nearest_first(genomes: Benchmark) -> None:
    found = genomes.neighbours(f"{0:016x}").to_pylist()
    assert [row["arch_id"] for row in found] == [f"{place:016x}" for place in (1, 3, 2)]
    # ratio: one of two positions, half of the range 1..3; the two other fields are the same.
    assert found[0]["distance"] == pytest.approx((1 / 2) / 2 / 3)
    assert (found[1]["distance"], found[1]["fields"]) == (pytest.approx(1 / 3), "kind")
    # depth: the whole range; ratio: the two positions that only one of them has count 1 of 4.
    assert found[2]["distance"] == pytest.approx((1 + 2 / 4) / 3)


def test_the_distance_is_the_same_both_ways(genomes: Benchmark) -> None:
    names = [f"{place:016x}" for place in range(4)]
    apart = {
        (name, row["arch_id"]): row["distance"]
        for name in names
        for row in genomes.neighbours(name).to_pylist()
    }
    for one, other in itertools.combinations(names, 2):
        assert apart[one, other] == pytest.approx(apart[other, one])


def test_neighbours_of_nothing_and_of_too_few(genomes: Benchmark) -> None:
    assert len(genomes.neighbours(f"{0:016x}", count=1)) == 1
    with pytest.raises(StoreError, match="Unknown architecture"):
        genomes.neighbours("nothing")
    with pytest.raises(StoreError, match="count is 0"):
        genomes.neighbours(f"{0:016x}", count=0)


def test_unscored_and_failed_are_counted_over_tasks(tmp_path: Path) -> None:
    write_planted(tmp_path)
    with Benchmark.open(tmp_path) as planted:
        names = ids(planted)
    rows = [
        score_row(name, None if place < 2 else float(place), proxy="late")
        for place, name in enumerate(names[:50])
    ]
    rows += [row | {"task": "flowers"} for row in rows]
    write_part(tmp_path, "scores", rows, "late")
    write_part(tmp_path, "accuracies", [accuracy_row(names[0], 0.5, recipe="micro")], "again")
    with Benchmark.open(tmp_path) as planted:
        row = by_proxy(planted.overall(**WHERE, draws=0))["late"]
    assert (row["failed"], row["unscored"], row["n"]) == (4, 20, 48)
