"""What a job has to do: the architectures it is about, what of them the tables lack, cut into blocks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pyarrow as pa

from builder.errors import BuilderError
from spaces import Architecture, Space
from store import TABLES, Benchmark
from store.location import is_there
from store.parts import find_parts
from store.write import part_name, replacing

if TYPE_CHECKING:
    from builder.provenance import Run

T = TypeVar("T")

# About what a block should take, and how many architectures it has where nothing was measured.
BLOCK_SECONDS = 600
UNMEASURED = 16
_LARGEST = 1024


# Jobs that are cut into blocks, and the tables they fill.
FILLS = {"accuracy": "accuracies", "score": "scores", "layers": "layers"}


@dataclass(frozen=True)
class Block:
    """A piece of a job that one worker does at a time; its rows are one part file.

    job:           accuracy, score or layers.
    seed:          of a training, or of weights and mini-batch.
    name:          of the part, which says what is in it; of a training without rows, its own.
    architectures: by their ids; none: the training of a supernet, which is there in its checkpoint.
    proxies:       of job=score: those that every architecture of the block lacks.
    stage:         blocks of a stage begin when those of the stages before are done.
    """

    job: str
    seed: int
    name: str
    architectures: tuple[Architecture, ...]
    proxies: tuple[str, ...] = ()
    stage: int = 0

    # Not its length: a block without architectures would be false.
    @property
    def size(self) -> int:
        """The number of its architectures."""
        return len(self.architectures)


@dataclass(frozen=True)
class Wanted:
    """All that a command wants of a job, done or not: what job=status counts. Kept in `plans/` of the root.

    table: the one it fills. space, task: of its rows.
    keys:  columns of the table to the values they are to have, each with each.
    by:    the column by which progress is told. label: what stands before its value.
    block: architectures in a block. The first command settles it: to cut by what was learnt since would cut
           anew what is queued already.
    """

    job: str
    table: str
    space: str
    task: str
    keys: dict[str, list[Any]]
    by: str
    label: str = ""
    block: int = UNMEASURED

    def _path(self, root: Path) -> Path:
        content = json.dumps(asdict(replace(self, block=0)), sort_keys=True)
        return root / "plans" / f"{part_name(self.job, self.space, self.task, keys=[content])}.json"

    def note(self, root: Path) -> None:
        """Write it, under a name that says what it is about, unless it is there."""
        path = self._path(root)
        if not is_there(path):
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(asdict(self), sort_keys=True))

    def noted(self, root: Path, size: Callable[[], int]) -> Wanted:
        """Return it as it was noted first, or else in blocks of `size()`, which takes time to find out."""
        path = self._path(root)
        return Wanted(**json.loads(path.read_text())) if is_there(path) else replace(self, block=size())

    @staticmethod
    def all_of(root: Path) -> list[Wanted]:
        """Return what the commands given on a benchmark want."""
        return [Wanted(**json.loads(path.read_text())) for path in sorted((root / "plans").glob("*.json"))]


# Does a block and writes its rows. It is told the block, and what to call after each architecture; it returns
# how many rows have each status.
Work: TypeAlias = Callable[[Block, Callable[[], object]], Counter[str]]


def opened(root: Path, space: str, *tables: str) -> Benchmark:
    """Open these tables and the runs alone: the many parts of the others would be read for nothing.

    Raises BuilderError, which names the space, where there is no table of architectures.
    """
    if not is_there(root / "architectures"):
        raise _nothing(root, space, f"in {root}")
    parts = partial(find_parts, root, (*tables, "runs"))
    return Benchmark(root, parts(), find=parts)


def architectures(root: Path, space: str, first: int | None = None) -> list[Architecture]:
    """Return a space's architectures in the order of their sample, then of their ids.

    first: only so many.

    Raises BuilderError when the table has none.
    """
    with opened(root, space, "architectures") as benchmark:
        return architectures_of(benchmark, space, first)


def architectures_of(benchmark: Benchmark, space: str, first: int | None = None) -> list[Architecture]:
    """Return the same of a benchmark that is open; arguments and errors as of `architectures`."""
    if space not in benchmark.spaces():
        raise _nothing(benchmark.path, space, f"of {space} in {benchmark.path}")
    table = benchmark.architectures(space).sort_by(
        [("sample_seed", "ascending"), ("sample_index", "ascending"), ("arch_id", "ascending")]
    )
    return [Architecture(space, genome) for genome in table["genome"].to_pylist()[:first]]


def _nothing(root: Path, space: str, where: str) -> BuilderError:
    return BuilderError(
        f"No architectures {where}. Run job=sample space={space} root={root} first, or import published "
        "accuracies."
    )


def architecture_row(space: Space, architecture: Architecture, run: Run) -> dict[str, Any]:
    """Return the row of an architecture that somebody else drew."""
    return {
        "arch_id": architecture.arch_id,
        "space": space.name,
        "genome": architecture.genome,
        "params": space.params(architecture),
        "macs": space.macs(architecture),
        "sample_seed": None,
        "sample_index": None,
        "run_id": run.id,
    }


def ids(root: Path, space: str, first: int | None = None) -> list[str]:
    """Return the ids of a space's architectures, sorted; arguments and errors as of `architectures`."""
    return sorted(architecture.arch_id for architecture in architectures(root, space, first))


