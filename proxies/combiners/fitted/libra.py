"""LIBRA: three proxies, the best, the one most alike, and the one biased as accuracy is."""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from proxies.combiners.combination import Choice, Combination
from proxies.combiners.information import Binning, information_gain
from proxies.combiners.ranks import MERGES, Merge, spearman
from proxies.combiners.registry import combiner
from proxies.combiners.statistics import rho_by_proxy
from proxies.combiners.table import Table
from proxies.errors import ProxyError

STEP = 0.05  # by which a window without enough candidates is widened
DIGITS = 12  # closer values are ties

_log = logging.getLogger(__name__)

Second = Literal["least", "most"]
Third = Literal["matching", "smallest", "random", "none"]


@combiner("libra", source="Casarin et al., CVPR 2025, Algorithm 1", fits=True)
def libra(
    tables: Sequence[Table],
    generator: np.random.Generator,
    *,
    binning: Binning = "equal_width",
    merge: Merge = "log_rank_sum",
    window: float = 0.1,
    second: Second = "least",
    third: Third = "matching",
) -> Combination:
    """Choose three proxies by rho, information gain and bias, and merge them.

    Formula: the first, z1, has the highest Spearman's rho with accuracy. Candidates are the others with
    rho(z1) - window < rho <= rho(z1). z2 is the candidate of least information gain
    H(y | z1) - H(y | z1, z); z3 the one of the rest whose bias is closest to accuracy's, bias being
    Spearman's rho with the number of parameters. The three are merged by `merge`.
    Source: Casarin, Escalera, Lanz, "L-SWAG", CVPR 2025, Algorithm 1; entropies of NAS-Bench-Suite-Zero.
    Deviations: the paper leaves open what happens when nobody is left within the window: here it is widened
    by 0.05 until somebody is, for z2 and again for z3, which is logged and told in `Choice`. It leaves open
    how the three are merged: `merge=log_rank_sum` as AZ-NAS, or `rank_sum`. Ties go to the higher rho, then
    to the name. On several tables, rho, gain and distance of biases are means over them.
    Invariance: rho, bias and merge see ranks alone. The gain by `binning=equal_width`,
    NAS-Bench-Suite-Zero's, sees values: a monotone transform of a proxy can change the choice.
    `binning=equal_count`, two to eight bins of equal count with Miller and Madow's correction, is free of it.
    Ablations: `second=most` takes the candidate of most gain, `window=2` makes every proxy a candidate;
    `third=smallest` takes the candidate of smallest |bias|, `third=random` any proxy left, `third=none` none.
    """
    rho = rho_by_proxy(tables)
    first, *others = rho
    if not 0 < window <= 2:
        raise ProxyError(f"A window of rho is above 0 and at most 2; got window = {window:g}.")
    candidates, ended = _within(window, rho, others, 1)
    gain = {name: _mean_gain(tables, first, name, binning) for name in candidates}
    chosen = [first, *_extreme(gain, 1 if second == "least" else -1)]
    if third == "random":
        left = sorted(set(others) - set(chosen))
        chosen += [str(generator.choice(left))] if left else []
    elif third != "none":
        candidates, ended = _within(ended, rho, others, 2)
        left = [name for name in candidates if name not in chosen]
        chosen += _extreme({name: _mean_distance(tables, name, third == "matching") for name in left}, 1)
    bias = {name: _mean_bias(tables, name) for name in rho}
    of_accuracy = float(np.mean([_bias(table, table.truth) for table in tables]))
    choice = Choice(ended, ended > window, tuple(candidates), rho, gain, bias, of_accuracy)
    return Combination(tuple(chosen), MERGES[merge], choice)


def _within(
    window: float, rho: Mapping[str, float], others: list[str], needed: int
) -> tuple[list[str], float]:
    """Those close enough to the best, and the window that holds as many as needed, or all there are."""
    best = max(rho.values())
    steps = 0
    while True:
        ended = window + steps * STEP
        found = [name for name in others if rho[name] > best - ended]
        if len(found) >= min(needed, len(others)):
            break
        steps += 1
    if steps:
        _log.info("libra: window widened from %g to %g to hold %d candidates", window, ended, needed)
    return found, round(ended, DIGITS)


def _extreme(values: Mapping[str, float], sign: int) -> list[str]:
    """The proxy of the smallest value, or for -1 the largest; the first of those that tie; none of none."""
    return [min(values, key=lambda name: sign * round(values[name], DIGITS))] if values else []


def _mean_gain(tables: Sequence[Table], first: str, name: str, binning: Binning) -> float:
    gains = [information_gain(t.truth, t.scores[first], t.scores[name], binning) for t in tables]
    return float(np.mean(gains))


def _mean_bias(tables: Sequence[Table], name: str) -> float:
    return float(np.mean([_bias(table, table.scores[name]) for table in tables]))


def _mean_distance(tables: Sequence[Table], name: str, matching: bool) -> float:
    """How far a proxy's bias lies from accuracy's, or from none."""
    wanted = [_bias(table, table.truth) if matching else 0.0 for table in tables]
    biases = [_bias(table, table.scores[name]) for table in tables]
    return float(np.mean(np.abs(np.subtract(wanted, biases))))


def _bias(table: Table, values: np.ndarray) -> float:
    """Spearman's rho with the number of parameters, 0 where either orders nothing."""
    return float(np.nan_to_num(spearman(values, table.sizes)))
