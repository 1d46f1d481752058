"""Print rho of NAS-Bench-Suite-Zero's thirteen proxies on its tables beside what it published.

`python -m bench.suite_zero [--tables FOLDER]`; a few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.judging import arguments
from bench.published_tables import number, published_rho, runs, suite_zero, whole_spaces
from proxies.combiners import Table
from proxies.combiners.ranks import spearman

WITHIN = 0.03
ROUNDING = 0.005  # of the published numbers


def main() -> None:
    """Print a table for the samples that other scripts take, for all runs, and for whole spaces."""
    folder = arguments(__doc__, judged=False).tables
    show("the samples of bench.table4", {c: [table] for c, table in suite_zero(folder).items()})
    show("the mean of three runs", runs(folder))
    show("whole spaces", {c: [table] for c, table in whole_spaces(folder).items()})


def show(title: str, tables: Mapping[str, list[Table]]) -> None:
    """Print ours and the published rho of each proxy and column; those further apart are marked."""
    published = published_rho()
    print(f"\nNAS-Bench-Suite-Zero, figure 2, against {title}: ours (published); * differs by over {WITHIN}")
    apart = []
    for column, samples in tables.items():
        cells = []
        for proxy, ours in mean_rho(samples).items():
            theirs = published[column][proxy]
            apart.append(abs(ours - theirs))
            mark = "*" if apart[-1] > WITHIN + ROUNDING else ""
            cells.append(f"{proxy} {number(ours)} ({number(theirs)}){mark}")
        print(f"{column:<9} n={sum(map(len, samples)):<6}" + "  ".join(cells))
    close = np.mean(np.array(apart) <= WITHIN + ROUNDING)
    print(f"{len(apart)} cells, {close:.0%} within {WITHIN}; mean difference {np.mean(apart):.3f}")


def mean_rho(samples: list[Table]) -> dict[str, float]:
    """Return the rho of each proxy with accuracy, mean over the samples that have it."""
    proxies = dict.fromkeys(proxy for table in samples for proxy in table.proxies)
    return {
        proxy: float(np.mean([spearman(t.scores[proxy], t.truth) for t in samples if proxy in t.scores]))
        for proxy in proxies
    }


if __name__ == "__main__":
    main()
