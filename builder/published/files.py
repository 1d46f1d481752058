"""An importer's files: fetched from their address, or found in a local copy."""

from __future__ import annotations

import http.client
import shutil
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from builder.errors import BuilderError
from builder.published.importer import Importer
from builder.sources import reason
from store.write import replacing

_TIMEOUT = 60  # seconds without a byte


def located(importer: Importer, files: Sequence[str], path: str | None, cache: Path) -> dict[str, Path]:
    """Return where files lie on this machine; those that a local copy lacks are left out, and said.

    files: their paths in the source's repository.
    path:  a file, or a folder that has them under their names, or is a copy of the repository; None: fetch.
    cache: folder that fetched files are kept in.

    Raises BuilderError when none is there, or one cannot be fetched.
    """
    name = {file: file.rpartition("/")[2] for file in files}
    if path is None:
        return {file: fetched(importer.address(file), cache / importer.name / name[file]) for file in files}
    place = Path(path).expanduser()
    if place.is_file():
        found = {file: place for file in files if len(files) == 1 or name[file] == place.name}
    else:
        places = {file: (place / file, place / name[file]) for file in files}
        found = {file: at for file, both in places.items() for at in both if at.is_file()}
    if not found:
        raise BuilderError(
            f"protocol.published.path={path} is not, and does not hold, {' or '.join(name.values())} of "
            f"{importer.name}. Fetch it from {importer.address(files[0])}."
        )
    missing = [name[file] for file in files if file not in found]
    if missing:
        print(f"{importer.name}: {path} does not hold {' or '.join(missing)}; what is in there is left out")
    return found


def fetched(address: str, target: Path) -> Path:
    """Return the file of an address, fetched unless it lies at target already.

    Raises BuilderError, naming the address, when it cannot be fetched whole.
    """
    if target.is_file():
        return target
    try:
        with replacing(target) as part:
            _fetch(address, part, target.name)
    except (OSError, http.client.HTTPException) as error:
        raise BuilderError(
            f"{address} could not be fetched ({reason(error)}). "
            "Fetch it on another machine and give the local copy with protocol.published.path=."
        ) from None
    return target


def _fetch(address: str, part: Path, name: str) -> None:
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, part.open("wb") as file:
        size = int(answer.headers.get("Content-Length", 0))
        bar = {"desc": f"fetch {name}", "total": size or None, "delay": 2, "leave": False}
        with tqdm.wrapattr(answer, "read", **bar) as body:
            shutil.copyfileobj(body, file)
    if size and part.stat().st_size != size:
        raise OSError(f"{part.stat().st_size} of {size} bytes came")
