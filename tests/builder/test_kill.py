"""A killed job goes on where it stopped; its tables are those of a job that was left alone."""

import os
import shutil
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


def start(root, jobs):
    return subprocess.Popen(
        [sys.executable, "-m", "builder", f"root={root}", f"jobs=[{jobs}]", *COMMAND],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(root, jobs):
    process = start(root, jobs)
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
    finish(root, "sample,accuracy,score")
    return root


@pytest.fixture
def sampled(left_alone, tmp_path):
    """The same architectures, and nothing more."""
    shutil.copytree(left_alone / "architectures", tmp_path / "benchmark" / "architectures")
    return tmp_path / "benchmark"


def test_kill_in_training_and_between_parts_of_accuracy(left_alone, sampled):
    process = start(sampled, "accuracy")
    kill_when(process, lambda: any((sampled / "checkpoints").glob("*.pt")))
    assert not list((sampled / "accuracies").rglob("*.parquet"))

    process = start(sampled, "accuracy")
    kill_when(process, lambda: any((sampled / "accuracies").rglob("*.parquet")))
    assert "goes on after epoch" in process.stdout.read()
    done = parts(sampled)

    finish(sampled, "accuracy")
    assert done.items() <= parts(sampled).items(), "a finished part was written again"
    assert rows(sampled, "accuracies") == rows(left_alone, "accuracies")
    assert not list(sampled.rglob("*.tmp"))


def test_kill_in_score(left_alone, sampled):
    process = start(sampled, "score")
    kill_when(process, lambda: len(list((sampled / "scores").rglob("*.parquet"))) >= 2)
    done = parts(sampled)
    assert len(list((sampled / "scores").rglob("*.parquet"))) < 6

    finish(sampled, "score")
    assert done.items() <= parts(sampled).items(), "a finished part was written again"
    assert rows(sampled, "scores") == rows(left_alone, "scores")
    assert not list(sampled.rglob("*.tmp"))
