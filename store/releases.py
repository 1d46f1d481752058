"""Where a release is: in this package, in the folder of fetched ones, or nowhere yet."""

import os
import re
from pathlib import Path

from store.errors import StoreError
from store.location import location

SAMPLE = Path(__file__).parent / "sample"
VERSION = re.compile(r"\d+\.\d+\.\d+")

# Public releases: version -> hub repository and the commit it is at. A release is never edited.
PUBLIC: dict[str, tuple[str, str]] = {}


def locate(source: str | Path | None, offline: bool) -> Path:
    """The folder of a benchmark; see `Benchmark.open` for what may be asked for. Raises StoreError."""
    if source is None:
        return SAMPLE
    if isinstance(source, str) and VERSION.fullmatch(source):
        return _fetched(source)
    return location(source)


def fetched_folder() -> Path:
    """Where fetched releases lie: $VITZERO_HOME, else ~/.cache/vit-zero-bench."""
    return Path(os.environ.get("VITZERO_HOME") or Path.home() / ".cache" / "vit-zero-bench")


def _fetched(version: str) -> Path:
    folder = fetched_folder() / version
    if not folder.is_dir():
        public = f"Public ones: {', '.join(PUBLIC)}." if PUBLIC else "None has been published yet."
        raise StoreError(f"No release {version} in {fetched_folder()}, and none is public. {public}")
    return folder
