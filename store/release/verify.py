"""Whether a release is what it says: its files, its constraints, its counts, and a sample of its rankings."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.benchmark import Benchmark
from store.cells import CELL
from store.errors import StoreError
from store.parts import find_parts
from store.rank import RANKING
from store.release.checks import problems
from store.release.locate import REMOTE
from store.release.manifest import RANKINGS, Manifest, damage, strangers
from store.release.pack import COUNTED, counts

CLOSE = 1e-9  # rankings recomputed by other versions of numpy and scipy may differ by rounding
# report(done, total): how many bytes of the files are hashed
Report = Callable[[int, int], None]


def verify(path: str | Path, rankings: int = 3, report: Report = lambda done, total: None) -> list[str]:
    """What is wrong with a release, one line each; empty where all is right.

    path:     folder of the release
    rankings: how many of its rankings to recompute, those with the most architectures first
    report:   called while files are hashed

    Files are checked first, and tables only where every file is right. Raises StoreError without a readable
    manifest.
    """
    if str(path).startswith(REMOTE):
        raise StoreError(f"{path} is not here. Fetch it, and give the folder that it is fetched to.")
    folder = Path(path)
    manifest = Manifest.read(folder)
    found = list(_files(folder, manifest, report))
    if found:
        return found
    try:
        # Without its manifest, so that rankings are computed and not read.
        with Benchmark(folder, find_parts(folder)) as benchmark:
            return list(_tables(benchmark, manifest, rankings))
    except StoreError as error:
        return [str(error)]


def _files(folder: Path, manifest: Manifest, report: Report) -> Iterator[str]:
    done, total = 0, sum(file.bytes for file in manifest.files)
    for file in manifest.files:
        if trouble := damage(folder, file):
            yield trouble
        done += file.bytes
        report(done, total)
    yield from strangers(folder, manifest)


def _tables(benchmark: Benchmark, manifest: Manifest, rankings: int) -> Iterator[str]:
    yield from problems(benchmark.connection.query, set(manifest.proxies))
    for name in COUNTED:
        if counts(benchmark, name) != manifest.counts[name]:
            yield f"{benchmark.path / name} has other counts of rows than the manifest says."
    yield from _rankings(benchmark, manifest, rankings)


def _rankings(benchmark: Benchmark, manifest: Manifest, most: int) -> Iterator[str]:
    stored = pq.read_table(benchmark.path / RANKINGS)
    if stored.column_names != RANKING.names:
        yield f"{benchmark.path / RANKINGS} has other columns than this code computes. Install its version."
        return
    names = [field.name for field in CELL]
    rows = stored.to_pylist()
    sizes: dict[tuple[Any, ...], int] = {}
    for row in rows:
        cell = tuple(row[name] for name in names)
        sizes[cell] = max(sizes.get(cell, 0), row["n"])
    for cell in sorted(sizes, key=lambda cell: (-sizes[cell], str(cell)))[:most]:
        space, task, protocol, recipe = cell
        draws, seed = manifest.rankings["draws"], manifest.rankings["seed"]
        anew = benchmark.rank(task, protocol, recipe, space, draws=draws, seed=seed)
        mine = [row for row in rows if tuple(row[name] for name in names) == cell]
        if not _alike(pa.Table.from_pylist(mine, schema=RANKING), anew):
            told = ", ".join(str(one) for one in cell)
            yield f"{benchmark.path / RANKINGS}: the ranking of {told} is another when it is computed anew."


def _alike(one: pa.Table, other: pa.Table) -> bool:
    """Equal up to rounding."""
    if len(one) != len(other):
        return False
    for field in RANKING:
        a, b = one[field.name], other[field.name]
        if field.type == pa.float64():
            if not np.allclose(a.to_numpy(), b.to_numpy(), rtol=0, atol=CLOSE, equal_nan=True):
                return False
        elif a.to_pylist() != b.to_pylist():
            return False
    return True
