"""Opening, reading, and what is said when something is wrong."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import SCHEMA_VERSION, TABLES, Benchmark, StoreError, write_part
from store.compact import compact
from store.parts import find_parts
from tests.store.planted import CORRELATIONS, accuracy_row, score_row, write_planted, write_run


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_names(planted):
    assert planted.spaces() == ["autoformer-micro"]
    assert planted.tasks() == ["digits", "flowers"]
    assert planted.protocols() == ["published", "scratch"]
    assert planted.recipes() == ["micro", "paper"]
    assert planted.splits() == ["test"]
    assert planted.proxies() == sorted(CORRELATIONS)


def test_architectures(planted):
    assert planted.architectures().schema.names == TABLES["architectures"].schema.names
    assert len(planted.architectures("autoformer-micro")) == 60


def test_scores_are_filtered_and_keep_failures(planted):
    found = planted.scores(None, "digits", "grasp", "autoformer-micro")
    assert found.schema.names == ["space", *TABLES["scores"].schema.names]
    assert len(found) == 60 * 2
    assert found["value"].null_count == 3 * 2
    assert set(found["task"].to_pylist()) == {"digits"}


def test_accuracy_is_the_mean_of_final_epochs(tmp_path):
    rows = [
        accuracy_row("a", 0.9, epoch=1),
        accuracy_row("a", 0.5),
        accuracy_row("a", 0.7, seed=1, epoch=20),
        accuracy_row("a", 0.1, seed=1, split="valid"),
        accuracy_row("b", 0.4),
        accuracy_row("c", 0.6, epoch=1),
        accuracy_row("c", None),
        accuracy_row("a", 0.2, recipe="other"),
    ]
    write_part(tmp_path, "accuracies", rows, "part")
    with Benchmark.open(tmp_path) as benchmark:
        found = (
            benchmark.accuracy(recipe="micro")
            .select(["arch_id", "accuracy", "accuracy_std", "seeds"])
            .to_pylist()
        )
        assert benchmark.accuracy(recipe="other")["accuracy"].to_pylist() == [0.2]
        assert benchmark.accuracy(split="valid")["accuracy"].to_pylist() == [0.1]
    assert [tuple(row.values()) for row in found] == [
        ("a", pytest.approx(0.6), pytest.approx(0.02**0.5), 2),
        ("b", 0.4, None, 1),
        ("c", None, None, 0),
    ]


def test_latest_run_wins_whatever_the_order_of_files(tmp_path):
    write_run(tmp_path, "old", 0)
    write_run(tmp_path, "new", 9)
    write_run(tmp_path, "tie", 9)
    for name, runs in {"a": "stray old", "b": "new old", "c": "new tie", "d": "old stray new tie"}.items():
        for place, run in enumerate(runs.split()):
            value = {"stray": 0.0, "old": 1.0, "new": 2.0, "tie": 3.0}[run]
            write_part(tmp_path, "scores", [score_row(name, value, run_id=run)], f"{name}{place}")
    with Benchmark.open(tmp_path) as benchmark:
        found = benchmark.scores()
        every = benchmark.sql("SELECT count(*) AS n, count(DISTINCT part) AS parts FROM parts.scores")
    assert dict(zip(*(found[name].to_pylist() for name in ("arch_id", "value")), strict=True)) == {
        "a": 1.0,
        "b": 2.0,
        "c": 3.0,
        "d": 3.0,
    }
    assert every.to_pylist() == [{"n": 10, "parts": 10}]


def test_absent_tables_are_empty_and_typed(tmp_path):
    write_run(tmp_path, "only")
    with Benchmark.open(tmp_path) as benchmark:
        for name, wanted in TABLES.items():
            found = benchmark.sql(f"SELECT * FROM {name}")
            assert found.schema.names == wanted.schema.names
            assert name == "runs" or len(found) == 0
            assert [field.type for field in found.schema] == [field.type for field in wanted.schema]
        assert len(benchmark.accuracy()) == len(benchmark.rank()) == 0
        assert benchmark.tasks() == []
        with pytest.raises(StoreError) as caught:
            benchmark.rank(task="digits")
        assert one_line(caught) == "Unknown task 'digits'. This benchmark has none yet."


def test_temporary_files_and_odd_folder_names_do_not_matter(tmp_path):
    root = tmp_path / "it's [1] task=x"
    path = write_part(root, "scores", [score_row("a", 1.0, task="digits")], "task=flowers/part")
    path.with_name(".other.parquet.tmp").write_bytes(b"half")
    with Benchmark.open(root) as benchmark:
        assert benchmark.scores()["task"].to_pylist() == ["digits"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda b: b.rank(task="digit"), "Unknown task 'digit'. Did you mean 'digits'?"),
        (lambda b: b.rank(scores_from="flower"), "Unknown task 'flower'. Did you mean 'flowers'?"),
        (lambda b: b.accuracy(protocol="scrach"), "Unknown protocol 'scrach'. Did you mean 'scratch'?"),
        (lambda b: b.accuracy(recipe="macro"), "Unknown recipe 'macro'. Did you mean 'micro'?"),
        (lambda b: b.accuracy(split="tst"), "Unknown split 'tst'. Did you mean 'test'?"),
        (
            lambda b: b.architectures("autoformer"),
            "Unknown space 'autoformer'. Did you mean 'autoformer-micro'?",
        ),
        (lambda b: b.scores(proxy="snp"), "Unknown proxy 'snp'. Did you mean 'snip'?"),
        (lambda b: b.rank(proxies=["snp"]), "Unknown proxy 'snp'. Did you mean 'snip'?"),
        (lambda b: b.compare("snip", "zicko"), "Unknown proxy 'zicko'. Did you mean 'zico'?"),
        (lambda b: b.rank(task="???"), "Unknown task '???'. Known: digits, flowers."),
        (lambda b: b.rank(params=(2, 1)), "The band (2, 1) is empty. Give (smallest, largest) params."),
        (lambda b: b.rank(draws=-1), "draws is -1. Give 0 or more; 1000 is usual."),
        (lambda b: b.missing("scores", pa.table({"arch_id": ["a"]})), "keys have no column 'task'"),
        (
            lambda b: b.missing("score", pa.table({"arch_id": ["a"]})),
            "Unknown table 'score'. Did you mean 'scores'?",
        ),
        (lambda b: b.sql("SELECT valu FROM scores"), "sql: Binder Error"),
        (lambda b: b.sql("SELEC 1"), "sql: Parser Error: syntax error at or near"),
        (lambda b: b.sql("SELECT * FROM scors"), "sql: Catalog Error: Table with name scors does not exist"),
        (lambda b: b.sql("SELECT error('no')"), "sql: Invalid Input Error"),
        (lambda b: b.sql(""), "sql: this is not one statement that gives a table. Ask with SELECT."),
    ],
)
def test_mistakes_are_told_in_one_line(planted, ask, message):
    with pytest.raises(StoreError) as caught:
        ask(planted)
    assert message in one_line(caught)


def test_paths_without_a_benchmark_are_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(StoreError) as caught:
            Benchmark.open(path)
        assert one_line(caught).startswith(f"No benchmark at {path}: ")


@pytest.mark.parametrize("length", [0, 3, 100, -1, -9])
def test_truncated_part_is_named_when_opening(tmp_path, length):
    path = write_part(tmp_path, "scores", [score_row("a", 1.0)], "part")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StoreError) as caught:
        Benchmark.open(tmp_path)
    assert one_line(caught).startswith(f"{path} is not a whole Parquet file")


def test_damaged_page_is_named_when_asked(tmp_path):
    rows = [score_row(f"{index:016x}", float(index)) for index in range(500)]
    path = write_part(tmp_path, "scores", rows, "part")
    data = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(0).column(4).dictionary_page_offset
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    with Benchmark.open(tmp_path) as benchmark, pytest.raises(StoreError) as caught:
        benchmark.scores()
    assert one_line(caught).startswith(f"{path} is damaged")


def merged_meanwhile(root):
    """A benchmark and the same with one's own scores, both opened before their parts were merged."""
    write_planted(root, architectures=4, failures=0)
    with Benchmark.open(root) as benchmark:
        first = benchmark.architectures()["arch_id"][0].as_py()
        own = benchmark.with_scores([{"arch_id": first, "value": 1.0}], task="digits")
        compact(root, "scores")
        assert not any(path.exists() for path in benchmark.connection.parts["scores"])
        yield benchmark
        yield own


