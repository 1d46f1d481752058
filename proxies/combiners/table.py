"""What combiners read: the scores of one task's architectures, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proxies.errors import ProxyError

Real = NDArray[np.float64]

FEWEST = 3  # architectures below which a rank correlation says nothing


@dataclass(frozen=True, eq=False)
class Table:
    """Scores of the same architectures by several proxies, on one space and task.

    scores:     of each proxy by name, (architectures,), higher is better. One that is not finite has failed:
                that proxy ranks the architecture below all others, and the same as others that failed.
    accuracies: (architectures,), higher is better, of any unit; not finite where unknown. Only combiners that
                fit may see them.
    params:     (architectures,) numbers of parameters; only LIBRA asks for them.

    Raises ProxyError where there is no proxy, or a column is not as long as the first.
    """

    scores: Mapping[str, Real]
    accuracies: Real | None = None
    params: Real | None = None

    def __post_init__(self) -> None:
        if not self.scores:
            raise ProxyError("A table without a score cannot be combined; expected at least one proxy.")
        object.__setattr__(self, "scores", {name: _real(column) for name, column in self.scores.items()})
        for about in ("accuracies", "params"):
            if (column := getattr(self, about)) is not None:
                object.__setattr__(self, about, _real(column))
        for name, column in {
            **self.scores,
            "accuracies": self.accuracies,
            "params": self.params,
        }.items():
            if column is not None and column.shape != (len(self),):
                raise ProxyError(f"Column '{name}' has shape {column.shape}; expected ({len(self)},).")

    def __len__(self) -> int:
        return len(next(iter(self.scores.values())))

    @property
    def proxies(self) -> tuple[str, ...]:
        """Names of the proxies, in the order given."""
        return tuple(self.scores)

    @property
    def truth(self) -> Real:
        """The accuracies, (architectures,). Raises ProxyError where the table has none."""
        if self.accuracies is None:
            raise ProxyError("The table has no accuracies; a combiner that fits, and its judge, need them.")
        return self.accuracies

    @property
    def sizes(self) -> Real:
        """The numbers of parameters, (architectures,). Raises ProxyError where the table has none."""
        if self.params is None:
            raise ProxyError("The table has no params; LIBRA matches the proxies' bias to them. Give params.")
        return self.params

    def matrix(self, proxies: Iterable[str]) -> Real:
        """Return the scores of these proxies, (architectures, proxies).

        Raises ProxyError for one that the table does not have.
        """
        wanted = list(proxies)
        if missing := [name for name in wanted if name not in self.scores]:
            raise ProxyError(
                f"No scores by {', '.join(missing)}; expected {', '.join(wanted)}. Score them first."
            )
        return np.column_stack([self.scores[name] for name in wanted])

    def rows(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Table:
        """Return the table of some architectures, by mask or by place."""
        accuracies = None if self.accuracies is None else self.accuracies[kept]
        params = None if self.params is None else self.params[kept]
        return Table({name: column[kept] for name, column in self.scores.items()}, accuracies, params)

    def only(self, proxies: Iterable[str]) -> Table:
        """Return the table of these proxies. Raises ProxyError for one that is not in it."""
        wanted = list(proxies)
        return replace(self, scores=dict(zip(wanted, self.matrix(wanted).T, strict=True)))

    def blind(self) -> Table:
        """Return the table without its accuracies."""
        return replace(self, accuracies=None)

    def trained(self) -> Table:
        """Return the table of the architectures whose accuracy is known.

        Raises ProxyError where these are fewer than 3.
        """
        known = np.isfinite(self.truth)
        if known.sum() < FEWEST:
            raise ProxyError(f"{known.sum()} architectures have an accuracy; expected at least {FEWEST}.")
        return self.rows(known)


def _real(column: ArrayLike) -> Real:
    return np.asarray(column, dtype=np.float64)
