"""A table of the user's own: Parquet or CSV, its columns named on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from builder.errors import BuilderError
from builder.published.accuracies import Accuracies, by_genome
from builder.settings.protocol import Published
from spaces import Space


def of_table(published: Published, space: Space) -> Accuracies:
    """Read the column that the settings describe.

    Raises BuilderError, naming file and row, when it cannot be read, or has no value.
    """
    path = Path(str(published.path)).expanduser()
    column, where = str(published.accuracy), published.where
    rows = [
        (number, {field: _plain(row[name]) for field, name in published.genome.items()}, row[column])
        for number, row in enumerate(_read(published, path).to_pylist(), start=1)
        if where.column is None or str(row[where.column]) == where.value
    ]
    kept = "" if where.column is None else f" where {where.column} is '{where.value}'"
    values, without = by_genome(space, rows, column, published.scale, path, kept)
    found = Accuracies(column, str(published.recipe), str(published.source), "test", values, without)
    return found.verify(published.sha256, path, "the table")


def _read(published: Published, path: Path) -> pa.Table:
    if not path.is_file():
        raise BuilderError(f"protocol.published.path={path} does not exist. Expected a Parquet or CSV file.")
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BuilderError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
    wanted = [str(published.accuracy), *published.genome.values()]
    wanted += [published.where.column] if published.where.column is not None else []
    for column in wanted:
        if column not in table.column_names:
            raise BuilderError(f"{path} has no column '{column}', but {', '.join(table.column_names)}.")
    return table


def _plain(value: Any) -> Any:
    """A CSV has no lists: there they are written as JSON."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value  # no list of numbers: the space will say what it is not
