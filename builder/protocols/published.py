"""The published protocol: accuracies measured by others, read by genome, never by position."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import spaces
from builder import plan
from builder.errors import BuilderError
from builder.plan import quoted
from builder.provenance import Run
from builder.settings import Published, Settings
from spaces import Architecture, Space, SpaceError
from store import Benchmark
from store.write import part_name, write_part


def run(settings: Settings, run: Run) -> None:
    """Import one column of accuracies, and the architectures it speaks of; a row without a value is counted.

    The published network is taken for the space's architecture of the same genome. Whether it was built and
    trained as ours would be is the source's matter: the rows carry its name and are never mixed with others.
    """
    published = settings.protocol.published
    if published is None:
        raise BuilderError(
            "Protocol 'published' needs a table: set protocol.published.path= and the fields beside it."
        )
    space = spaces.get(settings.space.name)
    accuracies, without = _accuracies(published, space)
    new = plan.missing(run.root, "architectures", [_architecture_row(space, a, run) for a in accuracies])
    if new:
        write_part(
            run.root,
            "architectures",
            new,
            part_name(space.name, "published", keys=[r["arch_id"] for r in new]),
        )
    rows = [_accuracy_row(settings, published, a, value, run) for a, value in accuracies.items()]
    known = _known(settings, published, run)
    changed = [row for row in rows if known.get(row["arch_id"]) != row["accuracy"]]
    if changed:
        keys = [row["arch_id"] for row in changed]
        name = part_name(space.name, settings.task.name, "published", published.recipe, keys=keys)
        write_part(run.root, "accuracies", changed, name)
    print(
        f"accuracy: {len(rows)} published accuracies '{published.accuracy}' of {space.name} on "
        f"{settings.task.name}, {len(changed)} of them new; {without} rows had no value"
    )


def _known(settings: Settings, published: Published, run: Run) -> dict[str, float]:
    """Return the accuracies imported before under this recipe; BuilderError if they are another source's."""
    with Benchmark.open(run.root) as benchmark:
        rows = benchmark.sql(
            f"""SELECT arch_id, accuracy, source FROM accuracies JOIN architectures USING (arch_id)
            WHERE protocol = 'published' AND space = {quoted(settings.space.name)}
              AND task = {quoted(settings.task.name)} AND recipe = {quoted(published.recipe)}"""
        ).to_pylist()
    for row in rows:
        if row["source"] != published.source:
            raise BuilderError(
                f"Recipe '{published.recipe}' in {run.root} holds accuracies of '{row['source']}'. "
                "Name these with protocol.published.recipe=."
            )
    return {row["arch_id"]: row["accuracy"] for row in rows}


def _accuracies(published: Published, space: Space) -> tuple[dict[Architecture, float], int]:
    """Return the accuracy (0..1) of every architecture of the file, and how many rows have none."""
    table, where = _read(published), published.where
    found: dict[Architecture, float] = {}
    without = 0
    for number, row in enumerate(table.to_pylist(), start=1):
        if where.column is not None and str(row[where.column]) != where.value:
            continue
        genome = {field: _plain(row[column]) for field, column in published.genome.items()}
        try:
            architecture = space.architecture(genome)
            space.validate(architecture)
        except SpaceError as error:
            raise BuilderError(f"{published.path}, row {number}: {error}") from None
        value = row[published.accuracy]
        if value is None or math.isnan(value):
            without += 1
            continue
        if architecture in found:
            raise BuilderError(
                f"{published.path}, row {number}: the genome {architecture.genome} stands there twice."
            )
        found[architecture] = _fraction(published, number, value)
    if not found:
        rows = "" if where.column is None else f" where {where.column} is '{where.value}'"
        raise BuilderError(f"{published.path} has no value of '{published.accuracy}'{rows}.")
    return found, without


def _fraction(published: Published, row: int, value: float) -> float:
    accuracy = value / published.scale
    if not 0 <= accuracy <= 1:
        raise BuilderError(
            f"{published.path}, row {row}: '{published.accuracy}' is {value}, "
            f"outside 0..{published.scale:g}. "
            "Set protocol.published.scale= to what it calls 100 %."
        )
    return accuracy


def _read(published: Published) -> pa.Table:
    path = Path(published.path).expanduser()
    if not path.is_file():
        raise BuilderError(f"protocol.published.path={path} does not exist. Expected a Parquet or CSV file.")
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BuilderError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
    wanted = [published.accuracy, *published.genome.values()]
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


def _architecture_row(space: Space, architecture: Architecture, run: Run) -> dict[str, Any]:
    return {
        "arch_id": architecture.arch_id,
        "space": space.name,
        "genome": architecture.genome,
        "params": space.params(architecture),
        "macs": space.macs(architecture),
        "sample_seed": None,
        "sample_index": None,
        "run_id": run.id,
    }


def _accuracy_row(
    settings: Settings, published: Published, architecture: Architecture, accuracy: float, run: Run
) -> dict[str, Any]:
    return {
        "arch_id": architecture.arch_id,
        "task": settings.task.name,
        "protocol": "published",
        "recipe": published.recipe,
        "seed": 0,
        "split": "test",
        "epoch": 0,  # the sources report an end of training, not its length
        "accuracy": accuracy,
        "loss": None,
        "images": None,
        "seconds": None,
        "source": published.source,
        "status": "ok",
        "message": None,
        "run_id": run.id,
    }
