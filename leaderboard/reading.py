"""Questions to the benchmark, each answered once: the answers are kept until a part file changes.

The benchmark is open for as long as its files stay as they are, for all sessions; it is read and never
written. Answers that are kept are bounded in number: a page left open for a month holds no more memory.
"""

import hashlib
import json
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from leaderboard import combining
from leaderboard.selection import Filters
from store import TABLES, Benchmark
from store.parts import part_files
from store.release.locate import SAMPLE

# Tasks of one recipe: several of one task are never mixed.
TASKS = """
SELECT task FROM final_accuracies
WHERE split = 'test' AND accuracy IS NOT NULL AND space = {space} AND protocol = {protocol}
GROUP BY task HAVING count(DISTINCT recipe) = 1 ORDER BY task
"""
KEPT = 300  # answers; the largest are some hundred kB

# Parts of a benchmark: how many, and when the newest was written. A changed benchmark has another stamp.
Stamp = tuple[int, int]


def path() -> Path:
    """Folder of the benchmark: the argument that `vitzero-leaderboard` started the page with."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE


def name() -> str:
    """What the benchmark is called on the page: where it lies on this machine is nobody's business."""
    return "built-in sample" if path() == SAMPLE else path().resolve().name


def stamp(root: Path) -> Stamp:
    """Number of part files and the newest time of writing, in nanoseconds."""
    times = [part.stat().st_mtime_ns for table in TABLES for part in part_files(root / table)]
    return len(times), max(times, default=0)


def version() -> str:
    """Which data this is: a release's version; of a folder a short name for its files, wherever it lies."""
    release = benchmark().release
    return release.version if release else _fingerprint(path(), stamp(path()))


def ask(question: str, with_combiners: Filters | None = None, **arguments: Any) -> pd.DataFrame:
    """The answer of `Benchmark.<question>(**arguments)`; not to be changed, since others get the same.

    with_combiners: the combiners are among the proxies, as fitted on what these filters choose
    """
    return _ask(path(), stamp(path()), question, with_combiners, tuple(sorted(arguments.items())))


def answered(question: str, with_combiners: Filters | None = None, **arguments: Any) -> bool:
    """Whether that has been asked lately, so that the answer takes no time."""
    asked = (path(), stamp(path()), question, with_combiners, tuple(sorted(arguments.items())))
    return asked in _answered()


def combiners_of(filters: Filters) -> tuple[str, ...]:
    """The combiners that can be had here."""
    failed = failed_combiners(filters)
    return tuple(name for name in combining.offered() if name not in failed)


def failed_combiners(filters: Filters) -> dict[str, str]:
    """The combiners that cannot be had here, each with the reason."""
    return _combined(path(), stamp(path()), filters)[1]


def fitted(filters: Filters) -> bool:
    """Whether the combiners were fitted on this lately, so that asking for them takes no time."""
    return (path(), stamp(path()), "combiners", filters) in _answered()


def combined(filters: Filters, name: str, chosen: tuple[str, ...]) -> combining.Combined:
    """A combiner fitted on these proxies, or on all, and judged. Raises ProxyError where it cannot be."""
    tasks = sql(TASKS, space=filters.space, protocol=filters.protocol)["task"]
    return _judged(path(), stamp(path()), filters, name, chosen, tuple(tasks))


def sql(query: str, **names: str) -> pd.DataFrame:
    """The answer to a DuckDB query over the benchmark's views; `{name}` in it is that name, quoted."""
    return ask("sql", query=quoted(query, **names) if names else query)


def quoted(query: str, **names: str) -> str:
    """A DuckDB query, where `{name}` is that name, quoted."""
    return query.format(**{name: "'" + value.replace("'", "''") + "'" for name, value in names.items()})


def names(noun: str) -> list[str]:
    """The names the benchmark has: `noun` is spaces, tasks, protocols, recipes or proxies."""
    return getattr(_open(path(), stamp(path())), noun)()


def benchmark() -> Benchmark:
    """The benchmark itself, for questions whose answers are not kept."""
    return _open(path(), stamp(path()))


def asked(question: str, arguments: Mapping[str, Any]) -> str:
    """The line of Python that gives the same answer, for whoever wants to ask it themselves."""
    told = ", ".join(
        f"{name}={value!r}" for name, value in arguments.items() if value not in (None, (), (None, None))
    )
    source = "" if path() == SAMPLE else repr(name())
    return f"from store import Benchmark\n\nBenchmark.open({source}).{question}({told})"


