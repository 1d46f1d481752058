"""Decoded images kept as one memory-mapped file: built once, checksummed, built anew when damaged."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from builder.errors import BuilderError
from builder.sources import reason
from store.write import replacing

# Spherical images are made a block at a time; 16 fit a core's cache.
_BLOCK = 16

# Positions in a source to (images, channels, side, side) uint8, and the reasons of those that are damaged.
Decode = Callable[[Sequence[int]], tuple[np.ndarray, dict[int, str]]]


@dataclass(frozen=True)
class Decoded:
    """A source's images: pixels (images, channels, side, side) uint8, zeros where `damaged` says why."""

    pixels: np.ndarray
    damaged: dict[int, str]


def decode_all(shape: Sequence[int], decode: Decode, label: str) -> Decoded:
    """Decode every image of a source into memory; shape: (images, channels, side, side)."""
    found = Decoded(np.zeros(shape, dtype=np.uint8), {})
    for block, pixels, damaged in _blocks(shape[0], decode, label):
        found.pixels[block.start : block.stop] = pixels
        found.damaged.update(damaged)
    return found


def open_cache(path: Path, shape: Sequence[int], decode: Decode, label: str) -> Decoded:
    """Open the decoded copy of a source, or build it.

    path:   of the copy, named after all that decides its pixels; its checksum and its list of damaged images
            lie beside it, as `.json`.
    shape:  (images, channels, side, side).
    decode: what it is built with.
    label:  beside the progress bar and in what is said about a damaged copy.

    The copy is checked once by every process that opens it. Of processes that build it at once, the first one
    to end leaves its own. Raises BuilderError when it cannot be written.
    """
    beside = path.with_suffix(".json")
    opened = functools.partial(_opened, path, beside, shape)
    if beside.exists():
        found = opened()
        if found is not None:
            return found
        print(f"{label}: the decoded copy {path} is damaged and is built anew")
    beside.unlink(missing_ok=True)  # what describes the copy must never be older than it
    damaged = _build(path, shape, decode, label, opened)
    found = opened()
    if found is not None:
        return found
    content = {"sha256": _sha256(*_state(path)), "damaged": list(damaged.items())}
    with replacing(beside) as temporary:
        temporary.write_text(json.dumps(content))
    return Decoded(np.load(path, mmap_mode="r"), damaged)


def _opened(path: Path, beside: Path, shape: Sequence[int]) -> Decoded | None:
    """Return the copy, None if it is not whole."""
    try:
        content = json.loads(beside.read_text())
        if _sha256(*_state(path)) != content["sha256"]:
            return None
        pixels = np.load(path, mmap_mode="r")
        damaged = {int(index): str(reason) for index, reason in content["damaged"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Decoded(pixels, damaged) if pixels.shape == tuple(shape) else None


def _build(
    path: Path, shape: Sequence[int], decode: Decode, label: str, opened: Callable[[], Decoded | None]
) -> dict[int, str]:
    found = {}
    try:
        # Written, not mapped: where a disk fills up, a mapped file kills the process without a word.
        with replacing(path, unless=opened) as temporary, temporary.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for _, pixels, damaged in _blocks(shape[0], decode, label):
                found.update(damaged)
                file.write(pixels.tobytes())
    except OSError as error:
        raise BuilderError(
            f"{label}: the decoded copy {path} of {math.prod(shape) / 2**20:.0f} MiB cannot be written "
            f"({reason(error)}). Make room there, or take another root=."
        ) from None
    return found


def _blocks(count: int, decode: Decode, label: str) -> Iterator[tuple[range, np.ndarray, dict[int, str]]]:
    """Yield positions in a source, their pixels, and the reasons of those that are damaged."""
    with tqdm(total=count, desc=f"decode {label}", unit="image", delay=2, leave=False) as bar:
        for start in range(0, count, _BLOCK):
            block = range(start, min(start + _BLOCK, count))
            yield block, *decode(block)
            bar.update(len(block))


def _state(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


@functools.cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Return a file's checksum; once a process, as long as its size and its time of change stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
