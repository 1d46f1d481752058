"""What each job is told beside the space, the task and the protocol."""

from __future__ import annotations

from dataclasses import dataclass

from builder.errors import BuilderError
from builder.settings.checks import at_least, seeds


@dataclass
class ProxySettings:
    """Which proxies, with their options in brackets; the word `all` means every one of the registry.

    interval: tenths of the depth, as in "3-7", for names that refer to it.
    """

    names: list[str]
    interval: str = "0-9"

    def __post_init__(self) -> None:
        """Refuse an empty list, which would score nothing and say nothing."""
        if not self.names:
            raise BuilderError("proxies.names is empty. Name some, or take proxies=all.")


@dataclass
class SampleSettings:
    """How many architectures, drawn with which seed, within which numbers of parameters.

    importer: draw among the networks that a source scored; path: local copy of its file, or a folder.
    """

    n: int
    seed: int
    params_low: float | None = None
    params_high: float | None = None
    importer: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        at_least(1, "sample.", n=self.n)
        seeds("sample.seed", self.seed)


@dataclass
class AccuracySettings:
    """Training seeds, how many architectures (null: all), and how many a part file holds (null: ten minutes).

    curve_epochs: epochs between two points of a learning curve; null: the end alone.
    workers:      processes that train architectures side by side.
    """

    seeds: list[int]
    architectures: int | None
    block: int | None
    checkpoint_seconds: float
    evaluation_batch_size: int
    curve_epochs: int | None
    workers: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        sizes = {"block": self.block, "evaluation_batch_size": self.evaluation_batch_size}
        at_least(1, "accuracy.", architectures=self.architectures, **sizes)
        at_least(1, "accuracy.", curve_epochs=self.curve_epochs, workers=self.workers)
        at_least(0, "accuracy.", checkpoint_seconds=self.checkpoint_seconds)
        seeds("accuracy.seeds", *self.seeds)
        at_least(1, "the number of ", **{"accuracy.seeds": len(self.seeds)})


@dataclass
class ScoreSettings:
    """Seeds, mini-batch, how many architectures (null: all), how many a part file holds (null: ten minutes).

    memory_gib: bound on what a forward pass keeps for the backward passes; null: none.
    importer:   a source of published scores to import, and nothing is computed; path: local file, or folder.
    """

    seeds: list[int]
    batch_size: int
    architectures: int | None
    block: int | None
    memory_gib: float | None
    importer: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        at_least(1, "score.", batch_size=self.batch_size, architectures=self.architectures, block=self.block)
        at_least(1, "the number of ", **{"score.seeds": len(self.seeds)})
        seeds("score.seeds", *self.seeds)
        if self.memory_gib is not None and not self.memory_gib > 0:
            raise BuilderError(f"score.memory_gib is {self.memory_gib}; expected a number above 0, or null.")


@dataclass
class LayersSettings:
    """Whose layers are measured, with which seeds; on which half of the accuracies an interval is fitted.

    architectures: only the first so many; null: all. block: in a part file; null: ten minutes of them.
    draws:         bootstrap draws of the interval around rho. halves_seed: of the halves, and of the draws.
    """

    seeds: list[int]
    architectures: int | None
    block: int | None
    draws: int
    halves_seed: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        at_least(1, "layers.", architectures=self.architectures, block=self.block, draws=self.draws)
        at_least(0, "layers.", halves_seed=self.halves_seed)
        at_least(1, "the number of ", **{"layers.seeds": len(self.seeds)})


@dataclass
class SearchSettings:
    """What is searched how: every strategy by every ranker, once a seed, with random search beside it.

    strategies: with their options in brackets, as in "evolution[population=20]".
    rankers:    proxies, combiners of `proxies.names`, or accuracy.
    budget:     architectures a search may evaluate. seconds: time its evaluations may take; null: open.
    among:      candidates from the whole `space`, or only the architectures of the `table`.
    protocol, recipe: of the accuracies to search by and to report; null: the only ones there.
    fitted_on:  root of the benchmark that combiners which look at accuracies are fitted on; null: this one.
    draws:      bootstrap draws of the interval around the gain over random search.
    """

    strategies: list[str]
    rankers: list[str]
    budget: int
    seconds: float | None
    seeds: list[int]
    among: str
    protocol: str | None
    recipe: str | None
    fitted_on: str | None
    draws: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        at_least(1, "search.", budget=self.budget, draws=self.draws)
        if self.seconds is not None and not self.seconds > 0:
            raise BuilderError(f"search.seconds is {self.seconds}; expected a number above 0, or null.")
        if self.among not in ("space", "table"):
            raise BuilderError(f"search.among is '{self.among}', expected space or table.")
        for name in ("strategies", "rankers", "seeds"):
            at_least(1, "the number of ", **{f"search.{name}": len(getattr(self, name))})


@dataclass
class RetrySettings:
    """Which failed rows job=retry takes out: those with this status, task, proxy, and text in their message.

    Null: any.
    """

    status: str | None
    task: str | None
    proxy: str | None
    message: str | None


@dataclass
class RankSettings:
    """Bootstrap draws and their seed; whose scores; whether on the architectures all proxies scored."""

    draws: int
    seed: int
    scores_from: str | None
    shared: bool

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        at_least(1, "rank.", draws=self.draws)
        seeds("rank.seed", self.seed)


@dataclass
class ReleaseSettings:
    """Version of the release, its folder (null: beside root), and the release before it, to compare with."""

    version: str | None
    target: str | None
    previous: str | None
