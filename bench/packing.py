"""Tables that travel: what a piece of the queue wrote, in archives small enough to be sent, and back."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from store import TABLES, StoreError
from store.write import replacing

# Below the 16 MiB that a file may have, with room for what an archive adds to its files.
MOST_BYTES = 15 * 2**20


def pack(root: Path, paths: Iterable[Path], out: Path, name: str) -> list[Path]:
    """Write files into archives of at most 15 MiB.

    root:  folder of the benchmark; a file keeps its place below it
    paths: the files
    out:   folder of the archives
    name:  what their names begin with, followed by 12 hex digits of their content

    Returns the archives. Raises StoreError for a file that fits in none.
    """
    groups: list[list[Path]] = []
    room = 0
    for path in sorted(paths):
        size = path.stat().st_size + 2 * tarfile.RECORDSIZE
        if size > MOST_BYTES:
            raise StoreError(f"{path} has {size:,} bytes, more than an archive may have ({MOST_BYTES:,}).")
        if size > room:
            groups.append([])
            room = MOST_BYTES
        groups[-1].append(path)
        room -= path.stat().st_size + 4 * tarfile.BLOCKSIZE  # its header, its times, its padding
    out.mkdir(parents=True, exist_ok=True)
    return [_write(root, group, out, name) for group in groups]


def unpack(packs: Iterable[Path], root: Path) -> int:
    """Put the files of archives where they were; of two with one name the one written last stays.

    packs: archives of `pack`, in any order
    root:  folder of the benchmark, which may have files already

    Returns how many files were written. Raises StoreError for a damaged archive.
    """
    written = 0
    for path in packs:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    written += _unpack(archive, member, root)
        except (tarfile.TarError, EOFError) as error:
            raise StoreError(f"{path} is damaged ({error}). Delete it and repeat its piece.") from None
    return written


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> bool:
    """Write one file of an archive, whole or not at all; return whether it was newer than what is there."""
    target = root / member.name
    first, *others = Path(member.name).parts
    if first not in {*TABLES, "sanity"} or ".." in others or not member.isfile():
        raise tarfile.TarError(f"{member.name} is no part of a benchmark")
    # A run's row is written again as the run goes on.
    if target.exists() and target.stat().st_mtime >= member.mtime - 1e-3:
        return False
    content = archive.extractfile(member)
    found = b"" if content is None else content.read()
    if len(found) != member.size:
        raise tarfile.TarError(f"{member.name} is cut off")
    with replacing(target) as temporary:
        temporary.write_bytes(found)
        os.utime(temporary, (member.mtime, member.mtime))
    return True


def packed(packs: Iterable[Path]) -> dict[str, str]:
    """Return what archives hold: the place of each file below the benchmark's folder, and its checksum."""
    found: dict[str, tuple[float, str]] = {}
    for path in packs:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    if content is not None and found.get(member.name, (0.0, ""))[0] <= member.mtime:
                        found[member.name] = (member.mtime, hashlib.sha256(content.read()).hexdigest())
        except (tarfile.TarError, EOFError) as error:
            raise StoreError(f"{path} is damaged ({error}). Delete it and repeat its piece.") from None
    return {name: digest for name, (_, digest) in found.items()}


def new_files(root: Path, paths: Iterable[Path], packs: Iterable[Path]) -> list[Path]:
    """Return those of the files that no archive has as they are now."""
    known = packed(packs)
    return [
        path
        for path in paths
        if known.get(str(path.relative_to(root))) != hashlib.sha256(path.read_bytes()).hexdigest()
    ]


def _write(root: Path, paths: list[Path], out: Path, name: str) -> Path:
    digest = hashlib.blake2b(digest_size=6)
    temporary = out / f".{name}.{os.getpid()}.tmp"
    with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            digest.update(path.read_bytes())
            archive.add(path, str(path.relative_to(root)))
    return temporary.replace(out / f"{name}-{digest.hexdigest()}.tar")
