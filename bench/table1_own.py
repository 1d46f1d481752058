"""Print the paper's Table 1 on one convolutional column, combiners on our own scores beside published ones.

`python -m bench.table1_own --root FOLDER [--space nasbench201] [--task cifar10]`, on what `experiment=nb201`
wrote; ten seconds. Both sides are of the same networks and the same proxies: those that were scored there
and here. `with zico` has our zico beside, which the paper's LIBRA may choose and no source published.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from bench.convolutional import CELLS, read
from bench.judging import LEGEND
from bench.published_tables import COLUMNS, number
from bench.table1 import CONTROLS, OURS, PAPER
from proxies.combiners import Table, get, judge
from proxies.combiners.ranks import spearman

SIDES = ("ours", "theirs", "ours with zico")


def main() -> None:
    """Print the paper's numbers of the column, then each combiner on all and on unseen networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of the benchmark's tables")
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--task", default="cifar10")
    given = parser.parse_args()
    column = CELLS[given.space, given.task]
    tables = both(read(given.root, given.space, given.task))
    place = list(COLUMNS).index(column)
    print(f"{column}: {len(tables['ours'])} networks, {', '.join(tables['ours'].proxies)}")
    print("paper: " + ", ".join(f"{name} {row.split()[place]}" for name, row in PAPER.items()))
    print(f"{'rho: on all / unseen':<22}" + "".join(f"{side:>18}" for side in SIDES))
    for name in (*OURS, *CONTROLS):
        cells = [_cell(name, tables[side]) for side in SIDES]
        print(f"{name:<22}" + "".join(f"{cell:>18}" for cell in cells))
    for side in SIDES:
        print(f"LIBRA chose, {side}: {', '.join(get('libra').fit([tables[side]]).proxies)}")
    print(LEGEND.splitlines()[1])


def both(scores: pd.DataFrame) -> dict[str, Table]:
    """Return the tables of networks that have an accuracy and all proxies that some of them have twice."""
    shared = scores.dropna(subset=["published"]).proxy.unique()
    scores = scores.dropna(subset=["accuracy"])
    wide = scores.pivot(index="arch_id", columns="proxy", values=["value", "published"])
    wide = wide.dropna(subset=[("value", proxy) for proxy in {*shared, "zico"}])
    known = scores.drop_duplicates("arch_id").set_index("arch_id").loc[wide.index]

    def table(side: str, proxies: list[str]) -> Table:
        return Table({name: wide[side][name] for name in proxies}, known.accuracy, known.params)

    names = sorted(shared)
    return {
        "ours": table("value", names),
        "theirs": table("published", names),
        "ours with zico": table("value", [*names, "zico"]),
    }


def _cell(name: str, table: Table) -> str:
    if name in CONTROLS:
        return number(spearman(table.scores[name], table.truth))
    found = judge(name, {"": table})[""]
    return f"{number(found.on_all)} / {number(found.across_architectures)}"


if __name__ == "__main__":
    main()
