"""The command line of scripts that print the paper's numbers beside those of a benchmark of ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from store import Benchmark, StoreError

PICTURE = "draw it there, .png or .svg"


@dataclass(frozen=True)
class Ground:
    """One space and task of an opened benchmark, and what else the command line says."""

    benchmark: Benchmark
    space: str
    task: str
    given: argparse.Namespace


@contextmanager
def opened(documentation: str | None, **options: str) -> Iterator[Ground]:
    """Read the command line, open the benchmark; a mistake there or in the block is a line and status 2.

    options: what else the script takes, by name, and its help; None where it is not given
    """
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the benchmark")
    parser.add_argument("--space", help="if it has several")
    parser.add_argument("--task", help="if it has several")
    for name, meaning in options.items():
        parser.add_argument(f"--{name}", help=meaning)
    given = parser.parse_args()
    try:
        with Benchmark.open(given.root) as benchmark:
            space = _one("space", given.space, benchmark.spaces())
            task = _one("task", given.task, benchmark.tasks())
            yield Ground(benchmark, space, task, given)
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _one(noun: str, asked: str | None, known: list[str]) -> str:
    if asked is None and len(known) != 1:
        raise StoreError(f"{len(known)} {noun}s are here: {', '.join(known)}. Say which with --{noun}.")
    return asked or known[0]
