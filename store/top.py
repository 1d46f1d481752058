"""What a search would find that trains the architectures a proxy puts on top: regret and nDCG."""

import numpy as np
import pyarrow as pa

from store.analysis import SCORES_FROM, SEEDS, N
from store.cells import CELL, Observations, Selection, as_table, fewest, mean
from store.schema import REAL, TEXT, WHOLE, column
from store.statistics import Real

TOP = pa.schema(
    [
        *CELL,
        column("proxy", TEXT, "name", "zero-cost proxy"),
        column("k", WHOLE, "count", "architectures taken from the top of the proxy's order"),
        column(
            "regret",
            REAL,
            "fraction",
            "best accuracy of all architectures less the best of those k; 0 is best",
            nullable=True,
        ),
        column("regret_by_chance", REAL, "fraction", "the same for k drawn at random, expected"),
        column("accuracy", REAL, "fraction", "mean accuracy of those k", nullable=True),
        column(
            "overlap", REAL, "fraction", "of those k: how many are as good as the k-th best", nullable=True
        ),
        column("overlap_by_chance", REAL, "fraction", "the same for k drawn at random, expected"),
        column(
            "ndcg",
            REAL,
            "0..1",
            "nDCG at k with the gain (accuracy - worst) / (best - worst); null where all are alike",
            nullable=True,
        ),
        column("ndcg_by_chance", REAL, "0..1", "the same for a random order, expected", nullable=True),
        column(
            "ndcg_of_accuracy",
            REAL,
            "0..1",
            "nDCG at k with the accuracy itself as gain, as published; near 1 for any order of good networks",
            nullable=True,
        ),
        N,
        SEEDS,
        SCORES_FROM,
    ]
)


def top(observations: Observations, selection: Selection, sizes: tuple[int, ...]) -> pa.Table:
    """What is on top of every proxy's order; see Benchmark.top. Returns a table of schema TOP."""
    rows = []
    for cell in observations.cells(selection):
        any_order = np.zeros(len(cell.accuracy))
        by_chance = {k: measures(any_order, cell.accuracy, k) for k in sizes if k <= len(any_order)}
        known = np.isfinite(cell.scores).sum(axis=0)
        for name in cell.names(selection):
            mine = cell.series(name)
            for k, chance in by_chance.items():
                found = [measures(scores, cell.accuracy, k) for scores in cell.scores[:, mine].T]
                rows.append(
                    cell.about
                    | {key: mean(np.array([one[key] for one in found])) for key in chance}
                    | {f"{key}_by_chance": chance[key] for key in ("regret", "overlap", "ndcg")}
                    | {"proxy": name, "k": k, "n": fewest(known[mine]), "seeds": len(mine)}
                )
    return as_table(rows, TOP)


def measures(scores: Real, accuracy: Real, k: int) -> dict[str, float]:
    """What the k highest scores find, as in TOP; where a tie is cut, the expectation over its orders.

    scores:   (rows,) of any unit, higher is better; NaN where there is none: it is never taken
    accuracy: (rows,) fractions 0..1
    k:        1 or more

    Returns NaN for all where fewer than k have a score.
    """
    if np.isfinite(scores).sum() < k:
        return dict.fromkeys(("regret", "accuracy", "overlap", "ndcg", "ndcg_of_accuracy"), float("nan"))
    best, worst = float(accuracy.max()), float(accuracy.min())
    taken = at_places(scores, np.ones(k))
    as_good = accuracy >= np.sort(accuracy)[-k]
    gain = (accuracy - worst) / (best - worst) if best > worst else np.zeros(len(accuracy))
    return {
        "regret": _regret(taken, accuracy),
        "accuracy": float(taken @ accuracy) / k,
        "overlap": float(taken[as_good].sum()) / k,
        "ndcg": ndcg(scores, gain, k),
        "ndcg_of_accuracy": ndcg(scores, accuracy, k),
    }


def ndcg(scores: Real, gain: Real, k: int) -> float:
    """Normalised discounted cumulative gain of the k highest scores.

    scores: (rows,) higher is better; NaN where there is none
    gain:   (rows,) 0 or more: what each row is worth at place 1; place j counts 1 / log2(1 + j) of it

    Returns 0..1, 1 when the first k places hold the highest gains in order; NaN where no row has a gain.
    Equal scores share their places. Source: Jarvelin and Kekalainen 2002; for proxies Tybl and Neumann, CVPR
    2025, whose code takes the accuracy as gain.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = float(at_places(gain, discount) @ gain)
    return float(at_places(scores, discount) @ gain) / ideal if ideal > 0 else float("nan")


def at_places(scores: Real, worth: Real) -> Real:
    """What each row gets when the highest score gets worth[0], the next worth[1], and the rest nothing.

    scores: (rows,); NaN gets nothing. Equal ones get the mean of their places
    worth:  (places,), no more than there are scores
    """
    given = np.zeros(len(scores))
    known = np.flatnonzero(np.isfinite(scores))
    _, group, counts = np.unique(-scores[known], return_inverse=True, return_counts=True)
    reached = np.concatenate([[0.0], np.cumsum(worth), np.full(len(known) - len(worth), worth.sum())])
    ends = np.cumsum(counts)
    given[known] = ((reached[ends] - reached[ends - counts]) / counts)[group]
    return given


def _regret(taken: Real, accuracy: Real) -> float:
    """The best accuracy less the best of those taken, each with chance 1 or, in the tie at the edge, less."""
    best, surest = accuracy.max(), accuracy[taken >= 1].max(initial=-np.inf)
    tied = np.sort(accuracy[(taken > 0) & (taken < 1)])[::-1]
    if not len(tied):
        return float(best - surest)
    drawn = round(float(taken[(taken > 0) & (taken < 1)].sum()))
    # Drawn without replacement: the best is the i-th when no better one was drawn, and it was.
    among = np.arange(len(tied), 0, -1)
    here = np.minimum(drawn / among, 1.0)
    chance = here * np.concatenate([[1.0], np.cumprod(1 - here)[:-1]])
    return float(chance @ (best - np.maximum(tied, surest)))