def missing(
    root: Path, table: str, keys: Iterable[dict[str, Any]], retry_failed: bool = False
) -> list[dict[str, Any]]:
    """Return those of the keys that the table has no row of, in their order.

    retry_failed: a failed row counts as missing; else it counts as there.
    """
    keys = list(keys)
    if not keys or not is_there(root):
        return keys
    with Benchmark.open(root) as benchmark:
        absent = benchmark.missing(table, pa.Table.from_pylist(keys)).to_pylist()
        if not retry_failed:
            return absent
        names = TABLES[table].key
        failed = benchmark.sql(f"SELECT {', '.join(names)} FROM {table} WHERE status <> 'ok'").to_pylist()

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    wanted = {key(row) for row in (*absent, *failed)}
    return [row for row in keys if key(row) in wanted]


def lacking(
    benchmark: Benchmark,
    table: str,
    chosen: Iterable[Architecture],
    task: str,
    seeds: Sequence[int],
    column: str,
    values: Sequence[str],
    retry_failed: bool = False,
) -> dict[int, dict[str, tuple[str, ...]]]:
    """Return the values that architectures lack in a table: by seed and arch_id, of those that lack any.

    benchmark:    with the table, as `opened`.
    column:       the column that is to have each of `values` for each architecture and seed.
    retry_failed: a failed row counts as missing; else it counts as there.
    """
    ids = [architecture.arch_id for architecture in chosen]
    rows = f"{table} WHERE status = 'ok'" if retry_failed else f"parts.{table} WHERE true"
    found = benchmark.sql(
        f"""WITH asked AS (
            SELECT * FROM (SELECT unnest({literals(seeds)}) AS seed)
            CROSS JOIN (SELECT unnest({literals(ids)}) AS arch_id)
            CROSS JOIN (
                SELECT unnest({literals(values)}) AS {column}, unnest(range({len(values)})) AS place))
        SELECT seed, arch_id, list({column} ORDER BY place) AS lacking
        FROM asked ANTI JOIN (SELECT seed, arch_id, {column} FROM {rows} AND task = {literal(task)})
            USING (seed, arch_id, {column})
        GROUP BY seed, arch_id"""
    )
    by_seed: dict[int, dict[str, tuple[str, ...]]] = {seed: {} for seed in seeds}
    for row in found.to_pylist():
        by_seed[row["seed"]][row["arch_id"]] = tuple(row["lacking"])
    return by_seed


def block_size(seconds: float | None) -> int:
    """Return how many architectures make about ten minutes.

    seconds: of one architecture; None where none was measured.

    A power of two, so that two plans cut alike although one of them knows a little better.
    """
    if not seconds:
        return UNMEASURED
    size = 1
    while 2 * size * seconds <= BLOCK_SECONDS and size < _LARGEST:
        size *= 2
    return size


def cut(
    chosen: Iterable[Architecture], lacking: Mapping[str, tuple[str, ...]], size: int
) -> Iterator[tuple[tuple[Architecture, ...], tuple[str, ...]]]:
    """Yield architectures that lack the same, and what they lack; about `size` of them at a time.

    chosen:  all architectures of the job, whether they lack something or not: the cut does not depend on what
             was done already.
    lacking: by arch_id, of those that lack something.
    """
    for block in blocks(sorted(chosen, key=lambda a: a.arch_id), size):
        alike: dict[tuple[str, ...], list[Architecture]] = {}
        for architecture in block:
            if architecture.arch_id in lacking:
                alike.setdefault(lacking[architecture.arch_id], []).append(architecture)
        for lack, group in alike.items():
            yield tuple(group), lack


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def literal(value: str | int) -> str:
    """Return a value as SQL writes it."""
    return quoted(value) if isinstance(value, str) else str(value)


def literals(values: Iterable[str | int]) -> str:
    """Return values as SQL writes a list of them."""
    return f"[{', '.join(map(literal, values))}]"


def blocks(items: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Cut a sequence into pieces of `size`, the last one shorter."""
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]