def points(filters: Filters, proxy: str) -> pd.DataFrame:
    """Score and accuracy of each architecture, one row for each proxy seed.

    Columns arch_id, seed, score, accuracy, params, and embed_dim and depth where the genome has them. An
    architecture on which the proxy failed has no row, nor has one that does not count.
    """
    return _points(path(), stamp(path()), filters, proxy)


def listed(filters: Filters) -> pd.DataFrame:
    """The architectures of a space with their accuracy, and width and depth where the genome has them."""
    return _listed(path(), stamp(path()), **filters.accuracies)


def genes(genome: Any) -> dict[str, float]:
    """width and depth of a parsed genome, where it has numbers for them; a list counts by its mean."""
    found = {}
    for name, fields in (("width", ("width", "embed_dim")), ("depth", ("depth",))):
        value = next((genome[field] for field in fields if field in genome), None)
        if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value):
            value = float(np.mean(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return found


@st.cache_resource(show_spinner=False, max_entries=2)
def _open(root: Path, stamp: Stamp) -> Benchmark:
    return Benchmark.open(root)


@st.cache_resource(show_spinner="Fitting the combiners", max_entries=8)
def _combined(root: Path, stamp: Stamp, filters: Filters) -> tuple[Benchmark, dict[str, str]]:
    rows, reasons = combining.scores(_open(root, stamp), filters, combining.offered())
    _answered().append((root, stamp, "combiners", filters))
    return (_open(root, stamp).with_scores(rows) if rows else _open(root, stamp)), reasons


@st.cache_resource(show_spinner="Judging the combiner", max_entries=30)
def _judged(
    root: Path, stamp: Stamp, filters: Filters, name: str, chosen: tuple[str, ...], tasks: tuple[str, ...]
) -> combining.Combined:
    return combining.combined(_open(root, stamp), filters, name, chosen, tasks)


@st.cache_resource(show_spinner=False)
def _answered() -> deque[tuple[Any, ...]]:
    return deque(maxlen=KEPT)


@st.cache_data(show_spinner=False, max_entries=2)
def _fingerprint(root: Path, stamp: Stamp) -> str:
    parts = [part for table in TABLES for part in part_files(root / table)]
    listed = "\n".join(f"{part.relative_to(root)} {part.stat().st_size}" for part in parts)
    return hashlib.blake2b(listed.encode(), digest_size=4).hexdigest()


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _ask(
    root: Path,
    stamp: Stamp,
    question: str,
    with_combiners: Filters | None,
    arguments: tuple[tuple[str, Any], ...],
) -> pd.DataFrame:
    benchmark = _combined(root, stamp, with_combiners)[0] if with_combiners else _open(root, stamp)
    answer = getattr(benchmark, question)(**dict(arguments)).to_pandas()
    _answered().append((root, stamp, question, with_combiners, arguments))
    return answer


@st.cache_data(show_spinner=False, max_entries=30)
def _points(root: Path, stamp: Stamp, filters: Filters, proxy: str) -> pd.DataFrame:
    benchmark = _open(root, stamp)
    columns = ["arch_id", "seed", "score", "accuracy", "params"]
    scores = benchmark.scatter(proxy, **filters.meeting | {"seeds": None}).select(columns)
    found = scores.to_pandas()
    named = _named_genes(root, stamp, filters.space).reindex(found["arch_id"]).dropna(axis=1)
    return found.assign(**{name: named[name].to_numpy() for name in named})


@st.cache_resource(show_spinner=False, max_entries=10)
def _named_genes(root: Path, stamp: Stamp, space: str) -> pd.DataFrame:
    """What genomes have under the names of genes that charts are coloured by, a row an arch_id."""
    found = _open(root, stamp).architectures(space)
    # A genome is any JSON: other spaces have other genes, or a text instead of genes.
    genomes = [json.loads(text) for text in found["genome"].to_pylist()]
    named = {
        gene: [genome.get(gene) if isinstance(genome, dict) else None for genome in genomes]
        for gene in ("embed_dim", "depth")
    }
    return pd.DataFrame(named, index=found["arch_id"].to_pylist()).dropna(axis=1, how="all")


@st.cache_data(show_spinner=False, max_entries=10)
def _listed(root: Path, stamp: Stamp, space: str, **others: str | None) -> pd.DataFrame:
    benchmark = _open(root, stamp)
    columns = ["arch_id", "space", "genome", "params", "macs"]
    found = benchmark.architectures(space).select(columns).to_pandas()
    accuracy = benchmark.accuracy(space=space, **others).select(["arch_id", "accuracy"]).to_pandas()
    told = pd.DataFrame([genes(json.loads(genome)) for genome in found["genome"]], index=found.index)
    return pd.concat([found, told], axis=1).merge(accuracy, on="arch_id", how="left")
