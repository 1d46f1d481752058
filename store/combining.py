"""Scores, accuracies and params of the same architectures, column by column: what combiners read."""

from typing import TypedDict

from store.cells import Observations, Selection
from store.errors import StoreError
from store.statistics import Real


class Columns(TypedDict):
    """Rows are architectures: (architectures,) each, those of a proxy by its name."""

    scores: dict[str, Real]
    accuracies: Real
    params: Real


def for_combiners(observations: Observations, selection: Selection) -> Columns:
    """Columns of the one ranking selected; see Benchmark.for_combiners for their definition.

    Raises StoreError where several rankings are meant, or none.
    """
    cells = observations.cells(selection)
    if len(cells) != 1:
        there = ", ".join("{space} on {task}, {protocol} ({recipe})".format(**cell.about) for cell in cells)
        raise StoreError(
            f"for_combiners: one ranking is combined at a time; there are {len(cells)}"
            + (f": {there}. Say which with space=, task=, protocol=, recipe=." if cells else ".")
        )
    (cell,) = cells
    names = [name for name in cell.names(selection) if len(cell.series(name))]
    if not names:
        raise StoreError("for_combiners: no architecture has both an accuracy and a score.")
    # A proxy that failed with one seed has failed: a mean of the others would be another quantity.
    scores = {name: cell.scores[:, cell.series(name)].mean(axis=1) for name in names}
    return {"scores": scores, "accuracies": cell.accuracy, "params": cell.params}
