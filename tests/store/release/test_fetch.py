"""Fetching over real HTTP from servers that drop, stall, lie and show web pages; from a hub, a folder."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar

import pytest

from store import Benchmark, StoreError, fetch, verify
from store.release import locate
from store.release.download import Server
from store.release.manifest import NAME, Manifest

TIMEOUT = 0.4
BAD = "scores/scores.parquet"
PAGE = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, with ranges; `faults` are taken one a request for the file BAD, or `every` of them."""

    faults: ClassVar[list[Callable[["Handler", bytes, int], None]]] = []
    every: Callable[["Handler", bytes, int], None] | None = None
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        type(self).asked.append((name, wanted))
        path = Path(self.directory, name)
        if not path.is_file():
            self.send_error(404)
            return
        content, start = path.read_bytes(), int(wanted[6:-1]) if wanted else 0
        fault = self.every if name == BAD and self.every else None
        if name == BAD and fault is None and self.faults:
            fault = type(self).faults.pop(0)
        (fault or whole)(self, content, start)

    def head(self, status: int, length: int | None, content_range: str | None = None) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()


def whole(handler, content, start):
    if start >= len(content):
        handler.head(416, 0)
        return
    span = f"bytes {start}-{len(content) - 1}/{len(content)}" if start else None
    handler.head(206 if start else 200, len(content) - start, span)
    handler.wfile.write(content[start:])


def drop(handler, content, start):
    """Promises all, sends some, hangs up."""
    handler.head(
        206 if start else 200, len(content) - start, f"bytes {start}-{len(content) - 1}/{len(content)}"
    )
    handler.wfile.write(content[start : start + 1000])
    handler.wfile.flush()
    handler.connection.close()


def stall(handler, content, start):
    """Promises all, sends some, says no more."""
    handler.head(
        206 if start else 200, len(content) - start, f"bytes {start}-{len(content) - 1}/{len(content)}"
    )
    handler.wfile.write(content[start : start + 1000])
    handler.wfile.flush()
    threading.Event().wait(3 * TIMEOUT)


def silent(handler, content, start):
    """Promises all, and says no more."""
    handler.head(
        206 if start else 200, len(content) - start, f"bytes {start}-{len(content) - 1}/{len(content)}"
    )
    threading.Event().wait(3 * TIMEOUT)


def refuse(handler, content, start):
    handler.connection.close()


def busy(handler, content, start):
    handler.send_error(503)


def ignore_range(handler, content, start):
    handler.head(200, len(content))
    handler.wfile.write(content)


def other_range(handler, content, start):
    """Says which range it serves; it is not the one asked for."""
    handler.head(206, len(content) - 10, f"bytes 10-{len(content) - 1}/{len(content)}")
    handler.wfile.write(content[10:])


def lying_range(handler, content, start):
    """Says it serves the range asked for, and serves other bytes."""
    handler.head(
        206 if start else 200, len(content) - start, f"bytes {start}-{len(content) - 1}/{len(content)}"
    )
    handler.wfile.write(content[: len(content) - start])


def page(handler, content, start):
    handler.head(200, len(PAGE))
    handler.wfile.write(PAGE)


def truncated(handler, content, start):
    handler.head(200, len(content) - 5)
    handler.wfile.write(content[:-5])


def longer(handler, content, start):
    handler.head(200, len(content) + 5)
    handler.wfile.write(content + b"12345")


def flipped(handler, content, start):
    whole(handler, content[:50] + bytes([content[50] ^ 1]) + content[51:], start)


def gone(handler, content, start):
    handler.send_error(404)


