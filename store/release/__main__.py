"""The command `vitzero-release pack|verify|fetch|publish|info|query`."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from store.benchmark import Benchmark
from store.errors import StoreError
from store.location import is_refusal
from store.release.manifest import Manifest


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for. Returns 1 for a release that is not sound, 2 for a mistake."""
    asked = _parser().parse_args(arguments)
    try:
        status: int = asked.run(asked)
        return status
    except StoreError as error:
        if os.environ.get("VITZERO_DEBUG") == "1":
            raise
        print(f"vitzero-release: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # as by `| head`
        sys.stdout = None
        return 1
    except Exception as error:
        if not is_refusal(error):
            raise
        print(f"vitzero-release: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitzero-release", description="The Parquet release of a benchmark."
    )
    commands = parser.add_subparsers(required=True, metavar="pack|verify|fetch|publish|info|query")

    def command(name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(run=run)
        return made

    pack = command("pack", _pack, "Make a release of a benchmark: job=release of the builder.")
    pack.add_argument("root", help="folder of the benchmark")
    pack.add_argument("version", help="three numbers, such as 1.0.0")
    pack.add_argument("--target", help="folder of the release; beside the benchmark by default")
    pack.add_argument("--previous", help="folder of the release before, to say what changed")
    verify = command("verify", _verify, "Check files, constraints and rankings of a release.")
    verify.add_argument("path", help="folder of the release")
    fetch = command("fetch", _fetch, "Fetch a release, or what is missing of it.")
    fetch.add_argument("source", help="1.0.0, hf://datasets/owner/name@revision, https://..., or a folder")
    fetch.add_argument("--target", type=Path, help="folder to put it in; a cache by default")
    fetch.add_argument("--sha256", help="of its manifest, where you know it")
    fetch.add_argument("--offline", action="store_true", help="only say whether it was fetched before")
    publish = command("publish", _publish, "Upload a release to the Hugging Face hub, for ever.")
    publish.add_argument("path", type=Path, help="folder of the release")
    publish.add_argument("repository", help="owner/name of the data set")
    publish.add_argument("--private", action="store_true", help="where the repository is made: a private one")
    info = command("info", _info, "What is in a release.")
    info.add_argument(
        "source", nargs="?", help="as for fetch, or any benchmark's folder; the sample by default"
    )
    query = command("query", _query, "Ask DuckDB, and print the answer.")
    query.add_argument("sql", help='such as "SELECT * FROM rankings LIMIT 5"')
    query.add_argument("source", nargs="?", help="as for info")
    query.add_argument("--csv", action="store_true", help="as comma-separated values, whole")
    return parser


def _pack(asked: argparse.Namespace) -> int:
    """The builder packs: only it knows every proxy and the checkout."""
    told = {"root": asked.root, "release.version": asked.version}
    told |= {f"release.{name}": value for name in ("target", "previous") if (value := getattr(asked, name))}
    # Quoted, as Hydra reads a comma, a brace or an equals sign in a path as its own.
    words = [f"{name}='{value.replace(chr(39), chr(92) + chr(39))}'" for name, value in told.items()]
    return subprocess.run([sys.executable, "-m", "builder", "job=release", *words]).returncode


def _verify(asked: argparse.Namespace) -> int:
    from store.release.verify import verify

    found = verify(asked.path, report=lambda done, total: _progress("hashed", done, total))
    for line in found:
        print(line)
    if not found:
        release = Manifest.read(Path(asked.path))
        print(
            f"{asked.path} is release {release.version}: {len(release.files)} files, all as they should be."
        )
    return 1 if found else 0


def _fetch(asked: argparse.Namespace) -> int:
    from store.release.fetch import fetch

    folder = fetch(asked.source, asked.target, offline=asked.offline, sha256=asked.sha256, report=_progress)
    print(folder)
    return 0


def _publish(asked: argparse.Namespace) -> int:
    from store.release.publish import publish

    where = publish(
        asked.path,
        asked.repository,
        private=asked.private,
        report=lambda done, total: _progress("hashed", done, total),
    )
    print(f"hf://datasets/{where.repository}@{where.commit}, manifest {where.manifest}")
    print('For open("version") and fetch, add it to PUBLIC in store/release/locate.py.')
    return 0


def _info(asked: argparse.Namespace) -> int:
    with Benchmark.open(asked.source) as benchmark:
        release = benchmark.release
        print(
            f"{benchmark.path}: {f'release {release.version}, {release.date}' if release else 'no release'}"
        )
        for table in ("architectures", "accuracies", "scores", "layers", "searches", "runs"):
            count = benchmark.sql(f"SELECT count(*) AS rows FROM {table}")["rows"][0].as_py()
            print(f"  {table:<14}{count:>12,} rows")
        for noun in ("spaces", "tasks", "protocols", "recipes", "proxies"):
            print(f"  {noun:<14}{', '.join(getattr(benchmark, noun)())}")
    return 0


def _query(asked: argparse.Namespace) -> int:
    with Benchmark.open(asked.source) as benchmark:
        answer = benchmark.sql(asked.sql)
    if asked.csv:
        from pyarrow import csv

        columns = [_plain(answer[name]) for name in answer.column_names]
        csv.write_csv(pa.table(columns, answer.column_names), sys.stdout.buffer)
        return 0
    import duckdb

    duckdb.from_arrow(answer).show(max_width=10_000, max_rows=200)
    return 0


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The column, as text where CSV knows no such values: lists and structures as JSON."""
    if not (pa.types.is_nested(column.type) or pa.types.is_interval(column.type)):
        return column
    texts = [None if value is None else json.dumps(value, default=str) for value in column.to_pylist()]
    return pa.array(texts, pa.string())


def _progress(what: str, done: int, total: int) -> None:
    """A line on the screen that is written over; none where nobody watches."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(
            f"\r{what}: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB\033[K",
            end=end,
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
