"""Fetching a release: from the Hugging Face hub, a web server or a folder, checked file by file.

The standard library does it, so that reading a release needs no further package. Proxies are those of the
environment (https_proxy), the hub is $HF_ENDPOINT where that is set, with $HF_TOKEN.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from store.errors import StoreError
from store.release.download import Download, Refused, Server, Trouble
from store.release.locate import REMOTE, VERSION, fetched_folder, public, refuse_odd_version
from store.release.manifest import NAME, File, Manifest, damage

HUB = "https://huggingface.co"
ADDRESS = re.compile(r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[^/@]+))?/?")
COMMIT = re.compile(r"[0-9a-f]{40}")
# report(file, done, total): bytes of a file that are here
Report = Callable[[str, int, int], None]


def fetch(
    source: str | Path,
    target: str | Path | None = None,
    *,
    offline: bool = False,
    sha256: str | None = None,
    timeout: float = 20.0,
    report: Report = lambda file, done, total: None,
) -> Path:
    """Fetch a release, or what is missing of it, and return its folder.

    source:  "1.0.0": that public release; "hf://datasets/owner/name@revision": one on the hub, at a commit,
             tag or branch; "https://...": the folder of one on a web server; a folder
    target:  folder to put it in; None: a folder of its own in $VITZERO_HOME, else ~/.cache/vit-zero-bench
    offline: never use the network: only what was fetched before is found
    sha256:  of its manifest, where you know it; public releases' are known here
    timeout: seconds without a byte, after which a connection is given up and tried again
    report:  called with every piece that arrived

    A version or a commit of the hub that was fetched before needs no network; the manifest of anything else
    is asked for anew. What arrives lies in a hidden folder beside the target until all of it is there, with
    the sizes and sha256 of the manifest. What a failed connection left there is gone on with; what a server
    answered wrongly is removed. Nothing is asked. Raises StoreError in one line.
    """
    source = str(source)
    known = None
    if target is not None:
        target = Path(target).absolute()
    if VERSION.fullmatch(source):
        target = target or fetched_folder() / source
        if _is_whole(target):
            return target
        known = public(source)
        source, sha256 = f"hf://datasets/{known.repository}@{known.commit}", known.manifest
    if not source.startswith(REMOTE):
        refuse_odd_version(source)
        return _copied(Path(source), target, sha256)
    folder = target or _folder(source, offline)
    if offline:
        return _kept(folder, source)
    if target is None and COMMIT.fullmatch(folder.name) and sha256 is None and _is_whole(folder):
        return folder
    server, folder = _server(source, folder, target is None, timeout)
    with _alone(folder):
        return _fetched(server, folder, sha256, report)


def _fetched(server: Server, folder: Path, wanted: str | None, report: Report) -> Path:
    """Download what is missing into a folder beside, and put it in place when all of it is there."""
    beside = folder.with_name(f".{folder.name}.part")
    try:
        text = server.text(NAME)
        manifest = Manifest.parse(text, f"{server.address}/{NAME}")
        _check_manifest(text, wanted, f"{server.address}/{NAME}")
        _refuse_another(folder, text)
        missing = _missing(folder, manifest)
        for file in missing:
            if damage(beside, file):
                told = partial(_told, report, file)
                Download(server, file, beside / file.path).run(told)
        _put(missing, text, beside, folder)
    except Trouble as error:
        if isinstance(error, Refused):
            shutil.rmtree(beside, ignore_errors=True)
        raise StoreError(str(error)) from None
    except OSError as error:
        raise StoreError(f"{error.filename or folder} cannot be written ({error.strerror}).") from None
    return folder


def _told(report: Report, file: File, done: int) -> None:
    report(file.path, done, file.bytes)


def _put(files: Iterable[File], manifest: bytes, beside: Path, folder: Path) -> None:
    """Move files in place, then the manifest: a folder that has one is whole."""
    beside.mkdir(parents=True, exist_ok=True)
    (beside / NAME).write_bytes(manifest)
    if not folder.exists():
        beside.rename(folder)
        return
    for name in (*(file.path for file in files), NAME):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (beside / name).replace(folder / name)
    shutil.rmtree(beside)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine fetches the same: jobs often begin together."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"vit-zero-bench-{os.getuid()}-{name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        raise StoreError(f"{error.filename} cannot be written ({error.strerror}).") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _copied(source: Path, target: Path | None, wanted: str | None) -> Path:
    """A release in a folder: the folder itself, checked, or a copy of it."""
    manifest = _checked(source)
    text = (source / NAME).read_bytes()
    _check_manifest(text, wanted, str(source / NAME))
    if target is None:
        return source
    beside = target.with_name(f".{target.name}.part")
    with _alone(target):
        _refuse_another(target, text)
        missing = _missing(target, manifest)
        try:
            for file in missing:
                (beside / file.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / file.path, beside / file.path)
            _put(missing, text, beside, target)
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be copied ({error.strerror}).") from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    _checked(target)
    return target


def _checked(folder: Path) -> Manifest:
    """The manifest of a folder where every file is as it says. Raises StoreError on the first that is not."""
    manifest = Manifest.read(folder)
    for trouble in filter(None, (damage(folder, file) for file in manifest.files)):
        raise StoreError(trouble)
    return manifest


def _is_whole(folder: Path) -> bool:
    """Whether a release is there, every file as its manifest says."""
    try:
        _checked(folder)
    except StoreError:
        return False
    return True


def _missing(folder: Path, manifest: Manifest) -> list[File]:
    """Files that are not here, or not as the manifest says."""
    return [file for file in manifest.files if damage(folder, file)]


def _check_manifest(text: bytes, wanted: str | None, where: str) -> None:
    found = hashlib.sha256(text).hexdigest()
    if wanted is not None and found != wanted:
        raise StoreError(f"{where} has sha256 {found}, expected {wanted}: it is another release.")


def _refuse_another(folder: Path, text: bytes) -> None:
    """A release is put over nothing, or over what is left of itself."""
    path = folder / NAME
    if path.exists() and path.read_bytes() != text:
        raise StoreError(f"{folder} holds another release. Give another folder, or remove it.")
    if folder.exists() and not path.exists() and any(folder.iterdir()):
        raise StoreError(f"{folder} holds something else. Give a folder of the release's own.")


def _folder(source: str, offline: bool) -> Path:
    """The folder of a remote release: by owner, name and commit for the hub, by address for a web server."""
    found = ADDRESS.fullmatch(source)
    if found is None:
        if source.startswith("hf://"):
            raise StoreError(f"{source} is no release. Expected hf://datasets/owner/name@revision.")
        digest = hashlib.sha256(source.rstrip("/").encode()).hexdigest()[:16]
        return fetched_folder() / f"web-{digest}"
    revision = found["revision"] or "main"
    if offline and not COMMIT.fullmatch(revision):
        raise StoreError(
            f"{source}: only the hub knows which commit that is, and offline=True. Name the commit, of 40 "
            "digits."
        )
    return fetched_folder() / found["repository"].replace("/", "--") / revision


def _kept(folder: Path, source: str) -> Path:
    if not (folder / NAME).exists():
        raise StoreError(
            f"{source} was not fetched to {folder} before, and offline=True. Fetch it once online."
        )
    _checked(folder)
    return folder


def _server(source: str, folder: Path, named_by_commit: bool, timeout: float) -> tuple[Server, Path]:
    """Where the files are, at one commit, and the folder for them."""
    found = ADDRESS.fullmatch(source)
    if found is None:
        return Server(source.rstrip("/"), None, timeout), folder
    endpoint = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    repository, revision = found["repository"], found["revision"] or "main"
    token = os.environ.get("HF_TOKEN")
    if not COMMIT.fullmatch(revision):
        hub = Server(f"{endpoint}/api/datasets/{repository}/revision", token, timeout)
        try:
            revision = json.loads(hub.text(quote(revision, safe="")))["sha"]
        except Trouble as error:
            raise StoreError(str(error)) from None
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{hub.address} did not answer as the hub does. Is {endpoint} one?") from None
        if named_by_commit:
            folder = folder.with_name(revision)
    return Server(f"{endpoint}/datasets/{repository}/resolve/{revision}", token, timeout), folder
