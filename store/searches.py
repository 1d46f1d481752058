"""Searches read evaluation by evaluation: the best so far, and how many known architectures beat it."""

from typing import Any

import pyarrow as pa

from store.cells import Query
from store.schema import REAL, TABLES, TEXT, WHOLE, column

PROGRESS = pa.schema(
    [
        *(
            TABLES["searches"].schema.field(name)
            for name in ("search_id", "space", "task", "strategy", "ranker", "seed", "protocol", "recipe")
        ),
        column("position", WHOLE, "position", "place of the evaluation in the search, from 1"),
        column("arch_id", TEXT, "hex", "architecture evaluated"),
        column("value", REAL, "score", "what the ranker said of it; null where it failed", nullable=True),
        column("best_arch_id", TEXT, "hex", "best so far: the highest value up to here", nullable=True),
        column("best_value", REAL, "score", "value of the best so far", nullable=True),
        column("best_accuracy", REAL, "fraction", "accuracy of the best so far, where known", nullable=True),
        column(
            "better",
            REAL,
            "fraction",
            "share of the architectures of known accuracy that beat that accuracy; lower is better",
            nullable=True,
        ),
    ]
)

EVALUATIONS = """
WITH wanted AS (
    SELECT * FROM searches
    WHERE ($task IS NULL OR task = $task) AND ($space IS NULL OR space = $space)
      AND ($strategy IS NULL OR strategy = $strategy) AND ($ranker IS NULL OR ranker = $ranker)
), steps AS (
    SELECT * EXCLUDE (arch_id, value, evaluated, evaluated_values, evaluated_seconds, accuracy),
           unnest(range(1, len(evaluated) + 1)) AS position, unnest(evaluated) AS arch_id,
           unnest(evaluated_values) AS value
    FROM wanted
), best AS (
    SELECT *, arg_max(arch_id, (value, -position)) FILTER (value IS NOT NULL) OVER so_far AS best_arch_id,
           max(value) OVER so_far AS best_value
    FROM steps
    WINDOW so_far AS (PARTITION BY search_id ORDER BY position ROWS UNBOUNDED PRECEDING)
), known AS (
    SELECT space, task, protocol, recipe, arch_id AS best_arch_id, accuracy AS best_accuracy,
           (rank() OVER (PARTITION BY space, task, protocol, recipe ORDER BY accuracy DESC) - 1)
           / count(*) OVER (PARTITION BY space, task, protocol, recipe) AS better
    FROM final_accuracies WHERE split = 'test' AND accuracy IS NOT NULL
)
SELECT search_id, space, task, strategy, ranker, seed, protocol, recipe, position, arch_id, value,
       best_arch_id, best_value, best_accuracy, better
FROM best LEFT JOIN known USING (space, task, protocol, recipe, best_arch_id)
ORDER BY space, task, ranker, strategy, seed, search_id, position
"""


def progress(query: Query, wanted: dict[str, Any]) -> pa.Table:
    """Every evaluation of the searches wanted; see Benchmark.searches."""
    found = query(EVALUATIONS, wanted, {})
    return found.cast(PROGRESS) if len(found) else PROGRESS.empty_table()
