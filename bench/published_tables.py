"""Published scores and accuracies as tables for combiners: NAS-Bench-Suite-Zero's thirteen proxies.

The columns are the paper's nineteen; NAS-Bench-Suite-Zero's complete file is not to be had, so each column
takes what there is:

- NAS-Bench-201 and TransNAS-Bench-101: an early run of twelve proxies on 662 to 725 architectures, with zen,
  and where it holds them synflow and epe_nas, of the release that the paper used; accuracies of that release.
  The early run's sample of TransNAS-Bench-101 Macro is no uniform one: shallow networks are far too many.
- NAS-Bench-301: the early run, without zen; its accuracies are predictions of a surrogate.
- NAS-Bench-101: another early run of eleven proxies, without zen and nwot, on 292 different graphs, which are
  drawn otherwise than those the paper took; final test accuracies.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from proxies.combiners import Table
from proxies.combiners.ranks import spearman

# the paper's name -> space and task of the file
COLUMNS = {
    "201 C10": ("nasbench201", "cifar10"),
    "201 C100": ("nasbench201", "cifar100"),
    "201 IN16": ("nasbench201", "ImageNet16-120"),
    "101": ("nasbench101", "cifar10"),
    "301": ("nasbench301", "cifar10"),
    "Mi AE": ("transbench101_micro", "autoencoder"),
    "Mi Room": ("transbench101_micro", "room_layout"),
    "Mi Obj": ("transbench101_micro", "class_object"),
    "Mi Scene": ("transbench101_micro", "class_scene"),
    "Mi Jig": ("transbench101_micro", "jigsaw"),
    "Mi Norm": ("transbench101_micro", "normal"),
    "Mi Seg": ("transbench101_micro", "segmentsemantic"),
    "Ma AE": ("transbench101_macro", "autoencoder"),
    "Ma Room": ("transbench101_macro", "room_layout"),
    "Ma Obj": ("transbench101_macro", "class_object"),
    "Ma Scene": ("transbench101_macro", "class_scene"),
    "Ma Jig": ("transbench101_macro", "jigsaw"),
    "Ma Norm": ("transbench101_macro", "normal"),
    "Ma Seg": ("transbench101_macro", "segmentsemantic"),
}
# NASLib's flops are multiply-adds.
PROXIES = {name: "macs" if name == "flops" else name for name in (
    "flops", "params", "snip", "jacov", "grad_norm", "plain", "epe_nas", "fisher", "grasp", "l2_norm",
    "synflow", "nwot", "zen",
)}  # fmt: skip
NAME = "nas_bench_suite_zero.parquet"
SENTINEL = -1e7  # NASLib writes -1e8 for a score that failed
SHARED = 50  # networks of two runs that can be compared
RELEASED = ("zen", "synflow", "epe_nas")  # taken from the release where it holds them

# Spearman's rho of each proxy, 1000 architectures, mean of five draws, in the order of COLUMNS:
# Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022, figure 2. An exact 0 of synflow and epe_nas on
# tasks that are not classification means that they are not defined there.
FIGURE_2 = """
plain -.26 -.21 -.22 -.32 -.32 .07 .36 .34 .24 .35 .03 -.02 -.10 -.18 -.19 -.19 -.30 -.04 .00
grasp .51 .54 .55 .27 .34 -.12 -.29 -.22 -.27 -.12 .01 .00 -.02 -.10 -.64 -.43 -.26 -.05 -.02
fisher .50 .54 .48 -.28 -.28 -.58 .30 .44 .66 .30 .16 .12 -.19 -.21 -.30 -.13 -.26 .15 .03
epe_nas .70 .60 .33 .00 .00 .00 .40 .39 .51 .16 .00 .00 .00 -.00 -.02 .01 .00 .00 .00
grad_norm .58 .63 .57 -.25 -.04 -.32 .25 .39 .65 .36 .36 .60 .31 -.26 -.56 -.33 -.27 .35 .21
snip .58 .63 .57 -.19 -.05 -.27 .32 .45 .70 .41 .49 .68 .20 -.19 -.38 -.14 -.19 .45 .27
synflow .73 .76 .75 .31 .18 .00 .30 .48 .72 .47 .00 .00 .00 -.01 .12 .27 .34 .00 .00
l2_norm .68 .72 .69 .50 .45 .04 .18 .32 .53 .35 .50 .48 -.20 -.03 .08 .28 .15 .30 .18
params .72 .73 .69 .37 .46 -.01 .30 .45 .64 .44 .62 .68 -.18 -.00 .16 .32 .15 .30 .06
zen .35 .35 .39 .59 .43 .14 .38 .54 .72 .51 .71 .67 -.01 -.04 .10 .27 .24 .38 .27
jacov .75 .71 .71 -.29 -.04 .18 .40 .51 .75 .56 .75 .80 .45 .08 .07 .19 .19 .50 .57
macs .69 .71 .67 .36 .42 -.02 .30 .46 .65 .45 .64 .69 .76 .48 .79 .85 .64 .76 .60
nwot .77 .80 .77 .31 .47 .03 .25 .39 .60 .42 .57 .53 .67 .63 .83 .89 .76 .78 .80
"""


def published_rho() -> dict[str, dict[str, float]]:
    """Return NAS-Bench-Suite-Zero's rho by column and proxy."""
    found: dict[str, dict[str, float]] = {column: {} for column in COLUMNS}
    for line in FIGURE_2.split("\n")[1:-1]:
        proxy, *rhos = line.split()
        for column, rho in zip(COLUMNS, rhos, strict=True):
            found[column][proxy] = float(rho)
    return found