@pytest.mark.parametrize(
    ("ask", "of_own"), [(Benchmark.scores, 1), (Benchmark.rank, 2), (lambda one: one.sql("FROM scores"), 1)]
)
def test_parts_that_were_merged_meanwhile_are_read_from_what_they_became(tmp_path, ask, of_own):
    with Benchmark.open(write_planted(tmp_path / "left alone", architectures=4, failures=0)) as alone:
        wanted = len(ask(alone))
    counts = [len(ask(one)) for one in merged_meanwhile(tmp_path / "merged")]
    assert counts == [wanted, wanted + of_own]


def test_parts_that_are_merged_while_a_benchmark_is_opened_are_found_where_they_went(tmp_path):
    root = write_planted(tmp_path, architectures=4, failures=0)
    listed = find_parts(root)
    compact(root, "scores")
    with Benchmark(root, listed, find=lambda: find_parts(root)) as benchmark:
        assert len(benchmark.scores()) == 4 * 2 * 2 * len(CORRELATIONS)
    with pytest.raises(StoreError, match="is gone. Open the benchmark again."):
        Benchmark(root, listed)


def test_rows_of_a_part_that_was_taken_out_are_gone(tmp_path):
    path = write_part(tmp_path, "scores", [score_row("a", 1.0)], "part")
    with Benchmark.open(tmp_path) as benchmark:
        path.unlink()
        assert len(benchmark.scores()) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.replace_schema_metadata({"schema_version": "99"}),
            f"has schema version 99, this code reads {SCHEMA_VERSION}. Ins",
        ),
        (
            lambda t: t.replace_schema_metadata({"schema_version": "0"}),
            f"has schema version 0, this code reads {SCHEMA_VERSION}. Build",
        ),
        (lambda t: t.replace_schema_metadata(None), "carries no schema version"),
        (lambda t: t.drop_columns(["proxy"]), "has no column 'proxy'"),
        (
            lambda t: t.set_column(3, "seed", t["seed"].cast("int32")),
            "column 'seed' is int32, expected int64",
        ),
    ],
)
def test_part_of_another_schema_is_named_when_opening(tmp_path, change, message):
    path = write_part(tmp_path, "scores", [score_row("a", 1.0)], "part")
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(StoreError) as caught:
        Benchmark.open(tmp_path)
    assert message in one_line(caught)
    assert str(path) in str(caught.value)


