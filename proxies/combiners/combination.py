"""What a combiner makes of tables: which proxies it uses, and how it merges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxies.combiners.table import Real, Table


@dataclass(frozen=True)
class Choice:
    """Why LIBRA chose its proxies; numbers by proxy are means over the tables it saw.

    window:           how far below the highest rho it looked in the end.
    widened:          whether that is further than it was told to.
    candidates:       proxies within that window, highest rho first, without the best one.
    rho:              Spearman's rho with accuracy; proxies that order nothing have none.
    gain:             bits told about accuracy beyond the best proxy, by those that could be second: see
                      information.py.
    bias:             Spearman's rho of the proxy with the number of parameters.
    bias_of_accuracy: the same of accuracy.
    """

    window: float
    widened: bool
    candidates: tuple[str, ...]
    rho: Mapping[str, float]
    gain: Mapping[str, float]
    bias: Mapping[str, float]
    bias_of_accuracy: float


@dataclass(frozen=True)
class Combination:
    """A way to make one ranking of any architectures that these proxies have scored.

    proxies: those it reads, in the order of choice.
    merge:   takes their scores, (architectures, proxies), not finite where failed, and returns one number an
             architecture, (architectures,), higher is better. It depends on which architectures it sees
             together.
    choice:  why LIBRA chose these.
    """

    proxies: tuple[str, ...]
    merge: Callable[[Real], Real]
    choice: Choice | None = None

    def rank(self, table: Table) -> Real:
        """Return one number an architecture, (architectures,), higher is better; its unit means nothing.

        Raises ProxyError where the table lacks one of the proxies.
        """
        return self.merge(table.matrix(self.proxies))
