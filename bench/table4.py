"""Print the paper's ablation of LIBRA (Table 4) beside ours, on all architectures and honestly.

`python -m bench.table4 [--tables FOLDER] [--draws 5] [--folds 2] [--seed 0]`; about two minutes.

The paper's list of proxies is longer: zico, swap, reg_swap, l_swag besides NAS-Bench-Suite-Zero's thirteen,
and its samples are others (see bench/published_tables.py): compare rows, not hundredths.
"""

from __future__ import annotations

from tqdm import tqdm

from bench.judging import LEGEND, WAYS, arguments, beyond_the_best, honest
from bench.published_tables import number, suite_zero
from proxies.combiners import Table, get

PAPER = ("201 IN16", "301", "Mi Scene", "Ma Scene")
# our words, combiner, the paper's rho by column, or none
Row = tuple[str, str, tuple[float, ...] | None]
ROWS: tuple[Row, ...] = (
    ("two gradient-free", "two_gradient_free", (0.77, 0.63, 0.73, 0.89)),
    ("two gradient-based", "two_gradient_based", (0.80, 0.53, 0.73, 0.15)),
    ("one of each", "one_of_each", (0.86, 0.56, 0.74, 0.22)),
    ("two random", "two_random", (0.62, 0.57, 0.41, 0.45)),
    ("best + most IG, of all", "libra[window=2,second=most,third=none]", (0.64, 0.53, 0.62, 0.60)),
    ("best + most IG, in the window", "libra[second=most,third=none]", None),
    ("best + least IG", "libra[third=none]", (0.86, 0.71, 0.77, 0.90)),
    ("third at random", "libra[third=random]", (0.85, 0.44, 0.72, 0.20)),
    ("third of smallest bias", "libra[third=smallest]", (0.85, 0.71, 0.79, 0.87)),
    ("LIBRA", "libra", (0.87, 0.74, 0.79, 0.91)),
    ("LIBRA, merged by rank sum", "libra[merge=rank_sum]", None),
    ("LIBRA, bins of equal count", "libra[binning=equal_count]", None),
    ("best proxy alone", "best_proxy", None),
    ("log-rank sum of all", "log_rank_sum", None),
    ("rank sum of all", "rank_sum", None),
    ("linear fit", "linear", None),
    ("gradient-boosted trees", "gradient_boosted", None),
)


def main() -> None:
    """Print one table a column of the paper's."""
    given = arguments(__doc__)
    tables = suite_zero(given.tables)
    progress = tqdm(total=len(PAPER) * len(ROWS), unit="cell", leave=False)
    for place, column in enumerate(PAPER):
        print(f"\n{column}: {len(tables[column])} architectures, {len(tables[column].proxies)} proxies")
        print(f"{'rho':<31}" + "".join(f"{title:>11}" for title in ("paper", *WAYS)))
        for title, name, paper in ROWS:
            found = honest(name, column, tables, given.folds, given.draws, given.seed)
            cells = (paper[place] if paper else float("nan"), *found)
            print(f"{title:<31}" + "".join(f"{number(cell):>11}" for cell in cells))
            progress.update()
        explain(tables[column], given.seed)
    print(LEGEND)


def explain(table: Table, seed: int) -> None:
    """Print what LIBRA chose, and whether it beats the best proxy beyond the sampling of architectures."""
    libra = get("libra").fit([table])
    if libra.choice is None:
        return
    low, high = beyond_the_best(table, seed)
    window = f"window {libra.choice.window:g}{' (widened)' if libra.choice.widened else ''}"
    print(f"LIBRA chose {', '.join(libra.proxies)}; {window}: {', '.join(libra.choice.candidates)}")
    print(
        f"LIBRA less the best proxy, {libra.proxies[0]}, both on all: 95 % within {low:+.3f} .. {high:+.3f}"
    )


if __name__ == "__main__":
    main()