@contextmanager
def serving(folder: Path, faults: list = (), every=None, kind=Handler) -> Iterator[tuple[str, list]]:
    """The address of a server of this folder, and what is asked of it."""
    kind = type(
        "Faulty",
        (kind,),
        {"faults": list(faults), "every": staticmethod(every) if every else None, "asked": []},
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: kind(*given, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kind.asked
    finally:
        server.shutdown()
        server.server_close()


def left(folder: Path) -> list[str]:
    """Everything below a folder."""
    return (
        sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) if folder.exists() else []
    )


def test_a_release_is_fetched_and_found_again_without_network(packed, own_cache):
    with serving(packed) as (address, asked):
        folder = fetch(address)
        assert verify(folder) == [] and left(folder) == left(packed)
        count = len(asked)
        assert fetch(address) == folder and len(asked) == count + 1  # the manifest alone
        with Benchmark.open(address) as benchmark:
            assert benchmark.release.version == "1.0.0"
    assert fetch(address, offline=True) == folder
    assert left(own_cache) == [folder.name, *(f"{folder.name}/{name}" for name in left(packed))]


@pytest.mark.parametrize(
    "faults",
    [
        [drop],
        [drop, drop, drop, drop, drop, drop, drop, drop],
        [refuse, refuse],
        [stall],
        [busy, drop, busy],
        [drop, ignore_range],
        [drop, other_range],
        [drop, lying_range],
        [flipped],
    ],
    ids=lambda faults: "-".join(fault.__name__ for fault in faults),
)
def test_what_a_connection_does_is_recovered_from(packed, tmp_path, faults):
    with serving(packed, faults) as (address, _):
        folder = fetch(address, tmp_path / "here", timeout=TIMEOUT)
    assert (folder / BAD).read_bytes() == (packed / BAD).read_bytes()
    assert verify(folder) == [] and left(tmp_path / "here") == left(packed)


def test_a_cut_download_is_gone_on_with(packed, tmp_path):
    with (
        serving(packed, every=refuse) as (address, _),
        pytest.raises(StoreError, match="could not be fetched"),
    ):
        fetch(address, tmp_path / "here", timeout=0.01)
    with serving(packed, [drop], every=None) as (address, asked):
        fetch(address, tmp_path / "here", timeout=TIMEOUT)
    assert (BAD, "bytes=1000-") in asked
    assert {name for name, _ in asked} == {NAME, BAD}  # the others are here from the first time


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (page, "a web page was served instead of the file. Is there a login or captive portal in between?"),
        (truncated, "bytes, the manifest says"),
        (longer, "it is another file, and is not kept."),
        (flipped, "has another sha256 than the manifest says"),
        (gone, "the server answered 404"),
        (lying_range, None),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_the_file_is_refused_and_leaves_nothing_behind(packed, tmp_path, fault, message):
    with serving(packed, every=fault) as (address, _):
        if message is None:  # without a range to lie about it serves the file
            fetch(address, tmp_path / "here", timeout=TIMEOUT)
            return
        with pytest.raises(StoreError, match="^[^\n]*$") as caught:
            fetch(address, tmp_path / "here", timeout=TIMEOUT)
    assert message in str(caught.value) and f"{address}/{BAD}" in str(caught.value)
    assert left(tmp_path) == []


def test_a_server_that_falls_silent_again_and_again_is_gone_on_with(packed, tmp_path):
    with serving(packed, every=stall) as (address, asked):
        assert verify(fetch(address, tmp_path / "here", timeout=0.05)) == []
    size = (packed / BAD).stat().st_size
    wanted = [None, *(f"bytes={start}-" for start in range(1000, size, 1000))]
    assert [span for name, span in asked if name == BAD] == wanted


def test_a_server_that_is_not_there_leaves_what_it_has_given(packed, tmp_path):
    for every in (refuse, silent, busy):
        target = tmp_path / every.__name__
        message = "^[^\n]*could not be fetched[^\n]*$"
        with serving(packed, every=every) as (address, _), pytest.raises(StoreError, match=message):
            fetch(address, target, timeout=0.05)
        assert not target.exists()
    with pytest.raises(StoreError, match="could not be fetched in 5 tries"):
        fetch("http://127.0.0.1:9", tmp_path / "nowhere", timeout=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PAGE, "or a damaged one. It is a web page: a login or captive portal answered."),
        (b"{}", "is no manifest of a release, or a damaged one."),
        (b'{"schema_version": 99}', "has schema version 99, this code reads"),
    ],
)
def test_a_manifest_that_is_none_leaves_nothing_behind(packed, tmp_path, content, message):
    shutil.copytree(packed, tmp_path / "served")
    (tmp_path / "served" / NAME).write_bytes(content)
    with serving(tmp_path / "served") as (address, _), pytest.raises(StoreError, match="^[^\n]*$") as caught:
        fetch(address, tmp_path / "here", timeout=TIMEOUT)
    assert message in str(caught.value)
    assert left(tmp_path / "here") == []


def test_a_manifest_cannot_write_elsewhere(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "served")
    made = Manifest.read(packed)
    files = tuple(replace(file, path=f"../../{file.path}") for file in made.files)
    (tmp_path / "served" / NAME).write_text(replace(made, files=files).text())
    with serving(tmp_path / "served") as (address, _), pytest.raises(StoreError, match="outside the release"):
        fetch(address, tmp_path / "here", timeout=TIMEOUT)


def test_a_manifest_of_known_sha256_is_that_one(packed, tmp_path):
    known = hashlib.sha256((packed / NAME).read_bytes()).hexdigest()
    with serving(packed) as (address, _):
        with pytest.raises(StoreError, match="it is another release"):
            fetch(address, tmp_path / "here", sha256="0" * 64)
        assert verify(fetch(address, tmp_path / "here", sha256=known)) == []


def test_a_folder_with_something_else_in_it_is_left_alone(packed, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "thesis.tex").write_text("x")
    with serving(packed) as (address, _):
        for source in (packed, address):
            with pytest.raises(
                StoreError, match="here holds something else. Give a folder of the release's own"
            ):
                fetch(source, tmp_path / "here")
    assert left(tmp_path / "here") == ["thesis.tex"]


def test_a_target_may_be_the_working_folder(packed, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert verify(fetch(packed, ".")) == []


def test_what_cannot_be_written_to_is_one_line(packed, tmp_path):
    (tmp_path / "file").write_text("x")
    with serving(packed) as (address, _):
        for source in (packed, address):
            with pytest.raises(
                StoreError, match=r"^[^\n]*file[^\n]* cannot be written \(Not a directory|File exists"
            ):
                fetch(source, tmp_path / "file" / "deep" / "here")


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "latest", "1"])
def test_a_version_is_three_numbers(version):
    for ask in (fetch, Benchmark.open):
        with pytest.raises(
            StoreError, match=f"No release '{version}'. Versions are three numbers, such as 1.0.0"
        ):
            ask(version)


