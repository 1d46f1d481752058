"""A killed job goes on where it stopped; its tables are those of a job that was left alone."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.builder.test_jobs import parts, rows

COMMAND = (
    "sample.n=12",
    "threads=1",
    "protocol.recipe.epochs=6",
    "protocol.recipe.warmup_epochs=1",
    "protocol.recipe.batch_size=256",
    "protocol.recipe.ema=0.9",
    "protocol.recipe.augmentation.operations=1",
    "protocol.recipe.augmentation.mixup=0.8",
    "protocol.recipe.augmentation.cutmix=1.0",
    "accuracy.checkpoint_seconds=0",
    "accuracy.block=3",
    "score.batch_size=16",
    "score.block=2",
)


def start(root, jobs, *overrides, stderr=subprocess.DEVNULL):
    return subprocess.Popen(
        [sys.executable, "-m", "builder", f"root={root}", f"jobs=[{jobs}]", *COMMAND, *overrides],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def finish(root, jobs):
    process = start(root, jobs)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out


def signal_when(process, ready, number):
    """Send a signal as soon as something is there; the job must not have ended by itself."""
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, number)


def kill_when(process, ready):
    signal_when(process, ready, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def weights(root):
    """The weights of the supernet that was trained there."""
    (path,) = (root / "checkpoints").glob("*.pt")
    return torch.load(path, weights_only=True)["model"]


def same_weights(root, other):
    found, wanted = weights(root), weights(other)
    return found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)


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
    assert same_weights(sampled, left_alone)
    assert not list(sampled.rglob("*.tmp"))


def test_sigterm_saves_first_and_says_so(left_alone, sampled):
    process = start(sampled, "accuracy", stderr=subprocess.PIPE)
    signal_when(process, lambda: any((sampled / "checkpoints").glob("*.pt")), signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.splitlines()[-1] == "Terminated. The same command goes on from here."
    (status,) = [row["status"] for row in rows(sampled, "runs")]
    assert status == "failed"

    assert "goes on after epoch" in finish(sampled, "accuracy")
    assert rows(sampled, "accuracies") == rows(left_alone, "accuracies")
    assert same_weights(sampled, left_alone)


def test_sigterm_reaches_the_workers(sampled):
    overrides = ("protocol=scratch", "accuracy.workers=2", "protocol.recipe.epochs=100000")
    process = start(sampled, "accuracy", *overrides, stderr=subprocess.PIPE)
    checkpoints = sampled / "checkpoints"
    signal_when(process, lambda: len(list(checkpoints.glob("*.pt"))) == 2, signal.SIGTERM)
    _, err = process.communicate(timeout=60)  # ends only when the workers, who hold the pipe too, have ended
    assert process.returncode == 143
    assert err.splitlines()[-1] == "Terminated. The same command goes on from here."
    assert all(torch.load(path, weights_only=True)["seen"] for path in checkpoints.glob("*.pt"))


def test_kill_in_score(left_alone, sampled):
    process = start(sampled, "score")
    kill_when(process, lambda: len(list((sampled / "scores").rglob("*.parquet"))) >= 2)
    done = parts(sampled)
    assert len(list((sampled / "scores").rglob("*.parquet"))) < 6

    finish(sampled, "score")
    assert done.items() <= parts(sampled).items(), "a finished part was written again"
    assert rows(sampled, "scores") == rows(left_alone, "scores")
    assert not list(sampled.rglob("*.tmp"))
