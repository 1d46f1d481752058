"""Parts are validated, and seen whole or not at all."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import TABLES, Benchmark, StoreError, write_part
from store.write import HOST, clean_temporary, part_name
from tests.store.planted import accuracy_row, score_row, write_run

WRITER = """
import sys
from store import write_part
from tests.store.planted import score_row
rows = [score_row(f"{index:016x}", float(index)) for index in range(200)]
count = 0
while True:
    if count == 1:
        print("ready", flush=True)
    write_part(sys.argv[1], "scores", rows, f"many/part{count % 20}")
    count += 1
"""


def test_rows_come_back_as_written(tmp_path):
    rows = [score_row("a", 1.5), score_row("b", None), score_row("c", 0.0, peak_bytes=2**40, seed=7)]
    path = write_part(tmp_path, "scores", rows, "digits/snip")
    assert path == tmp_path / "scores" / "digits" / "snip.parquet"
    found = pq.read_table(path)
    assert found.to_pylist() == rows
    assert found.schema.equals(TABLES["scores"].schema, check_metadata=True)
    with Benchmark.open(tmp_path) as benchmark:
        assert benchmark.sql("SELECT * FROM scores ORDER BY arch_id").to_pylist() == rows


def test_arrow_tables_are_taken_in_any_column_order(tmp_path):
    rows = pa.Table.from_pylist([accuracy_row("a", 0.5), accuracy_row("b", None)])
    turned = rows.select(rows.column_names[::-1])
    path = write_part(tmp_path, "accuracies", turned, "part")
    assert pq.read_table(path).to_pylist() == rows.to_pylist()


def test_instants_are_utc(tmp_path):
    write_run(tmp_path, "first", minutes=5)
    with Benchmark.open(tmp_path) as benchmark:
        started = benchmark.sql("SELECT started FROM runs").column(0)[0].as_py()
    assert started == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def test_writing_again_replaces(tmp_path):
    write_part(tmp_path, "scores", [score_row("a", 1.0)], "part")
    path = write_part(tmp_path, "scores", [score_row("a", 2.0)], "part")
    assert pq.read_table(path)["value"].to_pylist() == [2.0]
    assert [file.name for file in path.parent.iterdir()] == ["part.parquet"]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("scores", [score_row("a", 1.0, valu=1)], "scores: unknown column 'valu'"),
        ("scores", [score_row("a", 1.0), {"arch_id": "b"}], "scores: column 'task' is missing in row 1"),
        ("scores", pa.table({"arch_id": ["a"]}), "scores: column 'task' is missing."),
        ("scores", [score_row("a", 1.0), score_row(None, 1.0)], "column 'arch_id' in row 1 is null"),
        ("scores", [score_row("a", 1.0), score_row("a", 2.0)], "row 1 repeats the key"),
        ("scores", [score_row("a", float("nan"))], "column 'value' in row 0 is not finite"),
        ("scores", [score_row("a", float("inf"))], "column 'value' in row 0 is not finite"),
        ("scores", [score_row("a", 1.0, status="oom")], "column 'value' in row 0 is given although"),
        ("scores", [score_row("a", None, status="ok")], "column 'value' in row 0 is null although"),
        ("scores", [score_row("a", None, status="OOM")], "column 'status' in row 0 is not one of ok, nan"),
        ("scores", [score_row("a", 1.0), score_row("b", "x")], "column 'value' in row 1 is 'x'"),
        ("scores", [score_row("a", 1.0, seed=1.5)], "column 'seed' in row 0 is 1.5, which is not int64"),
        (
            "accuracies",
            [accuracy_row("a", 0.4), accuracy_row("b", 71.3)],
            "column 'accuracy' in row 1 is outside",
        ),
        ("accuracies", [accuracy_row("a", -0.1)], "column 'accuracy' in row 0 is outside 0..1"),
        ("accuracies", [accuracy_row("a", 0.5, loss=float("nan"))], "column 'loss' in row 0 is not finite"),
        ("accuracy", [], "Unknown table 'accuracy'. Did you mean 'accuracies'?"),
    ],
)
def test_wrong_rows_are_refused_in_one_line(tmp_path, name, rows, message):
    with pytest.raises(StoreError) as caught:
        write_part(tmp_path, name, rows, "part")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.rglob("*.*")) == []


def test_wrong_value_in_an_arrow_table_is_named_with_its_row(tmp_path):
    rows = pa.Table.from_pylist([score_row("a", 1.0, seed="1"), score_row("b", 1.0, seed="one")])
    with pytest.raises(StoreError, match="column 'seed' in row 1 is 'one', which is not int64"):
        write_part(tmp_path, "scores", rows, "part")


@pytest.mark.parametrize("name", ["", "/part", "../part", ".part", "a/../../b"])
def test_part_names_stay_inside_their_table(tmp_path, name):
    with pytest.raises(StoreError, match="is not a relative name"):
        write_part(tmp_path, "scores", [score_row("a", 1.0)], name)


def test_part_name_follows_content_alone():
    keys = [("a", "digits", "snip", 0), ("b", "digits", "snip", 0)]
    name = part_name("autoformer-tiny", "digits/test", "snip", keys=keys)
    assert name == part_name("autoformer-tiny", "digits/test", "snip", keys=reversed(keys))
    assert name.startswith("autoformer-tiny-digits-test-snip-")
    assert len(name.rsplit("-", 1)[1]) == 12
    assert name != part_name("autoformer-tiny", "digits/test", "snip", keys=keys[:1])


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_part(tmp_path, "scores", [score_row("a", 1.0)], "part")
    assert list((tmp_path / "scores").iterdir()) == []


def test_killed_writer_never_shows_half_a_part(tmp_path):
    chance = random.Random(0)
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline() == "ready\n"
        until = time.monotonic() + chance.uniform(0.0, 0.2)
        while time.monotonic() < until:
            _check_whole(tmp_path)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        _check_whole(tmp_path)
    clean_temporary(tmp_path)
    assert list(tmp_path.rglob("*.tmp")) == []
    with Benchmark.open(tmp_path) as benchmark:
        assert benchmark.sql("SELECT count(*) AS n FROM scores").to_pylist() == [{"n": 200}]


def _check_whole(root: Path) -> None:
    for path in (root / "scores").rglob("*.parquet"):
        assert pq.read_table(path).num_rows == 200


def test_only_the_dead_of_this_host_are_cleaned(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        "dead": f".part.x.{HOST}.{dead.pid}.tmp",
        "alive": f".part.{HOST}.{os.getpid()}.tmp",
        "elsewhere": f".part.not-{HOST}.{dead.pid}.tmp",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(b"half")
    assert clean_temporary(tmp_path) == [tmp_path / names["dead"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([names["alive"], names["elsewhere"]])


def test_names_that_read_alike_in_a_file_name_are_told_apart():
    assert part_name("acc", keys=["a"]) != part_name("acc%", keys=["a"])
    assert part_name("acc", keys=["a", "b"]) == part_name("acc", keys=["b", "a"])
