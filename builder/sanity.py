"""The sanity table: mean accuracy by each choice that makes an architecture, and what is out of line.

A supernet can be broken at one level only, as a published one is at its largest width: its mean accuracy
looks well, and every ranking by it is wrong.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from builder.protocols.rows import EVALUATED
from store import Benchmark
from store.write import replacing


def write_sanity(root: Path, space: str, task: str, protocol: str, recipe: str, seed: int) -> Path:
    """Write the sanity table of one training beside its accuracies, and print it with its warnings.

    root:  folder of the benchmark, which has accuracies of that training
    seed:  of the training

    Returns the CSV file, <root>/sanity/<space>-<task>-<protocol>-<recipe>-seed<seed>.csv: a row for each
    split, factor and level, with the columns of `store.factors.FACTORS`. What is printed is the test split.
    """
    with Benchmark.open(root) as benchmark:
        known = [split for split in EVALUATED if split in benchmark.splits()]
        found = [benchmark.factors(task, protocol, recipe, space, split, seed) for split in known]
    name = f"{space}-{task}-{protocol}-{recipe}-seed{seed}.csv".replace("/", "-")
    path = root / "sanity" / name
    with replacing(path) as temporary:
        pyarrow.csv.write_csv(pa.concat_tables(found), temporary)
    print(f"\nsanity: mean accuracy by factor, {space} on {task}, {protocol} ({recipe}), seed {seed}")
    print(table(found[-1].to_pylist()))
    print(f"written to {path}")
    return path


def table(rows: list[dict[str, Any]]) -> str:
    """Return a sanity table as text: a line a factor, then a loud one for each level that is out of line."""
    lines = []
    for factor, levels in groupby(rows, key=lambda row: row["factor"]):
        said = [f"{row['level']}: {100 * row['accuracy']:.2f} % (n {row['n']})" for row in levels]
        lines.append(f"  {factor:<12}{'   '.join(said)}")
    return "\n".join(lines + [_warning(row) for row in rows if row["out_of_line"]])


def _warning(row: dict[str, Any]) -> str:
    apart = "" if row["deviations"] is None else f", {row['deviations']:.0f} standard deviations beyond it"
    return (
        f"!!! WARNING: {row['factor']} {row['level']} is out of line: {100 * row['accuracy']:.2f} % on "
        f"average over {row['n']} architectures,\n"
        f"!!! where the trend of the other levels says {100 * row['expected']:.2f} %{apart}.\n"
        "!!! Rankings over this level may be artefacts. Look for the cause: a broken checkpoint, training "
        "that diverged there, misread rows."
    )