def test_missing_keeps_order_and_further_columns(tmp_path):
    write_part(tmp_path, "scores", [score_row("a", 1.0), score_row("b", None)], "part")
    ids = ["d", "b", "c", "a", "a"]
    keys = pa.table(
        {"arch_id": ids, "task": "digits", "proxy": "snip", "seed": [0, 0, 0, 0, 1], "genome": list("DBCAA")}
        | {"task": ["digits"] * 5, "proxy": ["snip"] * 5}
    )
    with Benchmark.open(tmp_path) as benchmark:
        left = benchmark.missing("scores", keys)
        assert left.to_pylist() == [keys.to_pylist()[row] for row in (0, 2, 4)]
        assert benchmark.missing("scores", keys.slice(0, 0)).num_rows == 0
        assert benchmark.missing("searches", pa.table({"search_id": ["x"]})).num_rows == 1


def test_questions_from_several_threads(planted):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: planted.rank(task="digits", draws=5).num_rows, range(8)))
    assert counts == [18] * 8


def test_a_benchmark_in_a_folder_named_like_a_table_is_another(tmp_path):
    write_run(tmp_path, "own")
    for table in ("scores", "runs"):
        other = tmp_path / table / "demo"
        write_run(other, "other")
        write_part(other, "scores", [score_row("b", 2.0)], "digits/snip")
    write_part(tmp_path, "scores", [score_row("a", 1.0)], "digits/snip")
    with Benchmark.open(tmp_path) as benchmark:
        assert benchmark.scores()["arch_id"].to_pylist() == ["a"]
        assert benchmark.sql("SELECT run_id FROM runs")["run_id"].to_pylist() == ["own"]
    with Benchmark.open(tmp_path / "runs" / "demo") as benchmark:
        assert benchmark.scores()["arch_id"].to_pylist() == ["b"]
