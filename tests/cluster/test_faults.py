"""What goes wrong while parts are written: whole parts or none, no row lost, none twice."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from builder import provenance
from store import Benchmark, write_part
from store.compact import compact, remove
from store.write import clean_temporary
from tests.cluster.conftest import COMMAND, facts, start
from tests.store.planted import score_row

# Writes one part and is killed in the middle: at the step that is named.
WRITER = """
import os, signal, sys
from pathlib import Path
import pyarrow.parquet as pq
from store import write, write_part
from tests.store.planted import score_row

def rows(name, count=100):
    return [score_row(f"{name}{index}", float(index)) for index in range(count)]

def killed(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def half(table, file, **options):
    pq.ParquetWriter(file, table.schema).write_table(table.slice(0, 50))
    file.write(b"PAR1")
    file.flush()
    killed()

root, step = sys.argv[1:]
match step:
    case "open": Path.open = killed
    case "write": write.pq.write_table = half
    case "fsync": os.fsync = killed
    case "rename": Path.replace = killed
    case "renamed": write._sync_folder = killed
write_part(root, "scores", rows("new"), "new")
"""
# Writes parts one after another.
MANY = """
import sys
from store import write_part
from tests.store.planted import score_row

def rows(name, count=100):
    return [score_row(f"{name}{index}", float(index)) for index in range(count)]
for index in range(40):
    write_part(sys.argv[1], "scores", rows(f"part{index}-"), f"part{index}")
"""

# Several processes that each import torch: minutes on a machine that does anything else.
pytestmark = pytest.mark.timeout(600)


def rows(name, count=100):
    return [score_row(f"{name}{index}", float(index)) for index in range(count)]


def counted(root):
    """How many rows count, and how many keys they have."""
    with Benchmark.open(root) as benchmark:
        found = benchmark.sql("SELECT count(*) AS n, count(DISTINCT arch_id) AS keys FROM scores").to_pylist()
    return found[0]["n"], found[0]["keys"]


@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename", "renamed"])
def test_killed_at_every_step(tmp_path, step):
    write_part(tmp_path, "scores", rows("old"), "old")
    writer = subprocess.run([sys.executable, "-c", WRITER, tmp_path, step])
    assert writer.returncode == -signal.SIGKILL
    assert counted(tmp_path) == ((200, 200) if step == "renamed" else (100, 100))
    assert len(list(tmp_path.rglob("*.tmp"))) == (step in ("write", "fsync", "rename"))
    clean_temporary(tmp_path)
    write_part(tmp_path, "scores", rows("new"), "new")
    assert counted(tmp_path) == (200, 200) and not list(tmp_path.rglob("*.tmp"))


@contextmanager
def mounted(folder, size):
    """A file system in memory; where that is not allowed, the test is skipped."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_line_and_nothing_is_left(tmp_path, vitzero):
    with mounted(tmp_path / "small", "128k") as root:
        vitzero(f"root={root}", *COMMAND, "job=sample", "sample.n=4")
        write_part(root, "scores", rows("old"), "old")
        with pytest.raises(OSError, match="No space left on device"):
            write_part(root, "scores", rows("new", 30_000), "new")
        assert counted(root) == (100, 100)
        (root / "ballast").write_bytes(bytes(os.statvfs(root).f_bavail * os.statvfs(root).f_frsize))
        code, _, err = vitzero(f"root={root}", *COMMAND, "job=score")
        assert code == 2 and "No space left on device" in err and "Traceback" not in err
        assert counted(root) == (100, 100) and not list(root.rglob("*.tmp"))
        (root / "ballast").unlink()
        assert vitzero(f"root={root}", *COMMAND, "job=score", "proxies.names=[params]")[0] == 0
        assert counted(root) == (104, 104)


def test_a_read_only_folder_is_one_line_and_reading_goes_on(tmp_path, vitzero):
    with mounted(tmp_path / "fixed", "8m") as root:
        vitzero(f"root={root}", *COMMAND, "jobs=[sample,score]", "sample.n=4")
        before = facts(root, "scores")
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        code, _, err = vitzero(f"root={root}", *COMMAND, "job=score", "score.seeds=[1]")
        assert code == 2 and "Read-only file system" in err and "Traceback" not in err
        code, out, _ = vitzero(f"root={root}", *COMMAND, "job=status")
        assert code == 0 and "scores" in out
        assert facts(root, "scores") == before


# Of the machine that failed, and of the one that mends it.
@pytest.mark.parametrize(("one", "other"), [(0, -1), (1, 0)], ids=["slow", "fast"])
def test_a_clock_an_hour_off_brings_no_failure_back(tmp_path, vitzero, monkeypatch, one, other):
    vitzero(f"root={tmp_path}", *COMMAND, "jobs=[sample,score]", "sample.n=4")
    with Benchmark.open(tmp_path) as benchmark:
        failed = benchmark.sql("SELECT * FROM scores WHERE proxy = 'snip'").to_pylist()
        run = benchmark.sql("SELECT * FROM runs WHERE job = 'score'").to_pylist()[0]
    reason = {"value": None, "status": "oom", "message": "out of memory"}
    started = datetime.now(UTC) + timedelta(hours=one)
    write_part(tmp_path, "runs", [run | {"run_id": "failing", "started": started}], "failing")
    failures = [row | reason | {"run_id": "failing"} for row in failed]
    write_part(tmp_path, "scores", failures, "failing")

    class Off(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=other)

    monkeypatch.setattr(provenance, "datetime", Off)
    code, out, err = vitzero(f"root={tmp_path}", *COMMAND, "job=score", "retry_failed=true")
    assert code == 0 and "4 ok" in out, err
    with Benchmark.open(tmp_path) as benchmark:
        found = benchmark.sql("SELECT status, count(*) AS n FROM scores GROUP BY status").to_pylist()
    assert found == [{"status": "ok", "n": 16}]


def test_two_runs_at_once_on_the_same_blocks(left_alone, tmp_path):
    shutil.copytree(left_alone / "architectures", tmp_path / "architectures")
    shutil.copytree(left_alone / "accuracies", tmp_path / "accuracies")
    both = [start(tmp_path, "job=score", "launcher=local", "launcher.workers=1") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=250)
        assert process.returncode == 0, err
    assert facts(tmp_path, "scores") == facts(left_alone, "scores")
    with Benchmark.open(tmp_path) as benchmark:
        assert {row["n"] for row in benchmark.rank("digits", draws=10).to_pylist()} == {8}
    assert not list(tmp_path.rglob("*.tmp"))


def test_compaction_while_another_writes_loses_and_doubles_nothing(tmp_path):
    write_part(tmp_path, "scores", rows("old"), "old")
    writer = subprocess.Popen([sys.executable, "-c", MANY, tmp_path])
    seen, merged = [], Counter()
    while writer.poll() is None:
        before, after = compact(tmp_path, "scores")
        merged["parts"] += before - after
        n, keys = counted(tmp_path)
        assert n == keys
        seen.append(n)
    assert writer.returncode == 0 and seen == sorted(seen)
    compact(tmp_path, "scores")
    assert counted(tmp_path) == (4100, 4100)
    (path,) = (tmp_path / "scores").glob("*.parquet")
    assert len(pq.read_table(path)) == 4100


def test_a_kill_between_merging_and_removing_shows_no_row_twice(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        write_part(tmp_path, "scores", rows(name), name)
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
    compact(tmp_path, "scores")
    monkeypatch.undo()
    assert len(list((tmp_path / "scores").glob("*.parquet"))) == 4
    assert counted(tmp_path) == (300, 300)
    compact(tmp_path, "scores")
    assert len(list((tmp_path / "scores").glob("*.parquet"))) == 1
    assert counted(tmp_path) == (300, 300)


def test_a_part_written_anew_while_it_is_merged_stays(tmp_path, monkeypatch):
    write_part(tmp_path, "scores", rows("a"), "a")
    write_part(tmp_path, "scores", rows("b"), "b")
    real = write_part

    def meanwhile(root, table, data, name):
        path = real(root, table, data, name)
        real(root, table, [score_row("mended", 1.0)], "b")
        return path

    monkeypatch.setattr("store.compact.write_part", meanwhile)
    compact(tmp_path, "scores")
    assert counted(tmp_path) == (201, 201)


def test_a_part_written_anew_while_rows_are_taken_out_stays(tmp_path, monkeypatch):
    write_part(tmp_path, "scores", rows("a"), "a")
    real = write_part

    def meanwhile(root, table, data, name):
        path = real(root, table, data, name)
        real(root, table, rows("b"), "a")
        return path

    monkeypatch.setattr("store.compact.write_part", meanwhile)
    assert remove(tmp_path, "scores", "arch_id = 'a0'") == 1
    assert counted(tmp_path) == (199, 199)


@pytest.mark.parametrize(
    ("act", "opening"),
    [
        (compact, 1),
        (lambda root, name: remove(root, name, "arch_id IN ('a0', 'c0')"), 1),
        (lambda root, name: remove(root, name, "arch_id IN ('a0', 'c0')"), 3),
    ],
)
def test_parts_that_somebody_else_merges_meanwhile_are_looked_for_again(tmp_path, monkeypatch, act, opening):
    for name in ("a", "b", "c"):
        write_part(tmp_path, "scores", rows(name), name)
    opened, openings = Benchmark.__init__, Counter()

    def meanwhile(self, *arguments, **options):
        openings["all"] += 1
        if openings["all"] == opening:
            compact(tmp_path, "scores")
        opened(self, *arguments, **options)

    monkeypatch.setattr(Benchmark, "__init__", meanwhile)
    found = act(tmp_path, "scores")
    monkeypatch.undo()
    assert (found, counted(tmp_path)) == ((0, 0), (300, 300)) if act is compact else (2, (298, 298))
