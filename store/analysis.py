"""What orders like what: proxies and accuracy beside size, within bands of size, and beside one another."""

from typing import Any

import numpy as np
import pyarrow as pa

from store import resampling, statistics
from store.cells import CELL, Cell, Observations, Selection, as_table, fewest, mean, reals
from store.factors import genes_of
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

SIZES = ("params", "macs", "depth", "width")
# Where a genome tells the size, by the first of these fields; the mean of a list.
FIELDS = {"depth": ("depth",), "width": ("width", "embed_dim")}
ALIKE = "fewer than 3 architectures, or all alike"

SCORES_FROM = column("scores_from", TEXT, "name", "task whose images the scores were computed on")
N = column("n", WHOLE, "count", "architectures used: the fewest of any proxy seed")
SEEDS = column("seeds", WHOLE, "count", "proxy seeds")

BIAS = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy, or accuracy: the accuracies themselves"),
        column("params", REAL, "-1..1", "bias: Spearman's rho with the parameter count", nullable=True),
        column("macs", REAL, "-1..1", "the same with the multiply-accumulates", nullable=True),
        column("depth", REAL, "-1..1", "the same with the genome's depth", nullable=True),
        column("width", REAL, "-1..1", "the same with its width or embed_dim, a list's mean", nullable=True),
        column(
            "beyond_accuracy",
            REAL,
            "-2..2",
            "bias towards params less that of the accuracies: above 0 the proxy likes size too well",
            nullable=True,
        ),
        N,
        SEEDS,
        column("reason", TEXT, "text", "why a bias is null; null where none is", nullable=True),
        SCORES_FROM,
    ]
)

BANDS = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column("band", WHOLE, "position", "1 holds the fewest params; as many architectures in each"),
        column("least", WHOLE, "count", "fewest params in the band"),
        column("most", WHOLE, "count", "most params in the band"),
        column("rho", REAL, "-1..1", "Spearman's rho inside the band, mean over proxy seeds", nullable=True),
        column(
            "low", REAL, "-1..1", "lower end of its 95 % bootstrap interval over architectures", nullable=True
        ),
        column("high", REAL, "-1..1", "upper end of that interval", nullable=True),
        N,
        column("architectures", WHOLE, "count", "architectures in the band"),
        SEEDS,
        SCORES_FROM,
    ]
)

SIMILARITY = pa.schema(
    [
        *CELL,
        column("first", TEXT, "name", "one proxy"),
        column("second", TEXT, "name", "another; or the same, for its own seeds among themselves"),
        column(
            "rho",
            REAL,
            "-1..1",
            "Spearman's rho between their scores, mean over every seed of one with every seed of the other",
            nullable=True,
        ),
        column("n", WHOLE, "count", "architectures both scored: the fewest of any two seeds"),
        SCORES_FROM,
    ]
)

DESCRIBED = """
SELECT architectures.macs AS macs, genome
FROM wanted LEFT JOIN architectures USING (arch_id) ORDER BY arch_id
"""


def bias(observations: Observations, selection: Selection) -> pa.Table:
    """Bias of proxies and accuracies; see Benchmark.bias. Returns a table of schema BIAS."""
    rows = []
    for cell in observations.cells(selection):
        wanted = pa.table({"arch_id": pa.array(cell.arch_ids, pa.string())})
        sizes, reasons = _sizes(cell, observations.query(DESCRIBED, {}, {"wanted": wanted}))
        rho, n = statistics.spearman_matrix(np.column_stack([sizes, cell.accuracy, cell.scores]))
        rho, n = rho[: len(SIZES), len(SIZES) :], np.diagonal(n)[len(SIZES) :]
        of_accuracy = np.zeros(1, dtype=np.int64)
        each = {"accuracy": of_accuracy} | {name: 1 + cell.series(name) for name in cell.names(selection)}
        for name, series in each.items():
            found = dict(zip(SIZES, (mean(row) for row in rho[:, series]), strict=True))
            why = [f"{size}: {reasons.get(size, ALIKE)}" for size in SIZES if np.isnan(found[size])]
            rows.append(
                cell.about
                | found
                | {"proxy": name, "beyond_accuracy": found["params"] - rho[0, 0], "seeds": len(series)}
                | {"n": fewest(n[series]), "reason": "; ".join(why) or None}
            )
    return as_table(rows, BIAS)


