"""Proxies that cannot be told apart: every pair compared on its own architectures, all corrected for."""

from string import ascii_lowercase

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store import resampling, statistics
from store.analysis import SCORES_FROM, SEEDS
from store.cells import CELL, Cell, Observations, Selection, as_table, fewest, mean
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

LEVEL = 0.05  # chance that any two equal proxies of a ranking are told apart

GROUPS = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column("rho", REAL, "-1..1", "Spearman's rho as in the ranking", nullable=True),
        column(
            "first_place",
            WHOLE,
            "position",
            "best place it may hold: 1 + the proxies that are told apart from it and better",
            nullable=True,
        ),
        column(
            "last_place",
            WHOLE,
            "position",
            "worst place it may hold: the proxies less those told apart from it and worse",
            nullable=True,
        ),
        column(
            "with_best",
            pa.bool_(),
            "flag",
            "it cannot be told apart from the proxy of the highest rho",
            nullable=True,
        ),
        column(
            "groups",
            TEXT,
            "letters",
            "its groups, apart by blanks: two proxies share one exactly when they cannot be told apart",
            nullable=True,
        ),
        column("n", WHOLE, "count", "architectures of its comparisons: the fewest of any"),
        column("comparisons", WHOLE, "count", "pairs of proxies that were corrected for"),
        SEEDS,
        SCORES_FROM,
    ]
)


def groups(observations: Observations, selection: Selection, draws: int, seed: int) -> pa.Table:
    """Groups of every cell's proxies; see Benchmark.groups. Returns a table of schema GROUPS."""
    rows = []
    for cell in observations.cells(selection):
        rho = {name: _rho(cell, name) for name in cell.names(selection)}
        ranked = sorted((name for name in rho if np.isfinite(rho[name])), key=lambda name: (-rho[name], name))
        differences, p, n = _pairs(cell, ranked, draws, seed)
        apart = told_apart(p)
        better = apart & (differences < 0)  # by the architectures both have: column better than row
        letters = _letters(apart)
        for place, name in enumerate(ranked):
            rows.append(
                cell.about
                | {"proxy": name, "rho": rho[name], "groups": letters[place], "seeds": len(cell.series(name))}
                | {"first_place": 1 + int(better[place].sum())}
                | {"last_place": len(ranked) - int((apart & ~better)[place].sum())}
                | {"with_best": not apart[place, 0], "n": int(n[place].min())}
                | {"comparisons": len(ranked) * (len(ranked) - 1) // 2}
            )
        for name in sorted(rho.keys() - set(ranked)):
            known = np.isfinite(cell.scores[:, cell.series(name)]).sum(axis=0)
            counts = {"n": fewest(known), "comparisons": 0, "seeds": len(known)}
            rows.append(cell.about | {"proxy": name} | counts)
    return as_table(rows, GROUPS)


def cover(alike: NDArray[np.bool_]) -> list[list[int]]:
    """Groups of mutually alike members such that any two alike share one, and no two others do.

    alike: (members, members) symmetric, true on the diagonal

    Each group is as large as it can be: it grows from the first pair that no group holds yet, by members in
    order. Members are numbered as given; groups come in the order of their members.
    """
    held = np.zeros_like(alike)
    found = []
    for one, other in zip(*np.nonzero(np.triu(alike)), strict=True):
        # A member meets itself before the others: where it is alike with one, that pair speaks for it.
        if held[one, other] or (one == other and alike[one].sum() > 1):
            continue
        group = sorted({int(one), int(other)})
        for member in range(len(alike)):
            if member not in group and alike[member, group].all():
                group.append(member)
        group.sort()
        held[np.ix_(group, group)] = True
        found.append(group)
    return sorted(found)


def _pairs(cell: Cell, names: list[str], draws: int, seed: int) -> tuple[Real, Real, NDArray[np.int64]]:
    """Difference of rho, its p, and architectures of every two proxies, each (proxies, proxies)."""
    series = [cell.series(name) for name in names]
    # One proxy of several seeds is one column: the rows that it has in all of them.
    complete = [np.where(np.isfinite(cell.scores[:, mine]).all(axis=1), 0.0, np.nan) for mine in series]
    difference, p = np.zeros((len(names), len(names))), np.ones((len(names), len(names)))
    n = np.zeros(p.shape, dtype=np.int64)
    for rows, some, others in statistics.joint_rows(np.column_stack(complete) if names else np.empty((0, 0))):
        n[np.ix_(some, others)] = rows.sum()
        n[np.ix_(others, some)] = rows.sum()
        both = sorted({*some, *others})
        columns = np.concatenate([series[one] for one in both])
        starts = np.cumsum([0, *(len(series[one]) for one in both)])[:-1]
        widths = np.array([len(series[one]) for one in both])
        accuracy, scores = cell.accuracy[rows], cell.scores[rows][:, columns]
        each = np.array([[statistics.spearman(values, accuracy) for values in scores.T]])
        drawn = resampling.bootstrap_spearman(accuracy, scores, draws, np.random.default_rng(seed))
        rho, drawn = (np.add.reduceat(of, starts, axis=1) / widths for of in (each, drawn))
        place = {one: at for at, one in enumerate(both)}
        facing = [place[other] for other in others]
        for one in some:
            mine = [place[one]]
            apart = (rho[:, mine] - rho[:, facing])[0]
            difference[one, others], difference[others, one] = apart, -apart
            p[one, others] = p[others, one] = resampling.bootstrap_p(apart, drawn[:, mine] - drawn[:, facing])
    return difference, p, n


def told_apart(p: Real) -> NDArray[np.bool_]:
    """Which pairs differ once their number is corrected for (proxies, proxies)."""
    pairs = np.triu_indices(len(p), k=1)
    apart = np.zeros(p.shape, dtype=bool)
    apart[pairs] = statistics.holm(p[pairs]) < LEVEL
    return apart | apart.T


def _letters(apart: NDArray[np.bool_]) -> list[str]:
    """The groups of each proxy by letter: a, b, ..., z, then aa, ab, ..."""
    found: list[list[str]] = [[] for _ in apart]
    for number, group in enumerate(cover(~apart)):
        for member in group:
            found[member].append(_letter(number))
    return [" ".join(mine) for mine in found]


def _letter(number: int) -> str:
    more, last = divmod(number, len(ascii_lowercase))
    return (_letter(more - 1) if more else "") + ascii_lowercase[last]


def _rho(cell: Cell, name: str) -> float:
    scores = cell.scores[:, cell.series(name)].T
    return mean(np.array([statistics.spearman(values, cell.accuracy) for values in scores]))
