"""The architectures most like a given one, by their genomes."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from store.cells import Query, as_table
from store.schema import REAL, TABLES, TEXT, WHOLE, column

NEIGHBOURS = pa.schema(
    [
        *(TABLES["architectures"].schema.field(name) for name in ("arch_id", "space", "genome", "params")),
        column(
            "distance", REAL, "0..1", "mean over the genome's fields of how far the two lie apart in each"
        ),
        column("different", WHOLE, "count", "fields of the genome in which the two differ"),
        column("fields", TEXT, "name", "which these are, apart by commas"),
    ]
)

SAME_SPACE = """
SELECT arch_id, space, genome, params FROM architectures
WHERE space = (SELECT space FROM architectures WHERE arch_id = $arch_id) ORDER BY arch_id
"""


def neighbours(query: Query, arch_id: str, count: int) -> pa.Table:
    """The nearest architectures of its space; see Benchmark.neighbours. Returns a table of NEIGHBOURS."""
    rows = query(SAME_SPACE, {"arch_id": arch_id}, {}).to_pylist()
    genomes = [_fields(row["genome"]) for row in rows]
    names = sorted({name for genome in genomes for name in genome})
    own = next(place for place, row in enumerate(rows) if row["arch_id"] == arch_id)
    apart = np.column_stack([_apart([genome.get(name) for genome in genomes], own) for name in names])
    order = sorted(range(len(rows)), key=lambda place: (apart[place].mean(), rows[place]["arch_id"]))
    found = []
    for place in [place for place in order if place != own][:count]:
        changed = [name for name, distance in zip(names, apart[place], strict=True) if distance > 0]
        told = {
            "distance": float(apart[place].mean()),
            "different": len(changed),
            "fields": ", ".join(changed),
        }
        found.append(rows[place] | told)
    return as_table(found, NEIGHBOURS)


def _fields(genome: str) -> dict[str, Any]:
    """The fields of a genome; one that is a text or a list instead is one field of that name."""
    parsed = json.loads(genome)
    return parsed if isinstance(parsed, dict) else {"genome": parsed}


def _apart(values: list[Any], own: int) -> np.ndarray:
    """How far each value of one field lies from one of them, 0..1: as a share of the field's range.

    A list is compared position by position, a missing position being as far as can be; words and other
    values are 0 apart where they are equal, else 1.
    """
    if all(isinstance(value, int | float) for value in values):
        numbers = np.array(values, dtype=np.float64)
        return np.abs(numbers - numbers[own]) / (np.ptp(numbers) or 1.0)
    lists = all(isinstance(v, list) and all(isinstance(one, int | float) for one in v) for v in values)
    if not lists or not any(values):
        return np.array([float(value != values[own]) for value in values])
    longest = max(len(value) for value in values)
    table = np.full((len(values), longest), np.nan)
    for place, value in enumerate(values):
        table[place, : len(value)] = value
    span = np.nanmax(table) - np.nanmin(table) or 1.0
    gap = np.abs(table - table[own]) / span
    both = np.isnan(table) & np.isnan(table[own])
    counted = longest - both.sum(axis=1)
    return np.where(np.isnan(gap), np.where(both, 0.0, 1.0), gap).sum(axis=1) / np.maximum(counted, 1)
