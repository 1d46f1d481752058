"""Local copies of the parts that lie in an object store: each is fetched once, whatever is asked of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from store.location import is_remote


def copies(paths: Sequence[Path]) -> list[Path]:
    """Return for each part a file of this machine with its content; on a disk that is the part itself.

    Copies are kept as long as the process lives. One of a part that was replaced meanwhile is not taken: its
    name holds all that the store says of an object, such as its checksum. Raises FileNotFoundError for a part
    that is gone.
    """
    if not paths or not is_remote(paths[0]):
        return list(paths)
    store, keys = paths[0].fs, [path.path for path in paths]  # type: ignore[attr-defined]
    there = store.find(os.path.commonpath([os.path.dirname(key) for key in keys]), detail=True)  # noqa: PTH120
    gone = [str(path) for path, key in zip(paths, keys, strict=True) if key not in there]
    if gone:
        raise FileNotFoundError(f"{gone[0]} is gone")
    found = [Path(_folder().name, _state(there[key]), key) for key in keys]
    lacking = {key: local for key, local in zip(keys, found, strict=True) if not local.exists()}
    for local in lacking.values():
        local.parent.mkdir(parents=True, exist_ok=True)
    if lacking:
        store.get(list(lacking), [str(local) for local in lacking.values()])
    return found


def original(part: Path, here: Path, name: str) -> str:
    """Return SQL for the name of the part that a copy is of.

    part, here: any part, and its copy. name: SQL for the file that a row was read from.
    """
    if not is_remote(part):
        return name
    address, key = str(part), part.path  # type: ignore[attr-defined]
    scheme = address[: len(address) - len(key)].replace("'", "''")
    return f"'{scheme}' || substr({name}, {len(str(here)) - len(key) + 1})"


def _state(about: dict[str, Any]) -> str:
    return hashlib.blake2b(str(sorted(about.items())).encode(), digest_size=8).hexdigest()


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="vitzero-parts-")
