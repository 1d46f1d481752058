"""Print what a ranking does not say: which proxies are told apart, how size bears on them, what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from tqdm import tqdm

from builder.errors import BuilderError
from builder.provenance import Run
from builder.settings import Settings
from builder.text import number
from store import Benchmark
from store.location import is_there

Row = dict[str, Any]


def run(settings: Settings, run: Run) -> None:
    """Print four tables for every (protocol, recipe) of the space and task, best proxy first in each."""
    space, task, wanted = settings.space.name, settings.task.name, settings.rank
    if not is_there(run.root):
        raise BuilderError(f"No benchmark at {run.root}. Run job=accuracy root={run.root} first.")
    which: dict[str, Any] = {"space": space, "scores_from": wanted.scores_from, "shared": wanted.shared}
    draws: dict[str, Any] = {"draws": max(2, wanted.draws), "seed": wanted.seed}
    with Benchmark.open(run.root) as benchmark:
        asked: dict[str, Callable[[], Any]] = {
            "groups": lambda: benchmark.groups(task, **draws, **which),
            "bias": lambda: benchmark.bias(task, **which),
            "bands": lambda: benchmark.bands(task, **draws, **which),
            "top": lambda: benchmark.top(task, **which),
        }
        found = {
            name: _by_cell(ask().to_pylist()) for name, ask in tqdm(asked.items(), "analyse", disable=None)
        }
    if not found["groups"]:
        raise BuilderError(
            f"Nothing to analyse for {space} on {task} in {run.root}. Run job=accuracy and job=score first"
            + (", or use rank.shared=false." if wanted.shared else ".")
        )
    for cell, groups in found["groups"].items():
        of_cell = {name: cells.get(cell, []) for name, cells in found.items()}
        order = [row["proxy"] for row in groups]
        print(f"\n{space} on {task}, accuracies by {cell[0]} ({cell[1]})\n")
        print(groups_table(groups), bias_table(of_cell["bias"], order), sep="\n\n")
        print()
        print(bands_table(of_cell["bands"], order), top_table(of_cell["top"], order), sep="\n\n")


def groups_table(rows: list[Row]) -> str:
    """Return the groups as text: one line a proxy, the places it may hold drawn beside them."""
    width = _width(row["proxy"] for row in rows)
    count = sum(row["rho"] is not None for row in rows)
    lines = [
        "Groups: proxies with a common letter cannot be told apart "
        f"(paired bootstrap, Holm, 5 %, {rows[0]['comparisons']} pairs)",
        f"  {'proxy':<{width}}{'rho':>6}{'n':>7}  {'places':<9}groups",
    ]
    for row in rows:
        places = "-" if row["rho"] is None else f"{row['first_place']}-{row['last_place']}"
        letters = row["groups"] or "-"
        lines.append(f"  {row['proxy']:<{width}}{number(row['rho']):>6}{row['n']:>7}  {places:<9}{letters}")
    return "\n".join([*lines, f"  places: of {count}, those that the proxies told apart leave open"])


def bias_table(rows: list[Row], order: list[str]) -> str:
    """Return the bias as text: the accuracy, then one line a proxy; below, why a column is empty."""
    width = _width(row["proxy"] for row in rows)
    sizes = ("params", "macs", "depth", "width", "beyond_accuracy")
    lines = [
        "Bias: Spearman's rho with size; beyond: with params, less that of the accuracy",
        f"  {'proxy':<{width}}" + "".join(f"{size.partition('_')[0]:>8}" for size in sizes) + f"{'n':>7}",
    ]
    for row in _ordered(rows, ["accuracy", *order]):
        values = "".join(f"{number(row[size]):>8}" for size in sizes)
        lines.append(f"  {row['proxy']:<{width}}{values}{row['n']:>7}")
    reasons = dict.fromkeys(f"  - {row['reason']}" for row in rows if row["reason"])
    return "\n".join([*lines, *reasons])


def bands_table(rows: list[Row], order: list[str]) -> str:
    """Return the bands as text: one line a proxy, rho with its interval in a column a band of params."""
    width = _width(row["proxy"] for row in rows)
    bands = {row["band"]: row for row in rows}
    heads = [
        f"{_params(row['least'])}..{_params(row['most'])} ({row['architectures']})" for row in bands.values()
    ]
    lines = [
        "Bands: rho inside bands of params (architectures), 95 % interval",
        f"  {'proxy':<{width}}" + "".join(f"{head:<24}" for head in heads).rstrip(),
    ]
    for proxy, mine in groupby(_ordered(rows, order), key=lambda row: row["proxy"]):
        inside = [f"{number(row['rho'])} [{number(row['low'])}, {number(row['high'])}]" for row in mine]
        lines.append(f"  {proxy:<{width}}" + "".join(f"{one:<24}" for one in inside).rstrip())
    return "\n".join(lines)


def top_table(rows: list[Row], order: list[str]) -> str:
    """Return the tops as text: a random order, then one line a proxy, three measures at each k."""
    width = _width(["(chance)", *(row["proxy"] for row in rows)])
    first = {row["k"]: row for row in rows}
    heads = [f"{head + str(k):>10}" for head in ("regret@", "in top ", "nDCG@") for k in first]
    lines = [
        "Tops: best accuracy less the best of a proxy's first k, in points; how many of them are in the true "
        "top k; nDCG",
        f"  {'proxy':<{width}}" + "".join(heads),
        _top_line(f"  {'(chance)':<{width}}", list(first.values()), "_by_chance"),
    ]
    for proxy, mine in groupby(_ordered(rows, order), key=lambda row: row["proxy"]):
        lines.append(_top_line(f"  {proxy:<{width}}", list(mine), ""))
    return "\n".join(lines)


def _top_line(name: str, rows: list[Row], ending: str) -> str:
    """One line of tops; `ending` of the columns to take."""
    regret, overlap, ndcg = ([row[f"{of}{ending}"] for row in rows] for of in ("regret", "overlap", "ndcg"))
    values = ["-" if value is None else f"{100 * value:.2f}" for value in regret]
    values += ["-" if value is None else f"{100 * value:.0f} %" for value in overlap]
    values += [number(value) for value in ndcg]
    return name + "".join(f"{value:>10}" for value in values)


def _by_cell(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    cells = groupby(rows, key=lambda row: (row["protocol"], row["recipe"]))
    return {cell: list(mine) for cell, mine in cells}


def _ordered(rows: list[Row], order: list[str]) -> list[Row]:
    place = {proxy: number for number, proxy in enumerate(order)}
    return sorted(rows, key=lambda row: place[row["proxy"]])


def _width(names: Iterable[str]) -> int:
    return max((len(name) for name in names), default=0) + 2


def _params(count: int) -> str:
    size = next((size for size in (1e9, 1e6, 1e3) if count >= size), 1)
    return f"{count / size:.3g}" + {1e9: "G", 1e6: "M", 1e3: "k", 1: ""}[size]
