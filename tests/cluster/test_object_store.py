"""A benchmark in an object store: a real S3 server, the same commands, the same tables."""

import os

import fsspec
import pytest
from upath import UPath

from builder.__main__ import main  # noqa: F401 - loaded before the server's threads start
from store import Benchmark, StoreError
from store.location import is_there, location
from tests.cluster.conftest import COMMAND, facts, same_tables

# Several processes that each import torch: minutes on a machine that does anything else.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def bucket():
    """The address of an empty bucket."""
    server = pytest.importorskip("moto.server", reason="moto's server is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    told = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("benchmarks")
    yield "s3://benchmarks"
    running.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def test_the_same_commands_fill_the_same_tables(bucket, left_alone, vitzero, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = f"{bucket}/whole"
    code, out, err = vitzero(f"root={root}", *COMMAND, "jobs=[sample,accuracy,score,status]")
    assert code == 0, err
    assert "scores" in out
    same_tables(root, left_alone)
    assert (tmp_path / "vitzero").is_dir(), "decoded images are mapped into memory, from a disk"
    names = [path.name for path in location(root).rglob("*") if path.is_file()]
    assert any(name.endswith(".pt") for name in names) and not any(name.endswith(".tmp") for name in names)

    code, out, err = vitzero(f"root={root}", *COMMAND, "jobs=[accuracy,score]")
    assert code == 0 and out.count("nothing to do") == 2
    code, out, err = vitzero(f"root={root}", "job=compact")
    assert code == 0 and "scores: 4 parts merged into 1" in out
    same_tables(root, left_alone)
    assert len(list((location(root) / "scores").rglob("*.parquet"))) == 1
    assert "nothing to do" in vitzero(f"root={root}", *COMMAND, "job=score")[1]


def test_workers_of_their_own_write_there_too(bucket, left_alone, vitzero, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = f"{bucket}/shared"
    few = ("score.architectures=4", "launcher=local", "launcher.workers=2")
    code, _, err = vitzero(f"root={root}", *COMMAND, "jobs=[sample,score]", *few)
    assert code == 0, err
    found, wanted = facts(root, "scores"), facts(left_alone, "scores")
    assert len(found) == 16 and all(row in wanted for row in found)


def test_what_cannot_be_opened_is_one_line(bucket):
    with pytest.raises(StoreError, match="No benchmark at s3://benchmarks/nothing"):
        Benchmark.open(f"{bucket}/nothing")
    with pytest.raises(StoreError, match="ftps://host/x cannot be opened .*Known: s3, gs, gcs, hf."):
        Benchmark.open("ftps://host/x")


class Down(fsspec.AbstractFileSystem):
    """A store whose network is gone."""

    protocol = "down"

    def info(self, path, **_):
        raise ConnectionError("no route to the store")


def test_a_store_that_is_down_is_not_one_that_holds_nothing(bucket):
    fsspec.register_implementation("down", Down, clobber=True)
    assert not UPath("down://bucket/scores").is_dir()  # what the library makes of it
    with pytest.raises(ConnectionError, match="no route"):
        is_there(UPath("down://bucket/scores"))
    with pytest.raises(ConnectionError, match="no route"):
        Benchmark.open("down://bucket")
    assert not is_there(location(f"{bucket}/nothing"))
