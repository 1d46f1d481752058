"""The objective of one search: a ranker asked about each architecture once, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from builder import plan
from builder.search.rankers import Ranker
from builder.search.strategy import Spent, worth
from spaces import Architecture


class BudgetedObjective:
    """Called with architectures, it returns their values; it raises `Spent` when it may evaluate no more.

    ranker:  what says the values.
    budget:  architectures it may evaluate. seconds: time that evaluations may take; None: open.
    block:   architectures after which `record` is called: what a kill can cost.
    record:  called with this objective.
    earlier: what evaluations took before this search was interrupted, by arch_id.

    Time counts as it was recorded, so that a search that goes on ends where it would have ended.
    """

    def __init__(
        self,
        ranker: Ranker,
        budget: int,
        seconds: float | None,
        block: int,
        record: Callable[[BudgetedObjective], None],
        earlier: Mapping[str, float],
    ) -> None:
        self.evaluated: dict[Architecture, float] = {}  # seconds each, in order of evaluation
        self._ranker, self._budget, self._seconds = ranker, budget, seconds
        self._block, self._record, self._earlier = block, record, earlier
        self._unrecorded = 0

    def __call__(self, architectures: Sequence[Architecture]) -> list[float | None]:
        """Return values in order, None where the ranker failed; those asked about before cost nothing."""
        new = [a for a in dict.fromkeys(architectures) if a not in self.evaluated]
        for block in plan.blocks(new, self._block):
            some = block[: self._budget - len(self.evaluated)]
            if not some or (self._seconds is not None and self.seconds >= self._seconds):
                raise Spent
            taken = self._ranker.evaluate(some)
            for architecture, seconds in zip(some, taken, strict=True):
                self.evaluated[architecture] = self._earlier.get(architecture.arch_id, seconds)
            self._unrecorded += len(some)
            if self._unrecorded >= self._block:
                self._record(self)
                self._unrecorded = 0
            if len(some) < len(block):
                raise Spent
        return self._ranker.values(architectures, self.evaluated)

    @property
    def seconds(self) -> float:
        """What the evaluations took."""
        return sum(self.evaluated.values())

    @property
    def values(self) -> dict[Architecture, float | None]:
        """The value of every architecture evaluated, in order, as the ranker says it now."""
        asked = list(self.evaluated)
        return dict(zip(asked, self._ranker.values(asked, self.evaluated), strict=True))

    def best(self) -> Architecture | None:
        """Return the architecture of the highest value, the first of equals; None where all failed."""
        values = self.values
        found = max(values, key=lambda a: worth(values[a]), default=None)
        return None if found is None or values[found] is None else found