def bands(observations: Observations, selection: Selection, count: int, draws: int, seed: int) -> pa.Table:
    """rho inside bands of params; see Benchmark.bands. Returns a table of schema BANDS."""
    rows = []
    for cell in observations.cells(selection):
        found = []
        sized = np.flatnonzero(np.isfinite(cell.params))
        band = statistics.equal_count(cell.params[sized], count)
        for number, here in enumerate((sized[band == one] for one in np.unique(band)), start=1):
            about = {"band": number, "least": int(cell.params[here].min())}
            about |= {"most": int(cell.params[here].max()), "architectures": len(here)}
            inside = _inside(cell, here, cell.names(selection), draws, seed)
            found += [cell.about | about | row for row in inside]
        rows += sorted(found, key=lambda row: row["proxy"])
    return as_table(rows, BANDS)


def similarity(observations: Observations, selection: Selection) -> pa.Table:
    """rho between proxies; see Benchmark.similarity. Returns a table of schema SIMILARITY."""
    rows = []
    for cell in observations.cells(selection):
        rho, n = statistics.spearman_matrix(cell.scores)
        np.fill_diagonal(rho, np.nan)  # a series with itself says nothing
        series = {name: cell.series(name) for name in cell.names(selection)}
        for first, of_first in series.items():
            for second, of_second in series.items():
                pairs = np.ix_(of_first, of_second)
                between = rho[pairs][~np.eye(len(of_first), dtype=bool)] if first == second else rho[pairs]
                # In one order, so that a pair has the same mean both ways round.
                found = {"first": first, "second": second, "rho": mean(np.sort(between, axis=None))}
                found["n"] = fewest(n[pairs])
                rows.append(cell.about | found)
    return as_table(rows, SIMILARITY)


def _sizes(cell: Cell, described: pa.Table) -> tuple[Real, dict[str, str]]:
    """Sizes (architectures, 4) in the order of SIZES, NaN where one is not known of all, and why it is."""
    genes = [genes_of(genome) if genome else {} for genome in described["genome"].to_pylist()]
    columns = {"params": cell.params, "macs": reals(described, "macs")}
    for size, fields in FIELDS.items():
        told = [next((gene[name] for name in fields if name in gene), None) for gene in genes]
        columns[size] = np.array([value if isinstance(value, float) else np.nan for value in told])
    reasons = {}
    for size, values in columns.items():
        known = np.isfinite(values).sum()
        if known < len(values):
            columns[size] = np.full(len(values), np.nan)
            nowhere = f"no genome has a number {' or '.join(FIELDS.get(size, (size,)))}"
            reasons[size] = f"known of {known} of {len(values)} architectures" if known else nowhere
        elif np.ptp(values) == 0:
            reasons[size] = f"{values[0]:g} in every architecture"
    return np.column_stack([columns[size] for size in SIZES]), reasons


def _inside(cell: Cell, here: np.ndarray, names: list[str], draws: int, seed: int) -> list[dict[str, Any]]:
    """rho of every proxy on some of the architectures, with its interval."""
    accuracy, scores = cell.accuracy[here], cell.scores[here]
    resampled = resampling.bootstrap_spearman(accuracy, scores, draws, np.random.default_rng(seed))
    known = np.isfinite(scores).sum(axis=0)
    rows = []
    for name in names:
        mine = cell.series(name)
        rho = mean(np.array([statistics.spearman(values, accuracy) for values in scores[:, mine].T]))
        ends = resampling.interval(resampled[:, mine].mean(axis=1)) if np.isfinite(rho) else (np.nan, np.nan)
        found = {"proxy": name, "rho": rho, "n": fewest(known[mine]), "seeds": len(mine)}
        rows.append(found | dict(zip(("low", "high"), ends, strict=True)))
    return rows
