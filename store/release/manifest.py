"""The manifest of a release: which files it has, their sizes and checksums, and what is in them."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from store.errors import StoreError
from store.schema import SCHEMA_VERSION

NAME = "manifest.json"
RANKINGS = Path("rankings") / "rankings.parquet"
BLOCK = 2**20


@dataclass(frozen=True)
class File:
    """One file of a release.

    path: relative, with slashes. rows: of its table; None for a text
    """

    path: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What a release holds. Every file but the manifest itself is listed.

    version:        of the release, three numbers
    schema_version: of its tables
    code:           version and commit of the code that packed it, and the packages that decide its bytes
    date:           when the last of its runs ended, as year-month-day
    counts:         rows by what they are about: a list of groups a table
    tasks:          name -> title, licence and citation of its images
    proxies:        name -> principle, source and what it needs of the data
    rankings:       draws and seed of the precomputed rankings
    """

    version: str
    schema_version: int
    code: dict[str, Any]
    date: str
    files: tuple[File, ...]
    counts: dict[str, list[dict[str, Any]]]
    tasks: dict[str, dict[str, str]]
    proxies: dict[str, dict[str, str]]
    rankings: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest in a release's folder. Raises StoreError when it is missing, damaged or too new."""
        path = folder / NAME
        try:
            text = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror}). Fetch the release again.") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: bytes, where: str) -> Self:
        """The manifest in these bytes; `where` they are from. Raises StoreError."""
        try:
            values = json.loads(text)
            version = values["schema_version"]
            if isinstance(version, int) and version > SCHEMA_VERSION:
                raise StoreError(
                    f"{where} has schema version {version}, this code reads {SCHEMA_VERSION}. "
                    "Install a newer vit-zero-bench."
                )
            told = values.pop("checksum")
            values["files"] = tuple(File(**file) for file in values["files"])
            found = cls(**values)
            if found.text().encode() != text or told != found._checksum():
                raise ValueError("not as it was written")
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, StoreError):
                raise
            hint = " It is a web page: a login or captive portal answered." if is_html(text) else ""
            raise StoreError(
                f"{where} is no manifest of a release, or a damaged one.{hint} Fetch the release again."
            ) from None
        for file in found.files:
            if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
                raise StoreError(f"{where} lists {file.path!r}, which is outside the release. Do not use it.")
        return found

    def text(self) -> str:
        """The manifest as it is written, with a checksum of its own."""
        return _json(asdict(self) | {"checksum": self._checksum()})

    def _checksum(self) -> str:
        return hashlib.sha256(_json(asdict(self)).encode()).hexdigest()


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    """The checksum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def misfit(folder: Path, file: File) -> str | None:
    """One line on a listed file that is missing or has another size; None if it looks right, unread."""
    path = folder / file.path
    try:
        size = path.stat().st_size
    except OSError:
        return f"{path} is missing. Fetch the release again."
    if size != file.bytes:
        return (
            f"{path} has {size:,} bytes, the manifest says {file.bytes:,}: it is truncated, or of another "
            "release. Fetch the release again."
        )
    return None


def damage(folder: Path, file: File) -> str | None:
    """One line on a listed file that is missing, or is not the one the manifest means, read whole."""
    trouble = misfit(folder, file)
    if trouble is None and sha256(folder / file.path) != file.sha256:
        return (
            f"{folder / file.path} has another sha256 than the manifest says: it is damaged, or of another "
            "release. Fetch the release again."
        )
    return trouble


def strangers(folder: Path, manifest: Manifest) -> list[str]:
    """One line on each file that the manifest does not list, but for what other tools hide there."""
    listed = {file.path for file in manifest.files} | {NAME}
    return [
        f"{path} is not in the manifest of this release. Remove it."
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (inside := path.relative_to(folder)).as_posix() not in listed
        # As git, the hub's client and file browsers do. Rows would be read, hidden or not.
        if path.suffix == ".parquet" or not any(part.startswith(".") for part in inside.parts)
    ]


def is_html(text: bytes) -> bool:
    """Whether a server answered with a web page."""
    return text.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
