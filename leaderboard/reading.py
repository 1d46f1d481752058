"""Questions to the benchmark, each answered once: the answers are kept until a part file changes.

A connection is opened for each question and closed after it, so that no run that writes is ever in the way.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from store import TABLES, Benchmark
from store.parts import part_files

# Parts of a benchmark: how many, and when the newest was written. A changed benchmark has another stamp.
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Filters:
    """Which accuracies and which scores meet in a ranking.

    scores_from: task whose images the scores were computed on
    params:      smallest and largest parameter count, both included; None leaves that side open
    shared:      proxies that must all have scored an architecture, in every seed, for it to count; empty:
                 each proxy is judged on the architectures it has
    """

    space: str
    task: str
    protocol: str
    recipe: str
    scores_from: str
    params: tuple[int | None, int | None] = (None, None)
    shared: tuple[str, ...] = ()


def path() -> Path:
    """Folder of the benchmark: the argument that `vitzero-leaderboard` started the page with."""
    return Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo")


def stamp(root: Path) -> Stamp:
    """Number of part files and the newest time of writing, in nanoseconds."""
    times = [part.stat().st_mtime_ns for table in TABLES for part in part_files(root / table)]
    return len(times), max(times, default=0)


def sql(query: str) -> pd.DataFrame:
    """The answer to a DuckDB query over the benchmark's views."""
    return _sql(path(), stamp(path()), query)


def ranking(filters: Filters) -> pd.DataFrame:
    """Every proxy of the benchmark, or the shared ones, ranked; the columns are `store.rank.RANKING`."""
    return _ranking(path(), stamp(path()), filters)


def noise(filters: Filters) -> pd.Series:
    """How well the ranked accuracies repeat; the names are those of `store.noise.NOISE`."""
    return _noise(path(), stamp(path()), filters)


def curves(filters: Filters) -> pd.DataFrame:
    """Accuracy by epoch of every training behind the ranked accuracies; see `Benchmark.curves`."""
    return _curves(path(), stamp(path()), filters)


def points(filters: Filters, proxy: str) -> pd.DataFrame:
    """Score and accuracy of each architecture, one row for each proxy seed.

    Columns arch_id, seed, score, accuracy, params, and embed_dim and depth where the genome has them. An
    architecture on which the proxy failed has no row, nor has one that does not count.
    """
    return _points(path(), stamp(path()), filters, proxy)


@st.cache_data(show_spinner=False, max_entries=200)
def _sql(root: Path, stamp: Stamp, query: str) -> pd.DataFrame:
    with Benchmark.open(root) as benchmark:
        return benchmark.sql(query).to_pandas()


@st.cache_data(show_spinner="Resampling the architectures for the intervals", max_entries=200)
def _ranking(root: Path, stamp: Stamp, filters: Filters) -> pd.DataFrame:
    with Benchmark.open(root) as benchmark:
        # Asked for by name, a proxy without scores here is a row of nulls instead of no row.
        proxies = filters.shared or benchmark.proxies()
        chosen = vars(filters) | {"shared": bool(filters.shared), "proxies": proxies}
        return benchmark.rank(**chosen).to_pandas()


@st.cache_data(show_spinner="Resampling the architectures for the ceiling", max_entries=200)
def _noise(root: Path, stamp: Stamp, filters: Filters) -> pd.Series:
    names = ("task", "protocol", "recipe", "space", "params")
    with Benchmark.open(root) as benchmark:
        found = benchmark.noise(**{name: getattr(filters, name) for name in names}, split="test")
    return found.to_pandas().iloc[0]


@st.cache_data(show_spinner=False, max_entries=200)
def _curves(root: Path, stamp: Stamp, filters: Filters) -> pd.DataFrame:
    with Benchmark.open(root) as benchmark:
        found = benchmark.curves(filters.task, filters.protocol, filters.recipe, filters.space)
    return found.to_pandas()


@st.cache_data(show_spinner=False, max_entries=200)
def _points(root: Path, stamp: Stamp, filters: Filters, proxy: str) -> pd.DataFrame:
    with Benchmark.open(root) as benchmark:
        accuracy = benchmark.accuracy(None, filters.task, filters.protocol, filters.recipe, filters.space)
        scores = benchmark.scores(None, filters.scores_from, None if filters.shared else proxy, filters.space)
        architectures = benchmark.architectures(filters.space).to_pandas()
    found = (
        scores.select(["arch_id", "proxy", "seed", "value"])
        .to_pandas()
        .rename(columns={"value": "score"})
        .merge(accuracy.select(["arch_id", "accuracy"]).to_pandas(), on="arch_id")
        .merge(architectures[["arch_id", "params", "genome"]], on="arch_id")
        .dropna(subset="accuracy")
    )
    least, most = filters.params
    found = found[found["params"].between(least or 0, most or float("inf"))]
    if filters.shared:
        found = _scored_by_all(found, filters.shared)
    found = found[found["proxy"] == proxy].drop(columns="proxy").dropna(subset="score").reset_index(drop=True)
    genomes = [json.loads(genome) for genome in found.pop("genome")]
    for gene in ("embed_dim", "depth"):
        # A genome is any JSON: other spaces have other genes, or a text instead of genes.
        if genomes and all(isinstance(genome, dict) and gene in genome for genome in genomes):
            found[gene] = [genome[gene] for genome in genomes]
    return found


def _scored_by_all(scores: pd.DataFrame, proxies: tuple[str, ...]) -> pd.DataFrame:
    """The scores of the architectures that count in `Benchmark.rank(shared=True)` of these proxies."""
    scores = scores[scores["proxy"].isin(proxies)]
    series = len(scores[["proxy", "seed"]].drop_duplicates())
    return scores[scores.groupby("arch_id")["score"].transform("count") == series]
