"""What orders the candidates of a search: a proxy, a combiner of proxies, or the table's own accuracy."""

from __future__ import annotations

import difflib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import proxies
import spaces
from builder import plan
from builder.errors import BuilderError
from builder.plan import quoted
from builder.provenance import Run
from builder.scoring import mini_batches, refuse_to_mix, score_rows, task_of
from builder.seeds import derive_seed
from builder.settings import Settings
from proxies import combiners
from spaces import Architecture
from store import Benchmark, StoreError
from store.location import is_there
from store.write import part_name, write_part

ACCURACY = "accuracy"

# (architectures, proxies), NaN where a score failed -> (architectures,), higher is better
Merge = Callable[[np.ndarray], np.ndarray]


class Ranker(ABC):
    """Says what candidates are worth; `name` is its own name."""

    name: str

    @abstractmethod
    def evaluate(self, architectures: Sequence[Architecture]) -> list[float]:
        """Find out what is needed of each architecture; return the seconds that each took."""

    @abstractmethod
    def values(
        self, architectures: Sequence[Architecture], population: Collection[Architecture]
    ) -> list[float | None]:
        """Return a value for each architecture, higher is better; None where it failed.

        population: all that were evaluated; a combiner ranks among them.
        """

    def flush(self) -> None:  # noqa: B027 - most have nothing to keep
        """Write what was found out and not written yet."""


class ByAccuracy(Ranker):
    """Orders by known accuracies: what a perfect proxy would do."""

    name = ACCURACY

    def __init__(self, accuracies: Mapping[str, float]) -> None:
        self._accuracies = accuracies

    def evaluate(self, architectures: Sequence[Architecture]) -> list[float]:
        """Return zeros: they are known."""
        return [0.0] * len(architectures)

    def values(
        self, architectures: Sequence[Architecture], population: Collection[Architecture]
    ) -> list[float | None]:
        """Return accuracies, 0..1."""
        return [self._accuracies.get(architecture.arch_id) for architecture in architectures]


