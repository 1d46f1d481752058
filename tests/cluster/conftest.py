"""A little benchmark, the tables of one process to compare with, and a Slurm of one node."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from store import Benchmark
from tests.builder.conftest import vitzero  # noqa: F401 - the fixture

MEASURED = {"seconds", "marginal_seconds", "peak_bytes", "run_id"}
# Eight architectures in blocks of two: four to inherit after one training, four to score.
COMMAND = (
    "sample.n=8",
    "threads=1",
    "protocol.recipe.epochs=3",
    "protocol.recipe.warmup_epochs=1",
    "protocol.recipe.batch_size=256",
    "accuracy.block=2",
    "score.batch_size=16",
    "score.block=2",
    "proxies.names=[params,snip,nwot,random]",
)
CLUSTER = Path(__file__).with_name("cluster.sh")


def start(root, *overrides, **options):
    """Start a command line on that benchmark."""
    command = [sys.executable, "-m", "builder", f"root={root}", *COMMAND, *overrides]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def build(root, *overrides):
    """Run a command line on that benchmark to its end, and return what it printed."""
    process = start(root, *overrides)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    return out


def facts(root, table):
    """The rows of a table, less who wrote them and what a clock or a memory counter said, in one order."""
    with Benchmark.open(root) as benchmark:
        rows = benchmark.sql(f"SELECT * FROM {table}").to_pylist()
    kept = [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def same_tables(root, other):
    """Assert that two benchmarks say the same, row by row."""
    for table in ("architectures", "accuracies", "scores"):
        assert facts(root, table) == facts(other, table), table


def trained_once(root):
    """Assert that one run trained the supernet, and that the evaluations began when it had ended."""
    with Benchmark.open(root) as benchmark:
        runs = benchmark.sql(
            """SELECT config, started, ended, runs.images - coalesce(evaluated, 0) AS trained
            FROM runs LEFT JOIN (SELECT run_id, sum(images) AS evaluated FROM accuracies GROUP BY run_id)
            USING (run_id) WHERE job = 'accuracy' AND runs.images IS NOT NULL"""
        ).to_pylist()
    (training,) = [run for run in runs if run["trained"] > 0]
    assert json.loads(training["config"])["block"]["name"].startswith("training-")
    assert all(run["started"] >= training["ended"] for run in runs if run is not training)


def until(ready, seconds=240):
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.fixture(scope="session")
def left_alone(tmp_path_factory):
    """The benchmark as one process builds it."""
    root = tmp_path_factory.mktemp("left-alone")
    build(root, "jobs=[sample,accuracy,score]")
    return root


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A Slurm of one node with four processors; its commands are pointed at it."""
    for command in ("sbatch", "slurmctld", "slurmd", "munged"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("slurmd has to be started by root")
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([CLUSTER, "start", folder, free_port(), free_port()], check=True, timeout=60)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield
    del os.environ["SLURM_CONF"]
    subprocess.run([CLUSTER, "stop", folder], check=True, timeout=60)
