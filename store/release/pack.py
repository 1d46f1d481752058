"""Packing: the tables of a benchmark compacted, checked and described, as a folder that never changes."""

import json
import platform
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store.benchmark import Benchmark
from store.errors import StoreError
from store.rank import RANKING
from store.release import card, croissant
from store.release.checks import problems
from store.release.locate import VERSION
from store.release.manifest import NAME, RANKINGS, File, Manifest, sha256
from store.schema import SCHEMA_VERSION, TABLES, Table
from store.write import replacing

DRAWS = {"draws": 1000, "seed": 0}  # the usual ones of `Benchmark.rank`
ROWS = 65_536  # of a row group: few enough that one architecture is found fast, and their list read fast
# The folders of a path, which say whose machine it was: of one alone, and of one within a text.
ALONE = re.compile(r"^(?:(?:file|s3|gs|gcs)://|~|/|\.\.?/).*/")
IN_TEXT = re.compile(r"(?:\b(?:file|s3|gs|gcs)://|(?<![\w:/~.])(?:~|\.\.?)?/)[^\s'\"]*/")
DIGITS = 4  # of times: beyond them is noise of the clock
COUNTED = {
    "architectures": "space",
    "accuracies": "space, task, protocol, recipe, split",
    "scores": "task, proxy",
    "layers": "task",
    "searches": "space, task, strategy, ranker",
    "runs": "job",
}


def pack(
    root: str | Path,
    target: str | Path,
    version: str,
    proxies: Mapping[str, Mapping[str, str]],
    code: Mapping[str, str],
    previous: str | Path | None = None,
) -> Path:
    """Write the release of a benchmark and return its folder.

    root:     folder of the benchmark
    target:   folder of the release; made here, and refused when it is there already
    version:  three numbers, such as 1.0.0
    proxies:  every proxy there is: name -> principle, source, data
    code:     version and commit of the code that packs
    previous: the release before this one, to say what changed; None: this is the first

    The same rows give the same bytes, as long as pyarrow stays the same. Raises StoreError that names the
    rows which break a constraint, and leaves nothing behind.
    """
    target = Path(target)
    if not VERSION.fullmatch(version):
        raise StoreError(f"version is {version!r}, expected three numbers such as 1.0.0.")
    if target.exists():
        raise StoreError(f"{target} is there already, and a release is never changed. Give another version.")
    if previous is not None:
        _check_later(version, Manifest.read(Path(previous)).version)
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with Benchmark.open(root) as benchmark:
            _refuse(benchmark, proxies)
            for table in TABLES.values():
                _write_table(benchmark, table, temporary)
        _describe(temporary, version, proxies, code, previous)
        temporary.rename(target)
    except OSError as error:
        raise StoreError(f"{error.filename or target} cannot be written ({error.strerror}).") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _check_later(version: str, before: str) -> None:
    if [int(number) for number in version.split(".")] <= [int(number) for number in before.split(".")]:
        raise StoreError(f"version is {version}, and the release before is {before}. Give a later one.")


def _refuse(benchmark: Benchmark, proxies: Mapping[str, Mapping[str, str]]) -> None:
    # A proxy's options stand behind its name, in brackets.
    known = {name for name in benchmark.proxies() if name.partition("[")[0] in proxies}
    found = list(problems(benchmark.connection.query, known))
    if not benchmark.spaces():
        found.append("architectures: there are none")
    if not benchmark.tasks():
        found.append("accuracies, scores, layers and searches: there are none")
    if found:
        raise StoreError(f"{benchmark.path} cannot be released: {'. '.join(found)}.")


def _write_table(benchmark: Benchmark, table: Table, folder: Path) -> None:
    rows = benchmark.connection.query(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}")
    columns = {field.name: rows[field.name].cast(field.type) for field in table.schema}
    for field in table.schema:
        if field.metadata[b"unit"] == b"seconds":
            columns[field.name] = _rounded(columns[field.name])
    if table.name == "runs":
        columns |= _without_places(rows)
    if "message" in columns:
        told = [None if text is None else IN_TEXT.sub("", text) for text in rows["message"].to_pylist()]
        columns["message"] = pa.array(told, pa.string())
    data = pa.table(columns, schema=table.schema)
    if len(data):
        write(data, folder / table.name / f"{table.name}.parquet")


def write(data: pa.Table, path: Path) -> None:
    """Write one Parquet file of a release, the same bytes for the same rows."""
    reals = [field.name for field in data.schema if field.type == pa.float64() and _many(data[field.name])]
    with replacing(path) as temporary:
        pq.write_table(
            data,
            temporary,
            row_group_size=ROWS,
            compression="zstd",
            compression_level=9,
            use_dictionary=[name for name in data.column_names if name not in reals],
            column_encoding=dict.fromkeys(reals, "BYTE_STREAM_SPLIT"),
            write_page_checksum=True,
        )


def _many(values: pa.ChunkedArray) -> bool:
    """Whether values differ so much that a dictionary of them would be no shorter."""
    return len(values.unique()) > len(values) // 4