class ByProxies(Ranker):
    """Orders by scores as job=score computes them: those in the table are read, new ones written there.

    name:     of the ranker.
    names:    proxies it reads, by their own names.
    merge:    makes one number of several proxies; None where there is one.
    settings: space, task, and of the scores batch size and seeds, over which the mean is taken.
    """

    def __init__(
        self, name: str, names: Sequence[str], merge: Merge | None, settings: Settings, run: Run
    ) -> None:
        self.name, self.names = name, list(names)
        self._merge, self._settings, self._run = merge, settings, run
        self._task = task_of(settings, run)
        self._needed = proxies.batches_needed(self.names)
        self._batches: dict[int, list[Any]] = {}
        self._rows: dict[int, list[dict[str, Any]]] = {seed: [] for seed in settings.score.seeds}
        self._architectures: list[dict[str, Any]] = []
        self._scores, self._seconds = self._known()

    def evaluate(self, architectures: Sequence[Architecture]) -> list[float]:
        """Score each architecture by what the table lacks."""
        for architecture in architectures:
            for seed in self._settings.score.seeds:
                lacking = [
                    name for name in self.names if (architecture.arch_id, name, seed) not in self._scores
                ]
                if lacking:
                    self._score(architecture, lacking, seed)
            self._architectures.append(self._row(architecture))
        return [self._seconds.get(architecture.arch_id, 0.0) for architecture in architectures]

    def values(
        self, architectures: Sequence[Architecture], population: Collection[Architecture]
    ) -> list[float | None]:
        """Return mean scores, or what the merge makes of them among the population."""
        if self._merge is None:
            found = [self._mean(architecture, self.names[0]) for architecture in architectures]
            return [None if np.isnan(value) else value for value in found]
        known = list(population)
        matrix = np.array([[self._mean(a, name) for name in self.names] for a in known])
        merged = dict(zip(known, self._merge(matrix).tolist(), strict=True)) if known else {}
        failed = {a for a, row in zip(known, matrix, strict=True) if np.isnan(row).all()}
        return [None if a in failed else merged[a] for a in architectures]

    def flush(self) -> None:
        """Write the new scores as part files, and before them the architectures that the table lacks."""
        space, task = self._settings.space.name, self._settings.task.name
        architectures = plan.missing(self._run.root, "architectures", self._architectures)
        if architectures:
            keys = [row["arch_id"] for row in architectures]
            write_part(self._run.root, "architectures", architectures, part_name(space, "search", keys=keys))
        self._architectures.clear()
        for seed, rows in self._rows.items():
            if rows:
                keys = [(row["arch_id"], row["proxy"]) for row in rows]
                write_part(self._run.root, "scores", rows, part_name(space, task, f"seed{seed}", keys=keys))
                rows.clear()

    def _row(self, architecture: Architecture) -> dict[str, Any]:
        space = spaces.get(architecture.space)
        return {
            "arch_id": architecture.arch_id,
            "space": architecture.space,
            "genome": architecture.genome,
            "params": space.params(architecture),
            "macs": space.macs(architecture),
            "sample_seed": None,
            "sample_index": None,
            "run_id": self._run.id,
        }

    def _score(self, architecture: Architecture, lacking: list[str], seed: int) -> None:
        wanted = self._settings.score
        if seed not in self._batches:
            self._batches[seed] = mini_batches(
                self._task,
                self._needed,
                wanted.batch_size,
                seed,
                self._run.device,
                noise=not proxies.look_at_images(self.names),
            )
        started = time.monotonic()
        rows = score_rows(architecture, lacking, self._batches[seed], self._task, seed, self._run, wanted)
        taken = time.monotonic() - started
        self._rows[seed] += rows
        for row in rows:
            self._scores[architecture.arch_id, row["proxy"], seed] = row["value"]
        self._seconds[architecture.arch_id] = self._seconds.get(architecture.arch_id, 0.0) + taken

    def _mean(self, architecture: Architecture, name: str) -> float:
        """Return the mean over seeds, NaN where one of them failed."""
        found = [self._scores[architecture.arch_id, name, seed] for seed in self._settings.score.seeds]
        return float(np.mean([math.nan if score is None else score for score in found]))

    def _known(self) -> tuple[dict[tuple[str, str, int], float | None], dict[str, float]]:
        """Return the scores in the table by (arch_id, proxy, seed), and their prices summed by arch_id."""
        if not is_there(self._run.root / "scores"):
            return {}, {}
        failed = "AND status = 'ok'" if self._settings.retry_failed else ""
        with plan.opened(self._run.root, self._settings.space.name, "architectures", "scores") as benchmark:
            refuse_to_mix(self._settings, benchmark, self._settings.score.seeds)
            rows = benchmark.sql(
                f"""SELECT arch_id, proxy, seed, value, coalesce(seconds, 0) AS seconds FROM scores
                WHERE task = {quoted(self._settings.task.name)} {failed}
                  AND proxy IN ({", ".join(map(quoted, self.names))})
                  AND seed IN ({", ".join(map(str, self._settings.score.seeds))})"""
            ).to_pylist()
        prices: dict[str, float] = {}
        for row in rows:
            prices[row["arch_id"]] = prices.get(row["arch_id"], 0.0) + row["seconds"]
        return {(row["arch_id"], row["proxy"], row["seed"]): row["value"] for row in rows}, prices


