"""Publishing to a hub of one's own, with the real client, and fetching from it."""

import shutil

import pyarrow.parquet as pq
import pytest

from store import Benchmark, StoreError, fetch, verify, write_part
from store.release import publish as publishing
from store.release.manifest import NAME, sha256
from store.release.pack import pack
from store.release.publish import publish, uncommitted
from tests.store.release.hub import TOKEN, Hub, serve
from tests.store.release.releasable import CODE, PROXIES, run_row, write_releasable

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def hub(monkeypatch):
    """An empty hub. Its large files travel as before xet, which is a service of its own."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # it is no network that it is asked over
    monkeypatch.setattr(publishing, "uncommitted", lambda folder: [])
    with serve(Hub()) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.address)
        yield found


def test_what_is_published_is_fetched(packed, hub, own_cache):
    where = publish(packed, "us/bench", token=TOKEN)
    assert where.commit == hub.tags["us/bench"]["v1.0.0"] and where.manifest == sha256(packed / NAME)
    for name in (
        f"hf://datasets/us/bench@{where.commit}",
        "hf://datasets/us/bench@v1.0.0",
        "hf://datasets/us/bench",
    ):
        folder = fetch(name, sha256=where.manifest)
        assert folder == own_cache / "us--bench" / where.commit and verify(folder) == []
    with Benchmark.open(f"hf://datasets/us/bench@{where.commit}", offline=True) as benchmark:
        assert benchmark.release.version == "1.0.0"
    with pytest.raises(StoreError, match=r"us/bench has v1\.0\.0 already, and a release is never changed"):
        publish(packed, "us/bench", token=TOKEN)


def test_the_next_version_replaces_the_files_and_keeps_the_old_commit(packed, other, hub):
    first, second = (publish(release, "us/bench", token=TOKEN) for release in (packed, other))
    assert first.commit != second.commit
    assert set(hub.commits["us/bench"][second.commit]) - {".gitattributes"} == {
        path.relative_to(other).as_posix() for path in other.rglob("*") if path.is_file()
    }
    with (
        Benchmark.open("hf://datasets/us/bench@v1.0.0") as old,
        Benchmark.open("hf://datasets/us/bench") as new,
    ):
        assert (old.release.version, new.release.version) == ("1.0.0", "1.1.0")
        assert new.diff(old).num_rows and new.moves(old).num_rows


@pytest.mark.parametrize("repository", ["a/b/c", "bad name"])
def test_a_name_that_no_hub_takes_is_one_line(packed, hub, repository):
    with pytest.raises(
        StoreError, match=f"^{repository}: the hub refused [^\n]*Check its name and the token.$"
    ):
        publish(packed, repository, token=TOKEN)


def test_a_hub_that_is_not_there_is_one_line(packed, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="^us/bench: the hub refused [^\n]*$"):
        publish(packed, "us/bench", token=TOKEN)


@pytest.mark.parametrize("token", ["hf_wrong", None])
def test_without_the_right_to_write(packed, hub, token, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    with pytest.raises(StoreError, match=r"^us/bench: the hub refused [^\n]*Check its name and the token\.$"):
        publish(packed, "us/bench", token=token)
    assert not hub.commits


def test_what_must_not_be_published(packed, hub, tmp_path, monkeypatch):
    shutil.copytree(packed, tmp_path / "damaged")
    (tmp_path / "damaged" / "README.md").write_text("x")
    with pytest.raises(StoreError, match="is no sound release: .*README"):
        publish(tmp_path / "damaged", "us/bench", token=TOKEN)
    root = write_releasable(tmp_path / "benchmark", tasks=("digits",), architectures=6)
    loose = pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE | {"commit": "a" * 40 + "+"})
    with pytest.raises(StoreError, match="was packed by code that is in no commit"):
        publish(loose, "us/bench", token=TOKEN)
    write_part(
        root,
        "runs",
        [run_row("digits-scores", "digits", "scratch") | {"commit": "a" * 40 + "+"}],
        "digits-scores",
    )
    dirty = pack(root, tmp_path / "1.0.1", "1.0.1", PROXIES, CODE)
    assert pq.read_metadata(dirty / "runs" / "runs.parquet").num_rows == 4
    with pytest.raises(
        StoreError, match="1 runs computed rows with code that is in no commit: digits-scores"
    ):
        publish(dirty, "us/bench", token=TOKEN)
    monkeypatch.setattr(publishing, "uncommitted", lambda folder: ["store/rank.py"])
    with pytest.raises(StoreError, match=r"uncommitted changes: store/rank\.py\. Commit them first"):
        publish(packed, "us/bench", token=TOKEN)
    assert not hub.commits


def test_uncommitted_changes_of_a_checkout(tmp_path):
    import subprocess

    assert uncommitted(tmp_path) == []  # no checkout

    def git(*words):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    assert uncommitted(tmp_path) == []
    (tmp_path / "file").write_text("2")
    assert uncommitted(tmp_path) == ["file"]
