"""A killed job goes on where it stopped; its tables are those of a job that was left alone."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.builder.test_jobs import parts, rows

COMMAND = (
    "sample.n=12",
    "threads=1",
    "protocol.recipe.epochs=6",
    "protocol.recipe.warmup_epochs=1",
    "accuracy.checkpoint_seconds=0",
    "accuracy.block=3",
    "score.batch_size=16",
    "score.block=2",
)


def start(root, job):
    return subprocess.Popen(
        [sys.executable, "-m", "builder", f"root={root}", f"job={job}", *COMMAND],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(root, job):
    process = start(root, job)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out


def kill_when(process, ready):
    """Kill -9 as soon as something is there; the job must not have ended by itself."""
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    root = tmp_path_factory.mktemp("left-alone")
    for job in ("sample", "accuracy", "score"):
        finish(root, job)
    return root


def test_kill_in_training_and_between_parts_of_accuracy(left_alone, tmp_path):
    finish(tmp_path, "sample")
    process = start(tmp_path, "accuracy")
    kill_when(process, lambda: any((tmp_path / "checkpoints").glob("*.pt")))
    assert not list((tmp_path / "accuracies").rglob("*.parquet"))

    process = start(tmp_path, "accuracy")
    kill_when(process, lambda: any((tmp_path / "accuracies").rglob("*.parquet")))
    assert "goes on after epoch" in process.stdout.read()
    done = parts(tmp_path)

    finish(tmp_path, "accuracy")
    assert done.items() <= parts(tmp_path).items(), "a finished part was written again"
    assert rows(tmp_path, "accuracies") == rows(left_alone, "accuracies")
    assert not list(tmp_path.rglob("*.tmp"))


def test_kill_in_score(left_alone, tmp_path):
    finish(tmp_path, "sample")
    process = start(tmp_path, "score")
    kill_when(process, lambda: len(list((tmp_path / "scores").rglob("*.parquet"))) >= 2)
    done = parts(tmp_path)
    assert len(list((tmp_path / "scores").rglob("*.parquet"))) < 6

    finish(tmp_path, "score")
    assert done.items() <= parts(tmp_path).items(), "a finished part was written again"
    assert rows(tmp_path, "scores") == rows(left_alone, "scores")
    assert not list(tmp_path.rglob("*.tmp"))
