"""How far a proxy's rho depends on its seed: on the initial weights, the mini-batch and its own draws."""

import numpy as np
import pyarrow as pa

from store import resampling, statistics
from store.analysis import SCORES_FROM
from store.cells import CELL, Observations, Selection, as_table
from store.schema import REAL, TEXT, WHOLE, column

SEEDS = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column("seed", WHOLE, "seed", "seed of initial weights, mini-batches and draws"),
        column("rho", REAL, "-1..1", "Spearman's rho of that seed's scores", nullable=True),
        column(
            "low", REAL, "-1..1", "lower end of its 95 % bootstrap interval over architectures", nullable=True
        ),
        column("high", REAL, "-1..1", "upper end of that interval", nullable=True),
        column("n", WHOLE, "count", "architectures with an accuracy and a score of that seed"),
        SCORES_FROM,
    ]
)

ORDER = ("space", "task", "protocol", "recipe", "proxy")


def by_seed(observations: Observations, selection: Selection, draws: int, seed: int) -> pa.Table:
    """rho of every proxy and seed; see Benchmark.seeds. Returns a table of schema SEEDS."""
    rows = []
    for cell in observations.cells(selection):
        drawn = resampling.bootstrap_spearman(cell.accuracy, cell.scores, draws, np.random.default_rng(seed))
        for place, (proxy, of_seed) in enumerate(zip(cell.proxies, cell.seeds, strict=True)):
            scores = cell.scores[:, place]
            rho = statistics.spearman(scores, cell.accuracy)
            low, high = resampling.interval(drawn[:, place]) if np.isfinite(rho) else (np.nan, np.nan)
            found = {"proxy": proxy, "seed": int(of_seed), "rho": rho, "low": low, "high": high}
            rows.append(cell.about | found | {"n": int(np.isfinite(scores).sum())})
    rows.sort(key=lambda row: ([str(row[name]) for name in ORDER], row["seed"]))
    return as_table(rows, SEEDS)