def _rounded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(values.type):
        flat = _rounded(pa.chunked_array([values.combine_chunks().values]))
        lists = values.combine_chunks()
        return pa.chunked_array([pa.ListArray.from_arrays(lists.offsets, flat.combine_chunks())])
    rounded = [None if value is None else float(f"{value:.{DIGITS}g}") for value in values.to_pylist()]
    return pa.chunked_array([pa.array(rounded, values.type)])


def _without_places(runs: pa.Table) -> dict[str, pa.Array]:
    """Configuration and host without what only says whose machine it was: folders, and its name."""
    hosts = {host: f"host {place}" for place, host in enumerate(dict.fromkeys(runs["host"].to_pylist()), 1)}
    configs = [
        json.dumps(_without_folders(json.loads(config)), sort_keys=True)
        for config in runs["config"].to_pylist()
    ]
    return {
        "host": pa.array([hosts[host] for host in runs["host"].to_pylist()], pa.string()),
        "config": pa.array(configs, pa.string()),
    }


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_folders(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_folders(one) for one in value]
    return ALONE.sub("", value) if isinstance(value, str) else value


def _describe(
    folder: Path,
    version: str,
    proxies: Mapping[str, Mapping[str, str]],
    code: Mapping[str, str],
    previous: str | Path | None,
) -> None:
    """Write rankings, card, metadata and manifest beside the tables."""
    with Benchmark.open(folder) as packed:
        rankings = packed.rank(draws=DRAWS["draws"], seed=DRAWS["seed"])
        write(rankings.cast(RANKING), folder / RANKINGS)
        noise = packed.noise(draws=DRAWS["draws"], seed=DRAWS["seed"]).to_pylist()
        counted = {name: counts(packed, name) for name in COUNTED}
        tasks = task_sources(packed)
        date = packed.connection.query(
            "SELECT strftime(max(coalesce(ended, started)), '%Y-%m-%d') AS d FROM runs"
        )["d"]
        changes = _changes(packed, version, previous)
        recipes = card.recipes(packed)
    made = Manifest(
        version=version,
        schema_version=SCHEMA_VERSION,
        code={**code, "pyarrow": installed("pyarrow"), "python": platform.python_version()},
        date=date[0].as_py(),
        files=(),
        counts=counted,
        tasks=tasks,
        proxies={
            name: dict(proxies[name.partition("[")[0]])
            for name in sorted({row["proxy"] for row in counted["scores"]})
        },
        rankings=DRAWS,
    )
    tables = listed(folder)
    texts = {
        "README.md": card.card(made, tables, noise, recipes),
        "CITATION.cff": card.citation(made),
        "CHANGES.md": changes,
        "croissant.json": croissant.croissant(made, tables),
    }
    for name, text in texts.items():
        _write_text(folder / name, text)
    whole = Manifest(**{**vars(made), "files": listed(folder)})
    _write_text(folder / NAME, whole.text())


def listed(folder: Path) -> tuple[File, ...]:
    """Every file in a release's folder but the manifest, as the manifest lists it."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != NAME:
            rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
            name = path.relative_to(folder).as_posix()
            found.append(File(name, path.stat().st_size, sha256(path), rows))
    return tuple(found)


def task_sources(benchmark: Benchmark) -> dict[str, dict[str, str]]:
    """Title, licence and citation of every task's images, from the configurations of the runs.

    Raises StoreError for a task that no run describes.
    """
    told = benchmark.connection.query(
        """SELECT json_extract_string(config, '$.task.name') AS task,
                  json_extract_string(config, '$.task.title') AS title,
                  json_extract_string(config, '$.task.licence') AS licence,
                  json_extract_string(config, '$.task.citation') AS citation
        FROM runs ORDER BY started"""
    ).to_pylist()
    known = {row.pop("task"): row for row in told}
    missing = [name for name in benchmark.tasks() if not (known.get(name) or {}).get("licence")]
    if missing:
        raise StoreError(
            f"{benchmark.path} cannot be released: no run says what licence the images of task "
            f"{', '.join(missing)} have."
        )
    return {name: known[name] for name in benchmark.tasks()}


def counts(benchmark: Benchmark, table: str) -> list[dict[str, Any]]:
    """How many rows a table has, and how many of them failed, by what they are about."""
    groups = COUNTED[table]
    # A run or a search has a status, too, which is not that of a measurement.
    failed = "0" if TABLES[table].measured is None else "count(*) FILTER (status <> 'ok')"
    source = table
    if "space" in groups and "space" not in TABLES[table].schema.names:
        source = f"(SELECT space, {table}.* FROM {table} JOIN architectures USING (arch_id))"
    rows = benchmark.connection.query(
        f"SELECT {groups}, count(*) AS rows, {failed} AS failed FROM {source} GROUP BY ALL ORDER BY ALL"
    )
    return rows.to_pylist()


def _changes(packed: Benchmark, version: str, previous: str | Path | None) -> str:
    if previous is None:
        return card.first(version)
    with Benchmark.open(previous) as before:
        return card.changes(
            version, Manifest.read(before.path).version, packed.diff(before), packed.moves(before)
        )


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)
