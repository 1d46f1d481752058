"""The majority vote on pairs."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from proxies.combiners.combination import Combination
from proxies.combiners.ranks import ranks
from proxies.combiners.registry import combiner
from proxies.combiners.table import Real, Table

PAIRS = 2**22  # compared at once: 32 MB


@combiner("vote", source="Abdelfattah et al., ICLR 2021", fits=False)
def vote(
    tables: Sequence[Table], generator: np.random.Generator, *, voters: Literal["three", "all"] = "three"
) -> Combination:
    """Let proxies vote on every pair of architectures, and count the pairs that each wins.

    Formula: sum over the other architectures b of sign(sum over proxies of sign(rank(a) - rank(b))): pairs
    won less pairs lost. The voters are synflow, jacov and snip, or all proxies given for `voters=all`.
    Source: Abdelfattah et al., "Zero-cost proxies for lightweight NAS", ICLR 2021, which votes on pairs.
    Deviations: the source tells which of two is better; counting the pairs won makes a ranking of that
    (Copeland's rule).
    """
    proxies = tables[0].proxies if voters == "all" else ("synflow", "jacov", "snip")
    return Combination(proxies, pairs_won)


def pairs_won(scores: Real) -> Real:
    """Return pairs won less pairs lost by majority, of each architecture.

    scores: (architectures, proxies), higher is better

    Returns (architectures,), whole numbers within -n .. n, higher is better.
    """
    ranked = ranks(scores)
    won = np.empty(len(ranked))
    block = max(1, PAIRS // len(ranked))
    for start in range(0, len(ranked), block):
        some = ranked[start : start + block]
        votes = np.zeros((len(some), len(ranked)))
        for mine, others in zip(some.T, ranked.T, strict=True):
            votes += np.sign(mine[:, None] - others)  # (some, architectures)
        won[start : start + block] = np.sign(votes).sum(axis=1)
    return won
