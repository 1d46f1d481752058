"""Print our scores on a convolutional space beside the published ones: rho with accuracy, and rank agreement.

`python -m bench.convolutional --root FOLDER --space nasbench201 --task cifar10 [--picture FILE]`

It reads what `experiment=nb201` and its sisters wrote: our scores, NAS-Bench-Suite-Zero's of the same
networks, and the accuracies beside those; where it has none, only the agreement is left. For each proxy:

    n          networks that both scored
    ours       rho of our score with accuracy, and its bootstrap 95 % interval
    theirs     rho of the published score with accuracy, on the same networks
    published  rho that was published, on another and larger sample: figure 2 of NAS-Bench-Suite-Zero,
               n = 1000; of zico its own paper's, on the whole space
    agreement  rho of our score with the published score, network by network
    ourselves  rho of our score with ours of another seed, other weights and images, of the networks that
               have both
    themselves rho of the published score with that of another published run, of all networks that both have;
               needs the published tables

Agreement cannot be had beyond those two: a score that its own code does not repeat has little to agree with.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd

from bench.published_tables import COLUMNS, NAME, number, published_rho, rerun
from proxies.combiners.ranks import spearman
from store import Benchmark
from store.resampling import bootstrap_spearman, interval
from tests.shared import TABLES

# zen is in the later run alone, the others in the early one
SOURCES = ("nas_bench_suite_zero", "nas_bench_suite_zero_2022")
# our space and task -> the column of the published tables
CELLS = {
    (space.replace("transbench101_", "transnas-"), task.lower().replace("-", "_")): column
    for column, (space, task) in COLUMNS.items()
}
ZICO = {
    "201 C10": 0.80,
    "201 C100": 0.81,
    "201 IN16": 0.79,
    "101": 0.63,
    "Mi AE": 0.35,
    "Mi Scene": 0.71,
    "Mi Jig": 0.52,
    "Mi Norm": 0.68,
}
DRAWS = 1000


def main() -> None:
    """Print the table of one space and task, and draw its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of the benchmark's tables")
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--task", default="cifar10")
    parser.add_argument("--tables", type=Path, default=TABLES, help=f"folder with {NAME}")
    parser.add_argument("--picture", type=Path, help="PNG of our ranks against the published ones")
    given = parser.parse_args()
    scores = read(given.root, given.space, given.task)
    column = CELLS[given.space, given.task]
    table = compared(scores, column)
    themselves = rerun(given.tables, column) if (given.tables / NAME).exists() else {}
    table["themselves"] = table.proxy.map(themselves).astype(float)
    print(f"{given.space} on {given.task}, accuracies beside the published scores")
    print(
        f"{'proxy':<12}{'n':>5}{'ours':>7}{'95 %':>14}{'theirs':>8}{'published':>11}{'difference':>12}"
        f"{'agreement':>11}{'ourselves':>11}{'themselves':>12}"
    )
    for row in table.itertuples():
        between = f"[{number(row.low)}, {number(row.high)}]"
        print(
            f"{row.proxy:<12}{row.n:>5}{number(row.ours):>7}{between:>14}{number(row.theirs):>8}"
            f"{number(row.published):>11}{number(row.ours - row.published):>12}{number(row.agreement):>11}"
            f"{number(row.ourselves):>11}{number(row.themselves):>12}"
        )
    if given.picture:
        draw(scores, given.picture)


def read(root: Path, space: str, task: str) -> pd.DataFrame:
    """Return a row for each network and proxy of ours: value, again, published, accuracy; null where none.

    value, again: our score with the first seed and the second.
    accuracy:     the one that the source has beside its scores.
    """
    names = ", ".join(f"'{source}/' || s.proxy" for source in SOURCES)
    with Benchmark.open(root) as benchmark:
        rows = benchmark.sql(
            f"""SELECT s.arch_id, s.proxy, s.seed, s.value, any_value(r.params) AS params,
                any_value(p.value) AS published, any_value(a.accuracy) AS accuracy
            FROM scores s JOIN architectures r ON r.arch_id = s.arch_id
            LEFT JOIN accuracies a ON a.arch_id = s.arch_id AND a.task = s.task
              AND a.source LIKE 'Krishnakumar%'
            LEFT JOIN scores p ON p.arch_id = s.arch_id AND p.task = s.task
              AND p.proxy IN ({names})
            WHERE r.space = '{space}' AND s.task = '{task}' AND s.proxy NOT LIKE '%/%' AND s.value IS NOT NULL
            GROUP BY s.arch_id, s.proxy, s.seed, s.value ORDER BY s.proxy, s.arch_id"""
        ).to_pandas()
    first = rows.seed == rows.seed.min()
    again = rows[~first].sort_values("seed").drop_duplicates(["arch_id", "proxy"])
    again = again[["arch_id", "proxy", "value"]].rename(columns={"value": "again"})
    return rows[first].drop(columns="seed").merge(again, how="left", on=["arch_id", "proxy"])


def compared(scores: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a row for each proxy: the columns that this file's first lines explain."""
    published = published_rho()[column] | ({"zico": ZICO[column]} if column in ZICO else {})
    rows = []
    for proxy, mine in scores.groupby("proxy"):
        both = mine.dropna(subset=["published"])
        known = mine.dropna(subset=["accuracy"])
        truth, values = known.accuracy.to_numpy(), known.value.to_numpy()[:, None]
        low = high = math.nan
        if len(known) > 1:
            low, high = interval(bootstrap_spearman(truth, values, DRAWS, np.random.default_rng(0))[:, 0])
        rows.append(
            {
                "proxy": proxy,
                "n": len(both) or len(mine),
                "ours": _rho(mine.value, mine.accuracy),
                "low": low,
                "high": high,
                "theirs": _rho(both.published, both.accuracy),
                "published": published.get(proxy, math.nan),
                "agreement": _rho(both.value, both.published),
                "ourselves": _rho(mine.value, mine.again),
            }
        )
    return pd.DataFrame(rows)


def _rho(first: pd.Series, second: pd.Series) -> float:
    """Return Spearman's rho where both are there, NaN where that is not twice."""
    there = first.notna() & second.notna()
    return spearman(first[there], second[there]) if there.sum() > 1 else math.nan


def draw(scores: pd.DataFrame, picture: Path) -> None:
    """Draw our ranks against the published ones, one small square a proxy, a network a dot."""
    import altair as alt

    both = scores.dropna(subset=["published"])
    ranks = both.assign(
        ours=both.groupby("proxy").value.rank(pct=True),
        theirs=both.groupby("proxy").published.rank(pct=True),
    )
    chart = (
        alt.Chart(ranks)
        .mark_circle(size=12, opacity=0.6, color="#0072B2")
        .encode(
            x=alt.X("theirs:Q", title="rank of the published score"),
            y=alt.Y("ours:Q", title="rank of ours"),
            facet=alt.Facet("proxy:N", columns=4, title=None),
        )
        .properties(width=150, height=150)
        .configure_axis(grid=False)
    )
    chart.save(picture, scale_factor=1.5)


if __name__ == "__main__":
    main()
