"""One architecture, several tasks, bands, your own scores, differences, and what SQL may not reach."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from store import TABLES, Benchmark, StoreError, write_part
from store.benchmark import ANSWERS
from tests.store.planted import score_row, write_planted, write_run


@pytest.fixture
def first(planted):
    """One architecture: its row."""
    return planted.architectures().to_pylist()[0]


def test_one_architecture_by_id_genome_or_text(planted, first):
    values = json.loads(first["genome"])
    wanted = planted.scores(first["arch_id"], "digits")
    assert len(wanted) == 18 and set(wanted["arch_id"].to_pylist()) == {first["arch_id"]}
    as_real = {name: float(value) for name, value in values.items()}
    has_id = SimpleNamespace(arch_id=first["arch_id"])
    for name in (values, as_real, first["genome"], f" {json.dumps(as_real)}", has_id):
        assert planted.scores(name, "digits").equals(wanted), name
    accuracy = planted.accuracy(values, "digits", protocol="scratch").to_pylist()
    assert [(row["arch_id"], row["recipe"], row["seeds"]) for row in accuracy] == [
        (first["arch_id"], "micro", 2)
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits", "No architecture 'digits': that is a task. Write task='digits'."),
        (
            {"depth": -1},
            "No architecture here has the genome {'depth': -1}. architectures() lists all genomes.",
        ),
        ("{depth", "{depth is no architecture. Give an arch_id, or a genome as a dict or JSON text."),
        ({"depth": {1}}, "{'depth': {1}} is no architecture. Give an arch_id, or a genome"),
        (7, "7 is no architecture. Give an arch_id, or a genome as a dict or JSON text."),
    ],
)
def test_no_such_architecture(planted, name, message):
    with pytest.raises(StoreError, match="^[^\n]*$") as caught:
        planted.scores(name)
    assert message in str(caught.value)


def test_a_mistyped_id_is_suggested(planted, first):
    with pytest.raises(StoreError, match=f"Did you mean '{first['arch_id']}'"):
        planted.accuracy(first["arch_id"][:-1] + "x")


def test_a_genome_of_two_spaces_wants_its_space(tmp_path):
    root = write_planted(tmp_path, 6, spaces=("autoformer-micro", "nasbench201"), tasks=("digits",))
    with Benchmark.open(root) as benchmark:
        with pytest.raises(StoreError, match="autoformer-micro, nasbench201 have the genome"):
            benchmark.arch_id({"depth": 3})
        found = benchmark.accuracy({"depth": 3}, space="nasbench201")
    assert set(found["space"].to_pylist()) == {"nasbench201"}


def test_several_names_are_each_of_them(planted):
    both = planted.rank(task=["flowers", "digits"], protocol="scratch", draws=20)
    alone = [planted.rank(task=name, protocol="scratch", draws=20) for name in ("digits", "flowers")]
    assert both.equals(pa.concat_tables(alone))
    assert planted.scores(proxy=["snip", "zico"], task="digits").num_rows == 60 * 2 * 2
    assert planted.accuracy(task=[]).num_rows == 0
    with pytest.raises(StoreError, match="Unknown task 'flower'"):
        planted.rank(task=["digits", "flower"])


def test_ranked_given_params_inside_a_band(planted):
    size = np.sort(planted.architectures()["params"].to_numpy())
    band = (float(size[10]), float(size[49]))
    found = planted.rank("digits", "scratch", given="params", band=band, draws=200).to_pylist()
    assert {row["n"] for row in found if row["proxy"] != "grasp"} == {40}
    partial = [row["rho_given_params"] for row in found if row["rank"]]
    assert partial == sorted(partial, reverse=True) and found[-1]["proxy"] == "params"
    for row in found[:-1]:
        assert row["low_given_params"] < row["rho_given_params"] < row["high_given_params"]
    by_rho = planted.rank("digits", "scratch", band=band, draws=200)
    assert by_rho.equals(planted.rank("digits", "scratch", params=band, draws=200))
    assert by_rho["low_given_params"].null_count == len(by_rho)
    with pytest.raises(StoreError, match="band and params are one thing"):
        planted.rank("digits", band=band, params=band)
    with pytest.raises(StoreError, match="Unknown given 'param'. Did you mean 'params'"):
        planted.rank("digits", given="param")


def own_table(planted):
    names = planted.accuracy(None, "digits", "scratch").select(["arch_id", "accuracy"])
    return names.rename_columns(["arch_id", "value"])


@pytest.mark.parametrize(
    "kind",
    [
        lambda table: table,
        lambda table: table.to_pandas(),
        lambda table: table.to_pandas().sort_values("value").assign(seed=[0.0, *[None] * 59]),
        lambda table: table.to_pandas().set_index("arch_id"),
        lambda table: pl.from_arrow(table),
        lambda table: table.to_pydict(),
        lambda table: table.to_pylist(),
    ],
)
def test_your_own_scores_are_ranked_beside_the_others(planted, kind):
    mine = planted.with_scores(kind(own_table(planted)), "oracle", task="digits")
    best = mine.rank("digits", "scratch", draws=0).to_pylist()[0]
    assert (best["proxy"], best["rank"], best["n"]) == ("oracle", 1, 60)
    assert best["rho"] == pytest.approx(1.0, abs=1e-12) and best["unscored"] == 0
    assert mine.compare("oracle", "zico", "digits", "scratch", draws=100)["separable"].to_pylist() == [True]
    assert "oracle" not in planted.proxies() and mine.scores(proxy="oracle", task="flowers").num_rows == 0


def test_your_own_scores_by_genome_on_every_task(planted):
    rows = planted.architectures().to_pylist()
    table = [
        {"genome": json.loads(row["genome"]), "value": row["params"] if place else float("nan")}
        for place, row in enumerate(rows)
    ]
    both = planted.with_scores(table).with_scores(own_table(planted), "other")
    found = {(row["task"], row["proxy"]): row for row in both.rank(protocol="scratch", draws=0).to_pylist()}
    for task in ("digits", "flowers"):
        assert (found[task, "mine"]["n"], found[task, "mine"]["failed"]) == (59, 1)
        assert (task, "other") in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch_id": "no"}, "with_scores: row 2: Unknown architecture 'no'. Known: "),
        ({"value": "much"}, "row 2: value 'much' is no number. Nothing was taken."),
        ({"proxy": "snip"}, "row 2: proxy 'snip' is in the benchmark already; give another name"),
        ({"task": "digit"}, "row 2: Unknown task 'digit'. Did you mean 'digits'?"),
        ({"arch_id": None}, "row 2: no arch_id and no genome"),
        ({"seed": 0.5}, "row 2: seed 0.5 is no whole number"),
        ({"seed": True}, "row 2: seed True is no whole number"),
        ({"seed": 2**70}, f"row 2: seed {2**70} is no whole number"),
        ({"value": True}, "row 2: value True is no number"),
        ({"value": 10**400}, "0 is no number"),
        ({"seconds": "fast"}, "row 2: seconds 'fast' is no number"),
        ({"seconds": -1.0}, "row 2: seconds -1.0 is no duration"),
        ({"proxy": 7}, "row 2: proxy 7 is no name"),
        ({"proxy": ""}, "row 2: proxy '' is no name"),
        ({"genome": '{"depth": 7}'}, "row 2: arch_id and genome are of two architectures"),
        ({"arch_id": float("nan"), "genome": '{\n"depth": 99}'}, 'the genome { "depth": 99}'),
        ({"vlaue": 1}, "with_scores: Unknown column 'vlaue'. Did you mean 'value'?"),
    ],
)
def test_wrong_rows_of_your_own_are_named(planted, change, message):
    rows = own_table(planted).to_pylist()
    rows[2] |= change
    with pytest.raises(StoreError, match="^[^\n]*$") as caught:
        planted.with_scores(rows)
    assert message in str(caught.value)


def test_wrong_tables_of_your_own_are_named(planted):
    rows = own_table(planted).to_pylist()
    for table, message in (
        (
            [*rows, *rows],
            "row 60: repeats architecture, task, proxy and seed of row 0; row 61: .*; and 55 more",
        ),
        ([], "the table has no rows"),
        ({"arch_id": ["a"], "value": [1, 2]}, r"the columns have \[1, 2\] rows"),
        (7, "int is no table"),
        ({"a": 1.0}, "dict is no table"),
        ([("a", 1.0)], "list is no table"),
        (pd.DataFrame({"value": [1.0]}), "give the columns arch_id or genome, and value"),
    ):
        with pytest.raises(StoreError, match=message):
            planted.with_scores(table)


def test_every_column_is_described(planted):
    everything = planted.describe().to_pylist()
    assert {row["table"] for row in everything} >= TABLES.keys() | ANSWERS.keys()
    assert all(row["unit"] and row["meaning"] for row in everything)
    assert planted.describe("rank")["column"].to_pylist() == planted.rank(draws=0).column_names
    with pytest.raises(StoreError, match="Did you mean 'compare'"):
        planted.describe("compar")


@pytest.mark.parametrize("question", ["accuracy", "curves", "overall", "by_seed", "layers", "searches"])
def test_what_a_question_answers_with_is_described_under_its_name(planted, question):
    told = [row["column"] for row in planted.describe(question).to_pylist()]
    found = getattr(planted, question)().column_names
    assert told[-len(found) :] == found


@pytest.mark.parametrize("view", ["trainings", "final_accuracies", *TABLES])
def test_what_a_view_has_is_described_under_its_name(planted, view):
    told = [row["column"] for row in planted.describe(view).to_pylist() if row["table"] == view]
    assert told == planted.sql(f"FROM {view} LIMIT 0").column_names


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda b: b.rank(protocol=["scratch", "published"]),
            "protocol is .*. Give one name, or None for all",
        ),
        (lambda b: b.rank(draws=0, space=["autoformer-micro"]), "space is .*. Give one name"),
        (lambda b: b.rank(split=None), "split is None. Name one, such as 'test'"),
        (lambda b: b.rank(band=5), "The band is 5. Give .smallest, largest. params"),
        (lambda b: b.rank(band=("a", "b")), "The band is .* Give .smallest, largest. params"),
        (lambda b: b.rank(seeds=[99]), "Unknown seed '99'. Known: 0, 1"),
        (lambda b: b.rank(seeds=0), "seeds is 0. Give several, or None for all"),
        (lambda b: b.rank(draws=1.5), "draws is 1.5. Give 0 or more"),
        (lambda b: b.rank(seed=-1), "seed is -1. Give a whole number of 0 or more"),
        (lambda b: b.groups(draws=1), "draws is 1. Give 2 or more"),
        (lambda b: b.compare("snip", ("zico",)), r"compare: \('zico',\) names no scores"),
        (lambda b: b.compare("snip", ("zico", 9)), "Unknown seed '9'"),
        (lambda b: b.agreement(first=("scratch",)), "agreement: .* names no accuracies"),
        (lambda b: b.searches(strategy="nope"), "Unknown strategy 'nope'"),
        (lambda b: b.accuracy(5), "5 is no architecture"),
        (lambda b: b.diff("here"), "diff: 'here' is no opened benchmark"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(planted, ask, message):
    with pytest.raises(StoreError, match=f"^[^\n]*{message}[^\n]*$"):
        ask(planted)


def test_differences_between_two(tmp_path, planted):
    for name, values in (("old", [1.0, 2.0, 3.0]), ("new", [1.0, 2.5, None])):
        write_run(tmp_path / name, "run")
        rows = [score_row(str(place), value) for place, value in enumerate(values)]
        rows += [score_row("only", 1.0, proxy="zico" if name == "new" else "swap")]
        write_part(tmp_path / name, "scores", rows, "part")
    with Benchmark.open(tmp_path / "old") as old, Benchmark.open(tmp_path / "new") as new:
        found = {row["what"]: row for row in new.diff(old).to_pylist()}
    counts = {
        what: tuple(row[name] for name in ("added", "removed", "changed", "same"))
        for what, row in found.items()
    }
    assert counts == {"snip": (0, 0, 2, 1), "swap": (0, 1, 0, 0), "zico": (1, 0, 0, 0)}
    mine = planted.with_scores(own_table(planted), "oracle", task="digits")
    moved = mine.moves(planted).to_pylist()
    assert {row["task"] for row in moved} == {"digits"}
    assert {
        (row["proxy"], row["old_rank"], row["rank"]) for row in moved if row["protocol"] == "scratch"
    } >= {
        ("oracle", None, 1),
        ("zico", 1, 2),
    }
    assert planted.moves(planted).num_rows == 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "COPY (SELECT 1) TO '{other}'",
        "COPY (SELECT 1) TO '{part}' (FORMAT parquet)",
        "ATTACH '{other}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW scores",
        "SELECT 1; SELECT 2",
        "SELECT * FROM '{own}'",
    ],
)
def test_sql_reaches_no_file_and_no_network(tmp_path, query):
    root = tmp_path / "benchmark"
    part = write_part(root, "scores", [score_row("a", 1.0)], "part")
    own = tmp_path / "own.parquet"
    own.write_bytes(before := part.read_bytes())
    with Benchmark.open(root) as benchmark:
        with pytest.raises(StoreError, match="^sql: [^\n]*$"):
            benchmark.sql(query.format(part=part, own=own, other=tmp_path / "other"))
        assert benchmark.sql("FROM scores").num_rows == 1
    assert part.read_bytes() == before and not (tmp_path / "other").exists()


def test_a_relative_path_is_of_the_folder_it_was_opened_in(tmp_path, monkeypatch):
    write_part(tmp_path / "here", "scores", [score_row("a", 1.0)], "part")
    monkeypatch.chdir(tmp_path)
    with Benchmark.open("here") as benchmark:
        monkeypatch.chdir("/")
        assert benchmark.scores().num_rows == 1


def test_a_version_nobody_published(tmp_path, monkeypatch):
    monkeypatch.setenv("VITZERO_HOME", str(tmp_path))
    with pytest.raises(
        StoreError, match=r"^No public release 1\.0\.0\. No release has been published yet\. [^\n]*$"
    ):
        Benchmark.open("1.0.0")
