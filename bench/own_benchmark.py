"""The command line of scripts that print the paper's numbers beside those of a benchmark of ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from store import Benchmark, StoreError


@dataclass(frozen=True)
class Ground:
    """One space and task of an opened benchmark; picture: where to draw, a .png or .svg, or nowhere."""

    benchmark: Benchmark
    space: str
    task: str
    picture: Path | None


@contextmanager
def opened(documentation: str | None, pictured: bool = False) -> Iterator[Ground]:
    """Read the command line, open the benchmark; a mistake there or in the block is a line and status 2.

    pictured: whether the script takes --picture
    """
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the benchmark")
    parser.add_argument("--space", help="if it has several")
    parser.add_argument("--task", help="if it has several")
    if pictured:
        parser.add_argument("--picture", type=Path, help="draw it there, .png or .svg")
    given = parser.parse_args()
    try:
        with Benchmark.open(given.root) as benchmark:
            space = _one("space", given.space, benchmark.spaces())
            task = _one("task", given.task, benchmark.tasks())
            yield Ground(benchmark, space, task, given.picture if pictured else None)
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _one(noun: str, asked: str | None, known: list[str]) -> str:
    if asked is None and len(known) != 1:
        raise StoreError(f"{len(known)} {noun}s are here: {', '.join(known)}. Say which with --{noun}.")
    return asked or known[0]
