"""Score against accuracy: what a scatter plot of one proxy shows, and its rho is of."""

import numpy as np
import pyarrow as pa

from store.analysis import SCORES_FROM
from store.cells import CELL, Observations, Selection
from store.schema import REAL, TEXT, WHOLE, column
from store.seeds import SEEDS

SCATTER = pa.schema(
    [
        *CELL,
        column("arch_id", TEXT, "id", "architecture"),
        SEEDS.field("seed"),
        column("score", REAL, "of the proxy", "its value; higher is better"),
        column("accuracy", REAL, "fraction", "accuracy that the ranking is by"),
        column("params", WHOLE, "count", "parameters", nullable=True),
        SCORES_FROM,
    ]
)


def scatter(observations: Observations, selection: Selection, proxy: str) -> pa.Table:
    """Scores and accuracies of a proxy; see Benchmark.scatter. Returns a table of schema SCATTER."""
    found = []
    for cell in observations.cells(selection):
        for place in cell.series(proxy):
            rows = np.flatnonzero(np.isfinite(cell.scores[:, place]))
            columns = {
                **{name: [cell.about[name]] * len(rows) for name in cell.about},
                "arch_id": cell.arch_ids[rows],
                "seed": np.full(len(rows), cell.seeds[place]),
                "score": cell.scores[rows, place],
                "accuracy": cell.accuracy[rows],
                "params": pa.array(cell.params[rows], from_pandas=True).cast(pa.int64()),
            }
            found.append(pa.table({name: columns[name] for name in SCATTER.names}, schema=SCATTER))
    return pa.concat_tables(found) if found else SCATTER.empty_table()
