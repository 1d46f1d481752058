"""A real Ray cluster of this machine with two workers, one of which is killed: the same tables."""

import os
import signal
from pathlib import Path

import pytest

from tests.cluster.conftest import build, same_tables, start, trained_once, until

Cluster = pytest.importorskip("ray.cluster_utils", reason="ray is not installed").Cluster

# Several processes that each import torch: minutes on a machine that does anything else.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def address():
    """The address of a cluster of two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        small = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 100_000_000}
        cluster = Cluster(initialize_head=True, head_node_args=small)
        yield cluster.address
        cluster.shutdown()


def actors():
    """The processes of the actors that are at a block."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Worker.work"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_an_actor_is_killed_and_its_block_is_done_by_another(address, left_alone, tmp_path):
    build(tmp_path, "job=sample")
    process = start(
        tmp_path,
        "jobs=[accuracy,score,rank]",
        "launcher=ray",
        f"launcher.address={address}",
        "launcher.workers=2",
    )
    until(lambda: (any((tmp_path / "scores").glob("*.parquet")) and actors()) or process.poll() is not None)
    os.kill(actors()[0], signal.SIGKILL)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "score: 4 blocks of 8 architectures" in out and "accuracies by supernet" in out
    same_tables(tmp_path, left_alone)
    trained_once(tmp_path)


def test_without_a_cluster_it_says_how_to_get_one(vitzero, tmp_path):
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=1")
    code, _, err = vitzero(f"root={tmp_path}", "job=score", "launcher=ray", "launcher.address=127.0.0.1:1")
    assert code == 2 and "No Ray cluster at '127.0.0.1:1'. Start one with: ray start --head" in err
