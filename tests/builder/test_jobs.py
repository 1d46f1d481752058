"""The jobs on a real little benchmark: what they write, and that nothing depends on the order."""

import contextlib
import io
import json
import subprocess
import sys

import pyarrow.compute as pc
import pytest

import proxies
from builder.__main__ import main
from store import Benchmark
from store.write import HOST

# A supernet of a few epochs on real digits: enough to be a benchmark, too little to be a good one.
QUICK = (
    "sample.n=6",
    "protocol.recipe.epochs=2",
    "protocol.recipe.warmup_epochs=1",
    "protocol.recipe.batch_size=256",
    "score.batch_size=8",
    "score.block=2",
    "rank.draws=50",
)
MEASURED = ("seconds", "marginal_seconds", "peak_bytes")


def rows(root, table):
    """The rows of a table without what a clock or a memory counter said, in the order of their keys."""
    with Benchmark.open(root) as benchmark:
        found = benchmark.sql(f"SELECT * FROM {table}")
    kept = found.drop_columns([name for name in MEASURED if name in found.column_names])
    return sorted(kept.to_pylist(), key=lambda row: json.dumps(row, sort_keys=True, default=str))


def parts(root):
    """Every part file with its time of writing and its inode."""
    return {
        path.relative_to(root): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in root.rglob("*.parquet")
        if "runs" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A benchmark built by the whole way of the data, and what it printed."""
    root = tmp_path_factory.mktemp("built")
    out = io.StringIO()
    arguments, sys.argv = sys.argv, ["vitzero", f"root={root}", *QUICK]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            main()
    finally:
        sys.argv = arguments
    return root, out.getvalue()


def test_the_whole_way_of_the_data_fills_every_table(built):
    root, _ = built
    with Benchmark.open(root) as benchmark:
        assert len(benchmark.architectures("autoformer-micro")) == 6
        accuracy = benchmark.accuracy(task="digits", protocol="supernet")
        assert len(accuracy) == 6 and pc.min(accuracy["accuracy"]).as_py() >= 0
        scores = benchmark.scores(task="digits")
        assert len(scores) == 6 * len(proxies.names())
        assert set(scores["status"].to_pylist()) == {"ok"}
        runs = benchmark.sql("SELECT job, status, config FROM runs ORDER BY job").to_pylist()
    assert [(run["job"], run["status"]) for run in runs] == [
        ("accuracy", "done"),
        ("sample", "done"),
        ("score", "done"),
    ]
    assert json.loads(runs[0]["config"])["protocol"]["recipe"]["epochs"] == 2


def test_the_ranking_is_printed_with_intervals_and_controls(built):
    _, out = built
    assert "autoformer-micro on digits, accuracies by supernet (one-shot-" in out
    for name in ("params*", "random*", "l_swag", "snip"):
        assert any(name in line and "[" in line for line in out.splitlines()), name


def test_running_again_does_nothing(built, vitzero):
    root, _ = built
    before = parts(root)
    code, out, _ = vitzero(f"root={root}", *QUICK)
    assert code == 0 and parts(root) == before
    assert "0 of them new" in out and out.count("nothing to do") == 2


def test_scores_depend_on_neither_blocks_nor_company_nor_when(built, vitzero, tmp_path):
    root, _ = built
    vitzero(f"root={tmp_path}", *QUICK, "job=sample")
    vitzero(f"root={tmp_path}", *QUICK, "job=score", "score.block=5", "proxies.names=[snip,random]")
    vitzero(f"root={tmp_path}", *QUICK, "job=score", "score.block=1")

    def facts(place):
        return [{k: v for k, v in row.items() if k != "run_id"} for row in rows(place, "scores")]

    assert facts(tmp_path) == facts(root)


def test_more_architectures_keep_the_first_and_only_add(built, vitzero, tmp_path):
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=4")
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=9")
    with Benchmark.open(tmp_path) as benchmark:
        table = benchmark.sql("SELECT * FROM architectures ORDER BY sample_index")
    assert table["sample_index"].to_pylist() == list(range(9))


def test_a_parameter_window_holds(vitzero, tmp_path):
    window = ("sample.params_low=10000", "sample.params_high=40000")
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=8", *window)
    with Benchmark.open(tmp_path) as benchmark:
        assert all(10_000 <= n <= 40_000 for n in benchmark.architectures()["params"].to_pylist())


def test_scratch_trains_each_alone_and_a_failure_is_its_row(vitzero, tmp_path):
    options = (f"root={tmp_path}", "protocol=scratch", "accuracy.architectures=2", "sample.n=2")
    recipe = ("protocol.recipe.epochs=1", "protocol.recipe.warmup_epochs=0")
    vitzero(*options, "job=sample")
    code, out, _ = vitzero(*options, *recipe, "job=accuracy")
    assert code == 0 and "2 trained, 0 failed" in out
    # A rate at which the loss is soon no longer a number.
    code, out, _ = vitzero(
        *options,
        *recipe,
        "job=accuracy",
        "protocol.recipe.learning_rate=1e30",
        "protocol.recipe.clip_norm=1e30",
    )
    assert code == 0 and "2 trained, 2 failed" in out
    failed = [row for row in rows(tmp_path, "accuracies") if row["status"] == "error"]
    assert len(failed) == 4
    assert all(row["accuracy"] is None and "the loss became nan" in row["message"] for row in failed)
    assert not list((tmp_path / "checkpoints").glob("*.pt"))
    again = (
        *options,
        *recipe,
        "job=accuracy",
        "protocol.recipe.learning_rate=1e30",
        "protocol.recipe.clip_norm=1e30",
    )
    assert "seed 0: nothing to do" in vitzero(*again)[1]
    assert "2 trained, 2 failed" in vitzero(*again, "retry_failed=true")[1]


def test_a_network_whose_loss_is_no_number_is_a_failed_row(vitzero, tmp_path):
    # One step an epoch: the loss is taken before the weights explode.
    recipe = ("epochs=1", "warmup_epochs=0", "batch_size=2000", "learning_rate=1e30", "clip_norm=1e30")
    options = (f"root={tmp_path}", "sample.n=2", *(f"protocol.recipe.{field}" for field in recipe))
    vitzero(*options, "job=sample")
    assert vitzero(*options, "job=accuracy")[0] == 0
    assert vitzero(*options, "job=accuracy", "protocol=scratch")[0] == 0
    found = rows(tmp_path, "accuracies")
    assert len(found) == 8
    assert {row["message"] for row in found} == {"the loss of the trained network is not a number"}


def test_two_training_seeds_are_two_rows(vitzero, tmp_path):
    options = (f"root={tmp_path}", *QUICK, "sample.n=3", "accuracy.seeds=[0,1]")
    vitzero(*options, "job=sample")
    vitzero(*options, "job=accuracy")
    with Benchmark.open(tmp_path) as benchmark:
        accuracy = benchmark.accuracy(task="digits")
    assert accuracy["seeds"].to_pylist() == [2, 2, 2]


def test_accuracies_are_inherited_from_a_checkpoint_without_training(built, vitzero):
    root, _ = built
    (checkpoint,) = (root / "checkpoints").glob("*.pt")
    code, _, _ = vitzero(f"root={root}", *QUICK, "job=accuracy", f"protocol.checkpoint={checkpoint}")
    assert code == 0
    found = {}
    for row in rows(root, "accuracies"):
        found.setdefault(row["source"], {})[row["arch_id"], row["split"]] = row["accuracy"]
    assert found["trained here"] == found[f"inherited from {checkpoint.name}"]


def test_what_a_killed_run_left_half_written_is_removed(vitzero, tmp_path):
    (tmp_path / "scores").mkdir()
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    left_over = tmp_path / "scores" / f".part.{HOST}.{int(dead.stdout)}.tmp"
    left_over.write_bytes(b"half")
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=1")
    assert not left_over.exists()
