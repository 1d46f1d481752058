"""Combiners on the published tables, on what they have seen and on what they have not: for Tables 1 and 4."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.published_tables import COLUMNS, NAME
from proxies.combiners import Table, get, judge
from store.resampling import bootstrap_spearman, interval
from tests.shared import TABLES

WAYS = ("on all", "unseen", "optimism", "new task", "new space")
LEGEND = """
on all: fitted on the architectures it is judged on, as published. unseen: fitted on the other half.
new task: fitted on other tasks of the same architectures' space. new space: fitted on all other spaces."""
REDRAWN = 1000  # sets of architectures


def arguments(documentation: str | None, judged: bool = True) -> argparse.Namespace:
    """Return a script's command line; exit with status 2 and a line where the tables are not there.

    judged: whether it takes the options of `honest` too
    """
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", type=Path, default=TABLES, help=f"folder with {NAME}")
    if judged:
        parser.add_argument("--draws", type=int, default=5, help="cuts into folds")
        parser.add_argument("--folds", type=int, default=2, help="fitted on all but one, judged on that one")
        parser.add_argument("--seed", type=int, default=0, help="of the draws")
    given = parser.parse_args()
    if not (given.tables / NAME).exists():
        print(f"{NAME} is not in {given.tables}. Name its folder with --tables.", file=sys.stderr)
        sys.exit(2)
    return given


def honest(
    name: str, column: str, tables: Mapping[str, Table], folds: int, draws: int, seed: int
) -> tuple[float, ...]:
    """Return a combiner's rho on a column in the order of WAYS; NaN for a new task where the space has one.

    folds, draws, seed: as in `proxies.combiners.judge`
    """
    space = COLUMNS[column][0]
    own = {other: table for other, table in tables.items() if COLUMNS[other][0] == space}
    foreign = {
        other: table for other, table in tables.items() if COLUMNS[other][0] != space or other == column
    }
    here = judge(name, own, folds=folds, draws=draws, seed=seed, only=column)[column]
    away = judge(name, foreign, folds=folds, draws=draws, seed=seed, only=column)[column]
    return here.on_all, here.across_architectures, here.optimism, here.across_tasks, away.across_tasks


def beyond_the_best(table: Table, seed: int) -> tuple[float, float]:
    """Return the 95 % interval, over redrawn architectures, of LIBRA's rho less the best proxy's, on all."""
    ranked = [get(name).combine(table) for name in ("libra", "best_proxy")]
    rhos = bootstrap_spearman(table.truth, np.column_stack(ranked), REDRAWN, np.random.default_rng(seed))
    return interval(rhos[:, 0] - rhos[:, 1])
