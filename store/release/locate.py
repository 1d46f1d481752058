"""Where a release is: in this package, in the folder of fetched ones, or to be fetched."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from store.errors import StoreError
from store.location import location

SAMPLE = Path(__file__).parents[1] / "sample"
VERSION = re.compile(r"\d+\.\d+\.\d+")
ODD_VERSION = re.compile(r"v?\d+(\.\d+)*|latest", re.IGNORECASE)
REMOTE = ("hf://", "https://", "http://")


@dataclass(frozen=True)
class Public:
    """A public release: its hub repository, the commit it is at, and the sha256 of its manifest."""

    repository: str
    commit: str
    manifest: str


# Version -> where it is, for ever: a release is never edited.
PUBLIC: dict[str, Public] = {}


def locate(source: str | Path | None, offline: bool) -> Path:
    """The folder of a benchmark; see `Benchmark.open` for what may be asked for. Raises StoreError."""
    if source is None:
        return SAMPLE
    if isinstance(source, str) and (VERSION.fullmatch(source) or source.startswith(REMOTE)):
        from store.release.fetch import fetch  # imported here: most readers never use the network

        return fetch(source, offline=offline)
    refuse_odd_version(source)
    return location(source)


def refuse_odd_version(source: str | Path) -> None:
    """Raise StoreError for a version that is written otherwise than versions are, unless it is a folder."""
    if isinstance(source, str) and ODD_VERSION.fullmatch(source) and not Path(source).exists():
        raise StoreError(f"No release {source!r}. Versions are three numbers, such as 1.0.0.")


def fetched_folder() -> Path:
    """Where fetched releases lie: $VITZERO_HOME, else ~/.cache/vit-zero-bench."""
    return Path(os.environ.get("VITZERO_HOME") or Path.home() / ".cache" / "vit-zero-bench")


def public(version: str) -> Public:
    """Where a public release is. Raises StoreError for a version that was never published."""
    if version in PUBLIC:
        return PUBLIC[version]
    known = f"Known: {', '.join(PUBLIC)}." if PUBLIC else "No release has been published yet."
    raise StoreError(f"No public release {version}. {known} Open a folder, or open() the sample.")
