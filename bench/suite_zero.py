"""Print rho of NAS-Bench-Suite-Zero's thirteen proxies on its tables beside what it published.

`python -m bench.suite_zero [--tables FOLDER]`; ten seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from bench.judging import arguments
from bench.published_tables import number, published_rho, runs, suite_zero, whole_spaces
from proxies.combiners import Table
from proxies.combiners.ranks import ranks, spearman
from store.resampling import bootstrap_spearman, interval

WITHIN = 0.03
ROUNDING = 0.005  # of the published numbers
DRAWS = 1000


def main() -> None:
    """Print a table for the samples that other scripts take, for all runs, and for whole spaces."""
    folder = arguments(__doc__, judged=False).tables
    samples = suite_zero(folder, repeats=True)
    show("the samples of bench.table4", {c: [table] for c, table in samples.items()}, DRAWS)
    show("the mean of three runs", runs(folder), DRAWS)
    show("whole spaces", {c: [table] for c, table in whole_spaces(folder).items()})


def show(title: str, tables: Mapping[str, list[Table]], draws: int = 0) -> None:
    """Print ours and the published rho of each proxy and column; those further apart are marked.

    draws: resamples of the architectures, for the share of the published inside our 95 % intervals; 0
           where ours is no sample
    """
    published = published_rho()
    print(f"\nNAS-Bench-Suite-Zero, figure 2, against {title}: ours (published); * differs by over {WITHIN}")
    apart, inside = [], []
    for column, samples in tables.items():
        cells = []
        ends = intervals(samples, draws) if draws else {}
        for proxy, ours in mean_rho(samples).items():
            theirs = published[column][proxy]
            apart.append(abs(ours - theirs))
            if draws:
                low, high = ends[proxy]
                inside.append(low - ROUNDING <= theirs <= high + ROUNDING)
            mark = "*" if apart[-1] > WITHIN + ROUNDING else ""
            cells.append(f"{proxy} {number(ours)} ({number(theirs)}){mark}")
        print(f"{column:<9} n={sum(map(len, samples)):<6}" + "  ".join(cells))
    close = np.mean(np.array(apart) <= WITHIN + ROUNDING)
    sampled = f"; {np.mean(inside):.0%} of the published inside our 95 % intervals" if draws else ""
    print(f"{len(apart)} cells, {close:.0%} within {WITHIN}; mean difference {np.mean(apart):.3f}{sampled}")


def intervals(samples: list[Table], draws: int) -> dict[str, tuple[float, float]]:
    """Return the 95 % bootstrap interval of `mean_rho`, over the architectures of each sample."""
    drawn: dict[str, list[np.ndarray]] = defaultdict(list)
    for place, table in enumerate(samples):
        found = bootstrap_spearman(
            table.truth, ranks(table.matrix(table.proxies)), draws, np.random.default_rng(place)
        )
        for proxy, column in zip(table.proxies, found.T, strict=True):
            drawn[proxy].append(column)
    return {proxy: interval(np.mean(columns, axis=0)) for proxy, columns in drawn.items()}


def mean_rho(samples: list[Table]) -> dict[str, float]:
    """Return the rho of each proxy with accuracy, mean over the samples that have it."""
    proxies = dict.fromkeys(proxy for table in samples for proxy in table.proxies)
    return {
        proxy: float(np.mean([spearman(t.scores[proxy], t.truth) for t in samples if proxy in t.scores]))
        for proxy in proxies
    }


if __name__ == "__main__":
    main()
