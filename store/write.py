"""Writing part files: validated against the schema, then made visible whole or not at all."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store import schema
from store.errors import StoreError
from store.location import is_remote, location
from store.schema import Table


def _container() -> str:
    """What tells containers of one host apart that have processes of their own."""
    try:
        return "-" + re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))  # noqa: PTH115
    except OSError:
        return ""


# Rows of a table: dicts by column name, or an Arrow table.
Rows: TypeAlias = "Sequence[Mapping[str, Any]] | pa.Table"

# Where process ids mean something: a host, and in it a container. Dots separate this from the rest of a
# temporary name, so it holds none.
HOST = f"{socket.gethostname().replace('.', '_')}{_container()}"

# What Arrow raises for a value that does not fit the type of its column.
MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)


def write_part(root: str | Path, table: str, rows: Rows, name: str) -> Path:
    """Write one part file of a table; a reader sees all of it or nothing of it.

    root:  folder of the benchmark, or its address in an object store; made when missing
    table: a name in TABLES
    rows:  list of dicts, or Arrow table; exactly the table's columns, in any order
    name:  part name without suffix; may hold "/" for subfolders; an existing part is replaced

    Returns the path `<root>/<table>/<name>.parquet`. Raises StoreError naming column and row when the rows do
    not fit the schema, and OSError when the disk refuses; in both cases nothing is left behind.
    """
    wanted = schema.table(table)
    data = conform(wanted, rows)
    path = location(root) / wanted.name / f"{_checked_name(name)}.parquet"
    with replacing(path) as temporary, temporary.open("wb") as file:
        pq.write_table(data, file, compression="zstd", write_page_checksum=True)
    return path


@contextmanager
def replacing(path: Path, unless: Callable[[], object] = lambda: None) -> Iterator[Path]:
    """Give the name to write a file under; at the end it is forced to disk and takes its own name.

    unless: asked before that; where it returns something, what was written is thrown away.

    A reader sees all of the file or nothing of it; whatever is raised inside leaves nothing behind. On a
    network file system a name is taken by one server for all; an object store takes whole files only.
    """
    if is_remote(path):
        with TemporaryDirectory(prefix="vitzero-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            path.fs.put_file(str(temporary), path.path)  # type: ignore[attr-defined]
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if unless() is None:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def part_name(*content: object, keys: Iterable[object]) -> str:
    """A part name that depends on what the part holds and not on when, where or in which order it was made.

    content: what a person should read in the name, such as space, task and proxy
    keys:    the keys of the rows to be written (texts, numbers or tuples of them), in any order

    Returns for instance "autoformer-tiny-cifar100-3f0c9a1b22d4": the content and 12 hex digits of the keys.
    """
    words = [re.sub(r"[^A-Za-z0-9._]+", "-", str(word)).strip("-.") for word in content]
    # The words as they were given: two that read alike in a file name are not the same.
    lines = [json.dumps([str(word) for word in content]), *sorted({json.dumps(key) for key in keys})]
    digest = hashlib.blake2b("\n".join(lines).encode(), digest_size=6).hexdigest()
    return "-".join([word for word in words if word] + [digest])


def clean_temporary(root: str | Path) -> list[Path]:
    """Remove what killed writers left behind: temporary files of this host whose process no longer runs.

    Files of other hosts stay, since their writers may be at work; only those hosts can tell. A process id
    that was given to a new process keeps its file until that process ends: harmless, as readers never see it.

    Returns the paths removed.
    """
    removed: list[Path] = []
    if is_remote(root):  # nothing has a temporary name there
        return removed
    for path in sorted(Path(root).rglob(".*.tmp")):
        match = re.fullmatch(rf"\..+\.{re.escape(HOST)}\.(\d+)\.tmp", path.name)
        if match and not _alive(int(match[1])):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def conform(wanted: Table, rows: Rows) -> pa.Table:
    """The rows as an Arrow table of exactly the wanted schema, or StoreError naming column and row."""
    names = wanted.schema.names
    given: Iterable[str] = (
        rows.column_names if isinstance(rows, pa.Table) else {name for row in rows for name in row}
    )
    for name in given:
        if name not in names:
            raise StoreError(f"{wanted.name}: unknown column {name!r}. Expected: {', '.join(names)}.")
    columns = [_typed(wanted, field, rows) for field in wanted.schema]
    data = pa.Table.from_arrays(columns, schema=wanted.schema)
    for field in wanted.schema:
        _check_column(wanted, field, data[field.name])
    _check_status(wanted, data)
    _check_unique(wanted, data)
    return data


def _typed(wanted: Table, field: pa.Field, rows: Rows) -> pa.ChunkedArray:
    if isinstance(rows, pa.Table):
        if field.name not in rows.column_names:
            raise StoreError(
                f"{wanted.name}: column {field.name!r} is missing. Add it, null where not known."
            )
        return _convert(wanted, field, rows[field.name], lambda values: values.cast(field.type))
    for row, given in enumerate(rows):
        if field.name not in given:
            raise StoreError(
                f"{wanted.name}: column {field.name!r} is missing in row {row}. Add it, null where not known."
            )
    values = [row[field.name] for row in rows]
    return _convert(wanted, field, values, lambda values: pa.chunked_array([_array(values, field.type)]))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    # Arrow cuts 1.5 to 1 when it is told to expect whole numbers; a cast refuses.
    if pa.types.is_integer(kind):
        found = pa.array(values)
        if pa.types.is_floating(found.type):
            return found.cast(kind)
    return pa.array(values, kind)


def _convert(
    wanted: Table, field: pa.Field, values: Any, convert: Callable[[Any], pa.ChunkedArray]
) -> pa.ChunkedArray:
    try:
        return convert(values)
    except MISFITS:
        for row in range(len(values)):
            try:
                convert(values[row : row + 1])
            except MISFITS:
                value = values[row].as_py() if isinstance(values, pa.ChunkedArray) else values[row]
                raise _wrong(wanted, field.name, row, f"is {value!r}, which is not {field.type}") from None
        raise StoreError(
            f"{wanted.name}: column {field.name!r} mixes types. Expected {field.type}."
        ) from None


def _check_column(wanted: Table, field: pa.Field, values: pa.ChunkedArray) -> None:
    if not field.nullable:
        _refuse(wanted, field.name, pc.is_null(values), "is null, but must be given")
    if pa.types.is_floating(field.type):
        _refuse(wanted, field.name, pc.invert(pc.is_finite(values)), "is not finite. Write null")
    if field.metadata[b"unit"] == b"fraction":
        outside = pc.or_(pc.less(values, 0.0), pc.greater(values, 1.0))
        _refuse(wanted, field.name, outside, "is outside 0..1. Write a fraction, not a percentage")


def _check_status(wanted: Table, data: pa.Table) -> None:
    if not wanted.statuses:
        return
    strange = pc.invert(pc.is_in(data["status"], pa.array(wanted.statuses)))
    _refuse(wanted, "status", strange, f"is not one of {', '.join(wanted.statuses)}")
    if wanted.measured is None:
        return
    okay = pc.equal(data["status"], "ok")
    given = pc.is_valid(data[wanted.measured])
    _refuse(wanted, wanted.measured, pc.and_(okay, pc.invert(given)), "is null although status is 'ok'")
    _refuse(wanted, wanted.measured, pc.and_(given, pc.invert(okay)), "is given although status is not 'ok'")


def _check_unique(wanted: Table, data: pa.Table) -> None:
    numbered = data.select(wanted.key).append_column("row", pa.array(np.arange(len(data))))
    last = numbered.group_by(list(wanted.key)).aggregate([("row", "min"), ("row", "max")])
    twice = last.filter(pc.less(last["row_min"], last["row_max"]))
    if len(twice):
        first = twice.sort_by("row_max").slice(0, 1).to_pylist()[0]
        raise StoreError(
            f"{wanted.name}: row {first['row_max']} repeats the key ({', '.join(wanted.key)}) "
            f"of row {first['row_min']}. Write each fact once."
        )


def _refuse(wanted: Table, name: str, bad: pa.ChunkedArray, what: str) -> None:
    """Raise for the first row where `bad` is true; a null in `bad` is not true."""
    rows = np.flatnonzero(pc.fill_null(bad, False).to_numpy())
    if len(rows):
        raise _wrong(wanted, name, int(rows[0]), what)


def _wrong(wanted: Table, name: str, row: int, what: str) -> StoreError:
    return StoreError(f"{wanted.name}: column {name!r} in row {row} {what}.")


def _checked_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or any(part.startswith(".") for part in path.parts):
        raise StoreError(f"Part name {name!r} is not a relative name without leading dots. Use part_name().")
    return path


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