def test_another_release_is_not_put_over_one(packed, other, tmp_path):
    for source in (other, None):
        shutil.rmtree(tmp_path / "here", ignore_errors=True)
        shutil.copytree(packed, tmp_path / "here")
        with serving(other) as (address, _), pytest.raises(StoreError, match="holds another release"):
            fetch(source or address, tmp_path / "here")
        assert verify(tmp_path / "here") == []


def test_a_damaged_copy_is_mended(packed, tmp_path):
    shutil.copytree(packed, tmp_path / "here")
    (tmp_path / "here" / BAD).write_bytes(b"x" * (packed / BAD).stat().st_size)
    (tmp_path / "here" / "README.md").unlink()
    with serving(packed) as (address, asked):
        fetch(address, tmp_path / "here")
    assert {name for name, _ in asked} == {NAME, BAD, "README.md"}
    assert verify(tmp_path / "here") == []


def test_a_folder_is_checked_or_copied(packed, tmp_path):
    assert fetch(packed) == packed
    assert verify(fetch(packed, tmp_path / "copy")) == []
    (tmp_path / "copy" / BAD).write_bytes(b"x" * (packed / BAD).stat().st_size)
    with pytest.raises(StoreError, match="is damaged"):
        fetch(tmp_path / "copy")
    with pytest.raises(StoreError, match="another sha256"):
        fetch(tmp_path / "copy", tmp_path / "copy of it")
    assert left(tmp_path) == ["copy", *(f"copy/{name}" for name in left(packed))]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1.0.0", "No public release 1.0.0. No release has been published yet."),
        ("hf://me/bench", "hf://me/bench is no release. Expected hf://datasets/owner/name@revision."),
        ("hf://datasets/me/bench@main", "Name the commit, of 40 digits."),
        ("https://example.com/bench", "was not fetched to"),
    ],
)
def test_what_cannot_be_fetched_offline(source, message):
    with pytest.raises(StoreError, match="^[^\n]*$") as caught:
        Benchmark.open(source, offline=True)
    assert message in str(caught.value)


def test_a_fetched_version_is_opened_without_network(packed, own_cache):
    fetch(packed, own_cache / "1.0.0")
    with Benchmark.open("1.0.0", offline=True) as benchmark:
        assert benchmark.release.version == "1.0.0"


def test_two_processes_fetch_the_same_once(packed, tmp_path):
    with serving(packed) as (address, asked):
        context = get_context("spawn")
        asking = [(address, tmp_path / "here")] * 2 + [(packed, tmp_path / "copy")] * 2
        several = [context.Process(target=fetch, args=both) for both in asking]
        for process in several:
            process.start()
        for process in several:
            process.join(60)
    assert [process.exitcode for process in several] == [0] * 4
    assert verify(tmp_path / "here") == verify(tmp_path / "copy") == []
    assert [name for name, _ in asked].count(BAD) == 1


def test_a_token_stays_on_its_server(packed, monkeypatch):
    """It goes along where a server says that something moved within it, and not to another one."""
    told = []

    class Moved(Handler):
        def do_GET(self) -> None:
            told.append((self.headers["Host"], self.headers.get("Authorization")))
            if self.path.startswith("/old"):
                self.send_response(307)
                self.send_header("Location", self.path.replace("/old", self.to))
                self.end_headers()
            else:
                super().do_GET()

    with serving(packed) as (elsewhere, _), serving(packed, kind=Moved) as (address, _):
        for Moved.to in ("", elsewhere):
            Server(f"{address}/old", "secret").text(NAME)
    assert [token for _, token in told] == ["Bearer secret"] * 3


def test_a_public_version_is_fetched_from_its_commit(packed, monkeypatch, own_cache):
    from tests.store.release.hub import Hub, serve

    files = {
        path.relative_to(packed).as_posix(): path.read_bytes() for path in packed.rglob("*") if path.is_file()
    }
    commit, hub = "c" * 40, Hub()
    hub.commits["us/bench"], hub.tags["us/bench"] = {commit: files}, {}
    known = hashlib.sha256(files[NAME]).hexdigest()
    monkeypatch.setitem(locate.PUBLIC, "1.0.0", locate.Public("us/bench", commit, known))
    with serve(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with Benchmark.open("1.0.0") as benchmark:
            assert benchmark.path == own_cache / "1.0.0"
        with Benchmark.open("hf://datasets/us/bench@main") as benchmark:
            assert benchmark.path == own_cache / "us--bench" / commit
    assert ("GET", "/api/datasets/us/bench/revision/main") in hub.asked
    with Benchmark.open(f"hf://datasets/us/bench@{commit}") as benchmark:  # whose server is gone
        assert benchmark.path == own_cache / "us--bench" / commit
