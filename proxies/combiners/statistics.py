"""What combiners that choose learn of each proxy from accuracies."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from proxies.combiners.ranks import spearman
from proxies.combiners.table import Table
from proxies.errors import ProxyError

Kind = Literal["gradient-free", "gradient-based"]


def rho_by_proxy(tables: Sequence[Table]) -> dict[str, float]:
    """Return each proxy's Spearman's rho with accuracy, mean over the tables, highest first, then by name.

    Proxies that order nothing in any table, all scores being one or failed, are left out; in one table of
    several, such a proxy's rho is 0.
    Raises ProxyError where none is left.
    """
    found = {name: [spearman(t.scores[name], t.truth) for t in tables] for name in tables[0].proxies}
    known = {name: rhos for name, rhos in found.items() if not np.isnan(rhos).all()}
    if not known:
        raise ProxyError("No proxy orders the architectures: all scores, or the accuracies, are the same.")
    means = {name: float(np.nan_to_num(rhos).mean()) for name, rhos in known.items()}
    return {name: means[name] for name in sorted(means, key=lambda name: (-means[name], name))}


def best_of_kind(tables: Sequence[Table], kind: Kind, count: int) -> list[str]:
    """Return the `count` proxies of a kind of highest rho with accuracy, or as many as there are.

    Raises ProxyError where there is none.
    """
    of_kind = gradient_based if kind == "gradient-based" else gradient_free
    if not (chosen := of_kind(rho_by_proxy(tables))[:count]):
        raise ProxyError(f"No {kind} proxy orders the architectures. Score one first.")
    return chosen


def gradient_based(proxies: Iterable[str]) -> list[str]:
    """Return those that need gradients of a loss: files of `proxies/gradient_based/`, with any options."""
    return [name for name in proxies if _base(name) in _files("gradient_based")]


def gradient_free(proxies: Iterable[str]) -> list[str]:
    """Return those that need none: files of `proxies/gradient_free/` and `proxies/baselines/`.

    A proxy that is not of this package is neither of the two kinds.
    """
    free = _files("gradient_free") | _files("baselines")
    return [name for name in proxies if _base(name) in free]


def _base(name: str) -> str:
    return name.partition("[")[0]


@functools.cache
def _files(folder: str) -> frozenset[str]:
    """The proxies of a folder by their files, which are named after them; importing them needs torch."""
    home = Path(__file__).parents[1] / folder
    return frozenset(module.name for module in pkgutil.iter_modules([str(home)]))
