"""Local copies of the parts that lie in an object store: each is fetched once, whatever is asked of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from store.location import is_remote


def copies(root: Path, paths: Iterable[Path]) -> dict[Path, Path]:
    """Return for each part a file of this machine with its content; on a disk that is the part itself.

    root: folder of the benchmark, which the paths lie in.

    Copies are kept as long as the process lives. One of a part that was replaced meanwhile is not taken: the
    name holds all that the store says of an object, such as its checksum. Raises FileNotFoundError for a part
    that is gone.
    """
    if not is_remote(root):
        return {path: path for path in paths}
    store = root.fs  # type: ignore[attr-defined]
    there = store.find(root.path, detail=True)  # type: ignore[attr-defined]
    found, lacking = {}, {}
    for path in paths:
        key = path.path  # type: ignore[attr-defined]
        if key not in there:
            raise FileNotFoundError(f"{path} is gone")
        state = hashlib.blake2b(str(sorted(there[key].items())).encode(), digest_size=8).hexdigest()
        found[path] = Path(folder(), state, *path.relative_to(root).parts)
        if not found[path].exists():
            lacking[key] = found[path]
    for local in lacking.values():
        local.parent.mkdir(parents=True, exist_ok=True)
    if lacking:
        store.get(list(lacking), [str(local) for local in lacking.values()])
    return found


def folder() -> str:
    """Return the folder of this process's copies; below it one for each state, with the paths in the root."""
    return _folder().name


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="vitzero-parts-")