def ranker(name: str, settings: Settings, run: Run, accuracies: Mapping[str, float]) -> Ranker:
    """Return the ranker of a name: accuracy, a proxy, or a combiner of `proxies.names`.

    accuracies: known ones by arch_id, 0..1.

    Raises BuilderError where there is no such proxy or combiner, or nothing to search by.
    """
    if name == ACCURACY:
        if settings.search.among != "table":
            raise BuilderError(
                "search.rankers: accuracy is known of the table's architectures alone. "
                "Add search.among=table."
            )
        if not accuracies:
            raise BuilderError(
                f"search.rankers: no accuracies of {settings.space.name} on {settings.task.name} "
                f"in {run.root}. Run job=accuracy first, or search by a proxy."
            )
        return ByAccuracy(accuracies)
    if name.partition("[")[0] in proxies.names():
        own = proxies.get(name).name
        return ByProxies(own, [own], None, settings, run)
    own, names, merge = _combination(name, settings, run)
    return ByProxies(own, names, merge, settings, run)


def _combination(name: str, settings: Settings, run: Run) -> tuple[str, tuple[str, ...], Merge]:
    """Return a combiner's own name, the proxies it reads, and how it merges them.

    One that looks at accuracies is fitted on the scores and accuracies of an earlier benchmark.
    """
    if name.partition("[")[0] not in combiners.names():
        raise BuilderError(_unknown(name, [ACCURACY, *combiners.names(), *proxies.names()]))
    combiner, wanted = combiners.get(name), proxies.resolve(settings.proxies.names)
    if combiner.fits:
        table = _earlier(settings, run, wanted)
    else:  # it asks for no more than the proxies there are
        table = combiners.Table({proxy: np.empty(0) for proxy in wanted})
    draws = np.random.default_rng(derive_seed("search", combiner.name, settings.score.seeds))
    combination = combiner.fit([table], draws)
    print(f"search: {combiner.name} reads {', '.join(combination.proxies)}")
    return combiner.name, combination.proxies, combination.merge


def _earlier(settings: Settings, run: Run, wanted: Sequence[str]) -> combiners.Table:
    """Return the scores, accuracies and params of an earlier benchmark."""
    root, task = Path(settings.search.fitted_on or run.root), settings.task.name
    with Benchmark.open(root) as benchmark:
        protocol, recipe = protocol_and_recipe(benchmark, settings)
        scored = [name for name in wanted if name in benchmark.proxies()]
        try:
            columns = benchmark.for_combiners(
                task, protocol=protocol, recipe=recipe, space=settings.space.name, proxies=scored
            )
        except StoreError as error:
            raise BuilderError(
                f"search.rankers: nothing to fit a combiner on in {root}: {error} Run job=accuracy and "
                "job=score there, or name another benchmark with search.fitted_on=."
            ) from None
    return combiners.Table(**columns)


def protocol_and_recipe(benchmark: Benchmark, settings: Settings) -> tuple[str | None, str | None]:
    """Return the protocol and recipe of the accuracies to use, both None where there are none.

    Raises BuilderError when several could be meant, or the one that is named has none.
    """
    wanted = settings.search
    found = benchmark.sql(
        f"""SELECT DISTINCT protocol, recipe FROM final_accuracies
        WHERE space = {quoted(settings.space.name)} AND task = {quoted(settings.task.name)}
          AND split = 'test' AND accuracy IS NOT NULL ORDER BY ALL"""
    ).to_pylist()
    fitting = [
        (row["protocol"], row["recipe"])
        for row in found
        if wanted.protocol in (None, row["protocol"]) and wanted.recipe in (None, row["recipe"])
    ]
    there = ", ".join(f"{row['protocol']} ({row['recipe']})" for row in found) or "none"
    if len(fitting) > 1:
        raise BuilderError(
            f"Accuracies of {settings.space.name} on {settings.task.name} are by {there}. "
            "Say which with search.protocol= and search.recipe=."
        )
    if not fitting and (wanted.protocol or wanted.recipe):
        raise BuilderError(
            f"No accuracies of {settings.space.name} on {settings.task.name} by {wanted.protocol or 'any'} "
            f"({wanted.recipe or 'any'}) in {benchmark.path}, but {there}."
        )
    return fitting[0] if fitting else (None, None)


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
    return f"search.rankers: '{name}' is no proxy, no combiner and not accuracy. {hint}"