def suite_zero(folder: Path, repeats: bool = False) -> dict[str, Table]:
    """Return the table of each of the paper's columns, with every proxy that is scored there.

    folder:  where nas_bench_suite_zero.parquet lies.
    repeats: keep networks that stand there twice under two genomes, as NAS-Bench-Suite-Zero did.
    """
    rows = _rows(folder)
    samples = {column: _sample(rows, *cell) for column, cell in COLUMNS.items()}
    if not repeats:
        samples = {column: _distinct(rows, COLUMNS[column][0], found) for column, found in samples.items()}
    return {column: _as_table(found) for column, found in samples.items()}


def whole_spaces(folder: Path) -> dict[str, Table]:
    """Return, by the paper's column, the few proxies that are scored on all of a space."""
    rows = _rows(folder)
    tables = {}
    for column, (space, task) in COLUMNS.items():
        chosen = rows[(rows.source == "final_zips") & (rows.search_space == space) & (rows.task == task)]
        scored = [name for name in PROXIES if chosen[name].notna().sum() == len(chosen)]
        if chosen.accuracy.notna().any():
            tables[column] = Table({PROXIES[name]: chosen[name] for name in scored}, chosen.accuracy)
    return tables


def runs(folder: Path) -> dict[str, list[Table]]:
    """Return the tables of all early runs of NAS-Bench-201, by the paper's column.

    Each run drew and scored 491 to 783 architectures anew; rho is to be averaged over runs, as scores of
    different runs cannot be mixed.
    """
    rows = _rows(folder)
    tables: dict[str, list[Table]] = {}
    for column, (space, task) in COLUMNS.items():
        chosen = rows[(rows.search_space == space) & (rows.task == task) & (rows.source != "final_zips")]
        if space == "nasbench201":
            tables[column] = [_as_table(run) for _, run in chosen.groupby("source")]
    return tables


def rerun(folder: Path, column: str) -> dict[str, float]:
    """Return, by proxy, rho between the scores of the same networks in two published runs.

    Of the two runs that share the most networks with that proxy, at least fifty. Runs whose snip is the same
    are one run under two names; a column of one run has no proxy here.
    """
    rows, (space, task) = _rows(folder), COLUMNS[column]
    early = rows[(rows.search_space == space) & (rows.task == task) & (rows.source != "final_zips")]
    snip = early.pivot(index="arch", columns="source", values="snip")
    pairs = [[a, b] for a, b in itertools.combinations(snip, 2) if (snip[a] - snip[b]).abs().max() > 0]
    found = {}
    for name, proxy in PROXIES.items():
        scores = early.pivot(index="arch", columns="source", values=name)
        shared = max((scores[pair].dropna() for pair in pairs), key=len, default=scores[:0])
        if len(shared) >= SHARED:
            found[proxy] = spearman(shared.iloc[:, 0], shared.iloc[:, 1])
    return found


def _rows(folder: Path) -> pd.DataFrame:
    rows = pd.read_parquet(folder / NAME)
    return rows.assign(accuracy=rows.val_accuracy.fillna(rows.nasbench101_test_acc))


def _sample(rows: pd.DataFrame, space: str, task: str) -> pd.DataFrame:
    """The early run's rows of one space and task, completed from the release by the architecture."""
    source = "first_json" if space == "nasbench101" else "early_json"
    mine = rows[(rows.search_space == space) & (rows.task == task)]
    found = mine[mine.source == source]
    if space == "nasbench101":  # drawn twice as one graph
        return found.assign(accuracy=found.nasbench101_test_acc).drop_duplicates("arch_str")
    if space == "nasbench301":
        return found
    released = mine[mine.source == "final_zips"].set_index("arch_str").reindex(found.arch_str)
    found = found.assign(accuracy=released.accuracy.to_numpy())
    for name in RELEASED:
        if released[name].notna().all():
            found[name] = released[name].to_numpy()
    return found


def _distinct(rows: pd.DataFrame, space: str, found: pd.DataFrame) -> pd.DataFrame:
    """Those of the sample that differ from every earlier one in the accuracy on some task of the space."""
    tasks = [task for name, task in COLUMNS.values() if name == space]
    released = rows[(rows.source == "final_zips") & (rows.search_space == space) & rows.task.isin(tasks)]
    if len(tasks) == 1:  # where equal accuracies say little
        return found
    accuracies = released.pivot(index="arch_str", columns="task", values="accuracy")
    return found[~accuracies.loc[found.arch_str].duplicated().to_numpy()]


def _as_table(rows: pd.DataFrame) -> Table:
    scores = rows[list(PROXIES)].rename(columns=PROXIES)
    scores = scores.where(scores > SENTINEL)
    scored = [name for name in scores if scores[name].nunique() > 1]
    return Table({name: scores[name] for name in scored}, rows.accuracy, rows.params)


def number(value: float | None) -> str:
    """Return a rho as tables print it, ".87", or a dash where there is none."""
    if value is None or np.isnan(value):
        return "-"
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1)  # no -.00
