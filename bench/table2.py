"""Print the paper's Table 2, what a search finds, beside ours on a benchmark's own accuracies.

`python -m bench.table2 ROOT [--space SPACE] [--task TASK] [--picture FILE]`, after job=search; a second.

The paper searches AutoFormer-Small for ImageNet and trains what it finds; ours searches among the
architectures of the benchmark, whose accuracies are known. Errors are of test images; the gain is over random
search with as many evaluations, paired by seed; seconds are what scoring took, on the device that scored.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from bench import pictures
from bench.own_benchmark import PICTURE, Ground, opened
from builder.jobs.search import Pair, gain
from store import StoreError

# what the paper reports: test error in %, millions of parameters, GPU days of search
PAPER = {
    "AutoFormer, evolution": (18.3, None, 24),
    "AZ-NAS": (17.8, None, 0.07),
    "TF-TAS": (18.1, None, 0.5),
    "L-SWAG": (17.8, None, 0.05),
    "LIBRA": (17.0, 23.1, 0.1),
}
AFTER = (10, 25, 50, 100)  # evaluations
DRAWS = 1000

Row = dict[str, Any]


def main() -> None:
    """Print the paper's rows, ours, and how good the best so far is after some evaluations."""
    with opened(__doc__, picture=PICTURE) as ground:
        searches = _searches(ground)
        known = ground.benchmark.sql(f"SELECT accuracy FROM ({_final(ground, searches[0])})")["accuracy"]
        progress = ground.benchmark.searches(ground.task, space=ground.space)
        print("paper: AutoFormer-Small on ImageNet")
        print(f"{'':<24}{'error %':>9}{'params M':>10}{'GPU days':>10}")
        for name, cells in PAPER.items():
            error, params, days = ("-" if cell is None else f"{cell:g}" for cell in cells)
            print(f"{name:<24}{error:>9}{params:>10}{days:>10}")
        print(f"\nours: {ours(searches, known.to_numpy())}")
        print(f"\n{best_so_far(progress.to_pylist())}")
        if ground.given.picture:
            table = progress.to_pandas()
            table["strategy"] = table["strategy"].str.partition("[")[0]
            pictures.best_so_far(table).save(ground.given.picture, ppi=pictures.DENSITY)


def ours(searches: list[Row], known: np.ndarray) -> str:
    """Return what each ranker's searches found, with random search beside it.

    searches: rows of the table of searches, with the params of what was found
    known:    (architectures,) accuracies 0..1 of those that could be found
    """
    first = searches[0]
    lines = [
        f"{first['space']} on {first['task']}, accuracies by {first['protocol']} ({first['recipe']}); of "
        f"{len(known)} architectures the least error is {_error(known.max())}, the median "
        f"{_error(np.median(known))}",
        f"{'ranker':<12}{'strategy':<24}{'seeds':>6}{'evals':>7}{'error %':>9}{'random':>9}  "
        f"{'gain, points':<24}{'params':>9}{'seconds':>9}",
    ]
    for (ranker, strategy, evaluations), pairs in paired(searches).items():
        _, _, mean, low, high = gain(pairs, DRAWS, 0)
        found, beside = zip(*pairs, strict=True)
        lines.append(
            f"{ranker:<12}{strategy.partition('[')[0]:<24}{len(pairs):>6}{evaluations:>7}"
            f"{_error(_mean(found, 'accuracy')):>9}{_error(_mean(beside, 'accuracy')):>9}  "
            f"{f'{100 * mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]':<24}"
            f"{_mean(found, 'params'):>9,.0f}{_mean(found, 'seconds'):>9.1f}"
        )
    return "\n".join(lines)


def best_so_far(progress: list[Row]) -> str:
    """Return the median, over seeds, of the share of known architectures that beat the best so far.

    progress: rows of `Benchmark.searches`
    """
    shares: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in progress:
        if row["position"] in AFTER and row["better"] is not None:
            shares[row["ranker"], row["strategy"]][row["position"]].append(row["better"])
    lines = [
        "architectures better than the best so far, in %, median over seeds, after so many evaluations",
        f"{'ranker':<12}{'strategy':<24}" + "".join(f"{after:>7}" for after in AFTER),
    ]
    for (ranker, strategy), found in shares.items():
        cells = [f"{100 * np.median(found[after]):.1f}" if found[after] else "-" for after in AFTER]
        lines.append(f"{ranker:<12}{strategy.partition('[')[0]:<24}" + "".join(f"{c:>7}" for c in cells))
    return "\n".join(lines)


def paired(searches: list[Row]) -> dict[tuple[str, str, int], list[Pair]]:
    """Return, by ranker, strategy and evaluations, each search with the random one of its seed."""
    beside = {
        (row["ranker"], row["seed"], row["evaluations"]): row
        for row in searches
        if row["strategy"] == "random"
    }
    found: dict[tuple[str, str, int], list[Pair]] = defaultdict(list)
    for row in searches:
        random = beside.get((row["ranker"], row["seed"], row["evaluations"]))
        if row["strategy"] != "random" and random:
            found[row["ranker"], row["strategy"], row["evaluations"]].append((row, random))
    return found


def _searches(ground: Ground) -> list[Row]:
    found = ground.benchmark.sql(
        f"""SELECT searches.*, params FROM searches
        LEFT JOIN (SELECT arch_id, params FROM architectures) USING (arch_id)
        WHERE searches.space = '{ground.space}' AND task = '{ground.task}' AND status = 'done'
          AND accuracy IS NOT NULL ORDER BY ranker, strategy, evaluations, seed"""
    ).to_pylist()
    if not found:
        raise StoreError(
            f"No search of {ground.space} on {ground.task} found a network of known accuracy. Run "
            f"python -m builder job=search search.among=table root={ground.benchmark.path} first."
        )
    return found


def _final(ground: Ground, search: Row) -> str:
    return f"""SELECT accuracy FROM final_accuracies WHERE space = '{ground.space}' AND task = '{ground.task}'
        AND split = 'test' AND accuracy IS NOT NULL AND protocol = '{search["protocol"]}'
        AND recipe = '{search["recipe"]}'"""


def _error(accuracy: float) -> str:
    return f"{100 * (1 - accuracy):.2f}"


def _mean(rows: Any, name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


if __name__ == "__main__":
    main()
