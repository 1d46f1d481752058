"""What a damaged release says: every kind of damage to a copy, and what opening and verifying it answer.

python -m bench.release_faults [release] [other release]
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from store import Benchmark, StoreError, verify
from store.release.locate import SAMPLE
from store.release.manifest import NAME, Manifest

Damage = Callable[[Path], None]


def damages(release: Path, other: Path | None = None) -> Iterator[tuple[str, Damage]]:
    """Name of a damage, and what does it to a release's folder. other: a release to swap files with."""
    files = [file.path for file in Manifest.read(release).files] + [NAME]
    for name in files:
        size = (release / name).stat().st_size
        yield f"{name}: missing", lambda root, name=name: (root / name).unlink()
        yield f"{name}: empty", lambda root, name=name: (root / name).write_bytes(b"")
        yield f"{name}: half", lambda root, name=name, size=size: _cut(root / name, size // 2)
        yield f"{name}: last byte gone", lambda root, name=name, size=size: _cut(root / name, size - 1)
        yield f"{name}: a byte more", lambda root, name=name: _append(root / name)
        for where, place in _places(release / name):
            yield f"{name}: {where} flipped", lambda root, name=name, place=place: _flip(root / name, place)
        if other is not None and (other / name).read_bytes() != (release / name).read_bytes():
            yield f"{name}: of another release", lambda root, name=name: _swap(root / name, other / name)
        if name.endswith(".parquet"):
            yield f"{name}: of a newer schema", lambda root, name=name: _newer(root / name)
    yield "a file more, of a table", lambda root: _copy(root, "scores/scores.parquet", "scores/more.parquet")
    yield "a file more, elsewhere", lambda root: _copy(root, "README.md", "notes.txt")


def consequences(release: Path, damage: Damage, folder: Path) -> tuple[str, str]:
    """What opening and verifying a damaged copy say; an empty text where they notice nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(release, folder)
    damage(folder)
    try:
        Benchmark.open(folder).close()
        opened = ""
    except StoreError as error:
        opened = str(error)
    try:
        found = verify(folder)
    except StoreError as error:
        found = [str(error)]
    return opened, found[0] if found else ""


def main(arguments: list[str]) -> int:
    """Print the table. Returns 1 when verifying overlooks a damage."""
    release = Path(arguments[0]) if arguments else SAMPLE
    other = Path(arguments[1]) if len(arguments) > 1 else None
    overlooked = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "release"
        for name, damage in damages(release, other):
            opened, verified = (
                text.replace(f"{folder}/", "") for text in consequences(release, damage, folder)
            )
            overlooked += not verified
            print(name)
            print(f"    open:   {opened or '(opens: only sizes and footers are read)'}")
            if verified != opened:
                print(f"    verify: {verified or 'OVERLOOKED'}")
    print(f"overlooked: {overlooked}")
    return 1 if overlooked else 0


def _places(path: Path) -> list[tuple[str, int]]:
    """Kinds of bytes of a file, and where one of each stands."""
    size = path.stat().st_size
    if path.suffix != ".parquet":
        return [("first byte", 0), ("a byte in the middle", size // 2)]
    column = pq.read_metadata(path).row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    return [
        ("magic number", 0),
        ("page header", start + 1),
        ("data page", column.data_page_offset + column.total_compressed_size // 2),
        ("footer", size - 100),
        ("length of the footer", size - 8),
        ("magic number at the end", size - 1),
    ]


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def _swap(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


def _copy(root: Path, name: str, copy: str) -> None:
    shutil.copyfile(root / name, root / copy)


def _newer(path: Path) -> None:
    table: pa.Table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"schema_version": "99"}), path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
