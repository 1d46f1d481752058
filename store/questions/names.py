"""The names a benchmark has: spaces, tasks, protocols, recipes, splits, proxies. Checked here."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from store.cells import Observations, Selection
from store.connection import Connection
from store.errors import StoreError, unknown
from store.rank import Points

# One name, several, or None for every one.
Names = str | Iterable[str] | None
# Smallest and largest parameter count, both included; None leaves a side open.
Band = tuple[float | None, float | None] | None
# An arch_id, a genome as dict or as JSON text, or anything with an attribute `arch_id`.
Architecture = str | Mapping[str, Any] | Any


class Others(TypedDict, total=False):
    """Which accuracies and scores an analysis is on, beside the task: every one as in `Benchmark.rank`."""

    protocol: str | None
    recipe: str | None
    space: str | None
    split: str
    proxies: Iterable[str] | None
    scores_from: str | None
    params: Band
    shared: bool
    band: Band
    seeds: Iterable[int] | None


SOURCES = {
    "space": ("architectures",),
    "task": ("accuracies", "scores", "layers", "searches"),
    "protocol": ("accuracies",),
    "recipe": ("accuracies",),
    "split": ("accuracies",),
    "proxy": ("scores",),
    "seed": ("scores",),
    "strategy": ("searches",),
    "ranker": ("searches",),
}


class Known:
    """The names of an opened benchmark, and the checks of what a question asks for."""

    def __init__(self, connection: Connection, ranked: dict[str, int] | None) -> None:
        self.connection = connection
        self._ranked = ranked  # draws and seed of the view `rankings`; None where there is none
        self._query = connection.query
        self._observations = Observations(connection.query)
        self._names: dict[str, list[str]] = {}
        self._points: Points = {}

    def spaces(self) -> list[str]:
        """Names of the spaces that have architectures, sorted."""
        return self._known("space")

    def tasks(self) -> list[str]:
        """Names of the tasks that have accuracies, scores, layers or searches, sorted."""
        return self._known("task")

    def protocols(self) -> list[str]:
        """Names of the protocols that have accuracies, sorted."""
        return self._known("protocol")

    def recipes(self) -> list[str]:
        """Names of the recipes that have accuracies, sorted."""
        return self._known("recipe")

    def splits(self) -> list[str]:
        """Names of the splits that have accuracies, sorted."""
        return self._known("split")

    def proxies(self) -> list[str]:
        """Names of the proxies that have scores, sorted."""
        return self._known("proxy")

    def arch_id(self, architecture: Architecture, space: str | None = None) -> str:
        """The arch_id of an architecture of this benchmark.

        architecture: its arch_id; its genome, as a dict or as JSON text, in any order of keys, 3 as good as
                      3.0; or anything with an attribute `arch_id`, as `spaces.Architecture` has
        space:        its space, needed where two spaces have this genome

        Raises StoreError when there is no such architecture here, or more than one.
        """
        name = getattr(architecture, "arch_id", architecture)
        if isinstance(name, str) and not name.lstrip().startswith("{"):
            if name not in self._identities:
                raise self._no_architecture(name)
            return name
        found = [
            (where, arch_id)
            for where, arch_id in self._genomes.get(_comparable(name), [])
            if space in (None, where)
        ]
        if not found:
            raise StoreError(
                f"No architecture here has the genome {_shown(name)}. architectures() lists all genomes."
            )
        if len(found) > 1:
            raise StoreError(
                f"Spaces {', '.join(where for where, _ in found)} have the genome {_shown(name)}. "
                "Say which with space=."
            )
        return found[0][1]

    def _no_architecture(self, name: str) -> StoreError:
        for noun in ("task", "proxy", "protocol", "space"):
            if name in self._known(noun):
                return StoreError(f"No architecture {name!r}: that is a {noun}. Write {noun}={name!r}.")
        return unknown("architecture", name, self._identities)

    @cached_property
    def _identities(self) -> dict[str, str]:
        """Space of every arch_id."""
        table = self._query("SELECT arch_id, space FROM architectures")
        return dict(zip(table["arch_id"].to_pylist(), table["space"].to_pylist(), strict=True))

    @cached_property
    def _genomes(self) -> dict[str, list[tuple[str, str]]]:
        """Space and arch_id by genome, where 3 and 3.0 are one number."""
        found: dict[str, list[tuple[str, str]]] = {}
        for row in self._query("SELECT space, arch_id, genome FROM architectures ORDER BY ALL").to_pylist():
            found.setdefault(_comparable(row["genome"]), []).append((row["space"], row["arch_id"]))
        return found

    def _known(self, noun: str) -> list[str]:
        """The names of a noun. Rows are those of the parts at opening, so that one query is enough."""
        if noun not in self._names:
            tables = " UNION ".join(f"SELECT DISTINCT {noun} FROM parts.{name}" for name in SOURCES[noun])
            self._names[noun] = self._query(f"FROM ({tables}) ORDER BY 1").column(0).to_pylist()
        return self._names[noun]

    def _checked(self, noun: str, names: Names) -> tuple[str, ...] | None:
        """The names asked for, each once, None for all. Raises StoreError for one that is not here."""
        if names is None:
            return None
        wanted = tuple(dict.fromkeys([names] if isinstance(names, str) else names))
        # Without accuracies no split is known, not even the default; the answer is then an empty table. An
        # arch_id was looked up when it was asked for.
        if noun == "arch_id" or (noun == "split" and not self._known("split")):
            return wanted
        for name in wanted:
            if name not in self._known(noun):
                raise unknown(noun, name, self._known(noun))
        return wanted

    def _one(self, noun: str, name: str | None) -> str | None:
        """The name asked for, None for all. Raises StoreError for one that is not here, and for several."""
        if name is not None and not isinstance(name, str):
            raise StoreError(f"{noun} is {_shown(name)}. Give one name, or None for all.")
        self._checked(noun, name)
        return name

    def _seeds(self, seeds: Iterable[int]) -> tuple[int, ...]:
        """The proxy seeds asked for, each once. Raises StoreError for one that no score has."""
        try:
            wanted = tuple(dict.fromkeys(seeds))
        except TypeError:
            raise StoreError(f"seeds is {_shown(seeds)}. Give several, or None for all.") from None
        known = [str(seed) for seed in self._known("seed")]
        for seed in wanted:
            if str(seed) not in known:
                raise unknown("seed", str(seed), known)
        return wanted

    def _wanted(self, **wanted: str | None) -> dict[str, Any]:
        """One name a noun, as parameters of a query, every one checked."""
        return {noun: self._one(noun, name) for noun, name in wanted.items()}

    def _rows(
        self,
        select: str,
        order: str | None,
        wanted: Mapping[str, Names],
        parameters: Mapping[str, Any] | None = None,
    ) -> pa.Table:
        """The rows of a query whose columns have the names wanted; a condition for those that are given.

        order: names of columns, with commas; None: in any order
        """
        conditions = ["true"]
        told = dict(parameters or {})
        for noun, names in wanted.items():
            if (chosen := self._checked(noun, names)) is not None:
                numbered = {f"{noun}_{place}": name for place, name in enumerate(chosen)}
                told |= numbered
                conditions.append(f"{noun} IN ({', '.join(f'${name}' for name in numbered) or 'NULL'})")
        sorting = f" ORDER BY {order}" if order else ""
        return self._query(f"{select} WHERE {' AND '.join(conditions)}{sorting}", told)

    def _selection(
        self,
        task: Names = None,
        protocol: str | None = None,
        recipe: str | None = None,
        space: str | None = None,
        split: str = "test",
        proxies: Iterable[str] | None = None,
        scores_from: str | None = None,
        params: Band = None,
        shared: bool = False,
        band: Band = None,
        seeds: Iterable[int] | None = None,
    ) -> Selection:
        """Which accuracies and scores meet, every name checked."""
        if split is None:
            raise StoreError("split is None. Name one, such as 'test': accuracies of several never meet.")
        self._wanted(protocol=protocol, recipe=recipe, space=space, split=split, task=scores_from)
        tasks, names = self._checked("task", task), self._checked("proxy", proxies)
        window = checked_band(band, params)
        chosen = None if seeds is None else self._seeds(seeds)
        return Selection(tasks, protocol, recipe, space, split, names, scores_from, window, shared, chosen)


def checked_band(band: Band, params: Band = None) -> tuple[float | None, float | None]:
    """The two ends of a band, by either of its names. Raises StoreError when nothing lies between them."""
    if band is not None and params is not None:
        raise StoreError("band and params are one thing, the window of parameter counts. Give one of them.")
    given = band if band is not None else params
    try:
        least, most = (None, None) if given is None else given
        for end in (least, most):
            float(0 if end is None else end)
    except (TypeError, ValueError):
        raise StoreError(f"The band is {_shown(given)}. Give (smallest, largest) params, or None.") from None
    if least is not None and most is not None and least > most:
        raise StoreError(f"The band ({least}, {most}) is empty. Give (smallest, largest) params.")
    return least, most


def checked_draws(draws: int, seed: int, least: int = 0) -> tuple[int, int]:
    """The number of resamples and their seed. Raises StoreError for fewer, and for a seed below 0."""
    if not _is_whole(draws) or draws < least:
        raise StoreError(f"draws is {draws}. Give {least} or more; 1000 is usual.")
    if not _is_whole(seed) or seed < 0:
        raise StoreError(f"seed is {seed}. Give a whole number of 0 or more.")
    return draws, seed


def positive(name: str, number: int) -> int:
    """The number. Raises StoreError for what is no whole number, or below 1."""
    if not _is_whole(number) or number < 1:
        raise StoreError(f"{name} is {number}. Give 1 or more.")
    return number


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _comparable(genome: Mapping[str, Any] | str) -> str:
    """One text for equal genomes: sorted keys, whole numbers as such whether they were written 3 or 3.0."""
    try:
        values = json.loads(genome) if isinstance(genome, str) else genome
        if not isinstance(values, Mapping):
            raise TypeError
        return json.dumps(_whole(values), sort_keys=True)
    except (TypeError, ValueError):
        raise StoreError(
            f"{_shown(genome)} is no architecture. Give an arch_id, or a genome as a dict or JSON text."
        ) from None


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(genome: Any) -> str:
    text = " ".join((genome if isinstance(genome, str) else repr(genome)).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
