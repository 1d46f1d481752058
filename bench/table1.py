"""Print the paper's Table 1, combiners on nineteen benchmarks, beside ours, on all and honestly.

`python -m bench.table1 [--tables FOLDER] [--draws 5] [--folds 2] [--seed 0]`; some three minutes.

T-CET and AZ-NAS need proxies that are not in the published tables: their rows are the paper's alone.
TE-NAS's is left out: it lost its alignment in the copy at hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.published_tables import COLUMNS, NAME, number, suite_zero
from bench.table4 import LEGEND, WAYS, honest
from tests.shared import TABLES

PAPER = {
    "T-CET": ".77 .80 .81 .23 .42 .31 .34 .49 .70 .54 .46 .64 .27 .23 .49 .63 .44 .44 .59",
    "AZ-NAS": ".91 .90 .89 .54 .70 .31 .53 .58 .79 .41 .60 .72 .52 .65 .90 .82 .77 .85 .77",
    "LIBRA": ".89 .90 .87 .77 .74 .45 .57 .61 .79 .60 .76 .87 .83 .64 .92 .91 .82 .85 .83",
}
OURS = ("libra", "best_proxy", "two_gradient_free", "log_rank_sum", "linear")


def main() -> None:
    """Print the paper's rows, then ours in four ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", type=Path, default=TABLES, help=f"folder with {NAME}")
    parser.add_argument("--draws", type=int, default=5, help="cuts into folds")
    parser.add_argument("--folds", type=int, default=2, help="fitted on all but one, judged on that one")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    given = parser.parse_args()
    if not (given.tables / NAME).exists():
        print(f"{NAME} is not in {given.tables}: nothing to reproduce. Name its folder with --tables.")
        return
    tables = suite_zero(given.tables)
    print(f"{'rho':<28}" + "".join(f"{column:>9}" for column in COLUMNS) + f"{'mean':>9}")
    for title, row in PAPER.items():
        show(f"{title}, paper", [float(rho) for rho in row.split()])
    progress = tqdm(total=len(OURS) * len(COLUMNS), unit="cell", leave=False)
    for name in OURS:
        ways = []
        for column in COLUMNS:
            found = honest(name, column, tables, folds=given.folds, draws=given.draws, seed=given.seed)
            ways.append(found)
            progress.update()
        for way, row in zip(WAYS, zip(*ways, strict=True), strict=True):
            show(f"{name}, {way}", list(row))
    show("architectures", [float(len(table)) for table in tables.values()])
    print(LEGEND)


def show(title: str, row: list[float]) -> None:
    """Print one row and its mean over the columns that have a number."""
    cells = [number(rho) if rho < 2 or np.isnan(rho) else f"{rho:.0f}" for rho in (*row, np.nanmean(row))]
    print(f"{title:<28}" + "".join(f"{cell:>9}" for cell in cells))


if __name__ == "__main__":
    main()
