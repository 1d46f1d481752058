"""Accuracies and the scores that meet them: a cell is one ranking's numbers, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.schema import TEXT, column
from store.statistics import Real

# query(sql, parameters, tables): one statement that may name the given Arrow tables
Query = Callable[[str, dict[str, Any], dict[str, pa.Table]], pa.Table]

CELL = [
    column("space", TEXT, "name", "search space", nullable=True),
    column("task", TEXT, "name", "task whose accuracies are ordered"),
    column("protocol", TEXT, "name", "how the weights were got; never mixed"),
    column("recipe", TEXT, "name", "training recipe; never mixed"),
]

# A ranking's architectures come by arch_id, so that resamples do not depend on the order of rows in files.
ACCURACIES = """
SELECT space, task, protocol, recipe, arch_id, params, accuracy + 0.0 AS accuracy
FROM final_accuracies LEFT JOIN (SELECT arch_id, params FROM architectures) USING (arch_id)
WHERE isfinite(accuracy) AND split = $split
ORDER BY space, task, protocol, recipe, arch_id
"""

# Adding 0.0 makes -0.0 and 0.0 one value.
SCORES = """
SELECT arch_id, proxy, seed, CASE WHEN isfinite(value) THEN value + 0.0 END AS value,
       CASE WHEN isfinite(value) THEN seconds END AS seconds
FROM scores WHERE task = $task
"""


@dataclass(frozen=True)
class Selection:
    """Which accuracies and which scores meet. None: all of them; every space, task, protocol, recipe apart.

    params: smallest and largest parameter count, both included; None leaves that side open
    shared: only architectures that every one of the proxies scored in every seed
    seeds:  only these proxy seeds
    """

    tasks: tuple[str, ...] | None = None
    protocol: str | None = None
    recipe: str | None = None
    space: str | None = None
    split: str = "test"
    proxies: tuple[str, ...] | None = None
    scores_from: str | None = None
    params: tuple[float | None, float | None] = (None, None)
    shared: bool = False
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Cell:
    """One ranking's numbers, of one space, task, protocol and recipe. Rows are architectures by arch_id.

    accuracy, params: (rows,)
    scores:           (rows, series), NaN where a proxy failed or has no row
    proxies, seeds:   (series,) by proxy and seed
    arch_ids:         (rows,)
    there:            (rows, series), whether there is a row of the score, failed or not
    seconds:          (rows, series), NaN where there is no score
    """

    about: dict[str, Any]
    accuracy: Real
    params: Real
    scores: Real
    proxies: np.ndarray
    seeds: np.ndarray
    arch_ids: np.ndarray
    there: NDArray[np.bool_]
    seconds: Real

    def series(self, proxy: str, seed: int | None = None) -> np.ndarray:
        """Positions of the proxy's series, one a seed; of one seed alone if it is given."""
        return np.flatnonzero((self.proxies == proxy) & ((seed is None) | (self.seeds == seed)))

    def names(self, selection: Selection) -> list[str]:
        """The proxies asked for, or all that have scores here, sorted."""
        return sorted(set(self.proxies.tolist()) if selection.proxies is None else selection.proxies)


@dataclass(frozen=True)
class _Accuracies:
    """All accuracies of one ranking, by arch_id; each (rows,)."""

    about: dict[str, str | None]
    arch_ids: np.ndarray
    accuracy: Real
    params: Real


@dataclass(frozen=True)
class _Scores:
    """All scores on one task's images: arch_ids (rows,), proxies and seeds (series,), the rest as in Cell."""

    arch_ids: np.ndarray
    proxies: np.ndarray
    seeds: np.ndarray
    values: Real
    there: NDArray[np.bool_]
    seconds: Real


class Observations:
    """The accuracies and scores of a benchmark, read once and kept as arrays; a question cuts its cells out.

    A task's scores take 17 bytes for every architecture, proxy and seed. They are read when first asked for.
    """

    def __init__(self, query: Query) -> None:
        self.query = query
        self._accuracies: dict[str, list[_Accuracies]] = {}
        self._scores: dict[str, _Scores] = {}
        self._reading = Lock()

    def cells(self, selection: Selection) -> list[Cell]:
        """The cells of a selection by space, task, protocol and recipe; none without an architecture."""
        found = []
        for accuracies in self._accuracies_of(selection.split):
            if _is_meant(accuracies.about, selection):
                scores = self._scores_of(selection.scores_from or str(accuracies.about["task"]))
                cell = _cut(accuracies, scores, selection)
                if len(cell.accuracy):
                    found.append(cell)
        return found

    def _accuracies_of(self, split: str) -> list[_Accuracies]:
        with self._reading:
            if split not in self._accuracies:
                self._accuracies[split] = _rankings(self.query(ACCURACIES, {"split": split}, {}))
            return self._accuracies[split]

    def _scores_of(self, task: str) -> _Scores:
        with self._reading:
            if task not in self._scores:
                self._scores[task] = _spread(self.query(SCORES, {"task": task}, {}))
            return self._scores[task]


def _rankings(table: pa.Table) -> list[_Accuracies]:
    """Rows of ACCURACIES, those of each ranking together."""
    names = [field.name for field in CELL]
    values = {name: reals(table, name) for name in ("accuracy", "params")}
    arch_ids = np.array(table["arch_id"].to_pylist(), dtype=object)
    keys = list(zip(*(table[name].to_pylist() for name in names), strict=True))
    found, start = [], 0
    for key, group in groupby(keys):
        rows = slice(start, start + len(list(group)))
        start = rows.stop
        about = dict(zip(names, key, strict=True))
        found.append(_Accuracies(about, arch_ids[rows], values["accuracy"][rows], values["params"][rows]))
    return found


def _spread(table: pa.Table) -> _Scores:
    """Rows of SCORES as matrices: a row an architecture, a column a proxy and seed."""
    arch_ids, row = _numbered(table, "arch_id")
    proxies, proxy = _numbered(table, "proxy")
    seeds, seed = np.unique(table["seed"].to_numpy(), return_inverse=True)
    pair = proxy * len(seeds) + seed
    used = np.flatnonzero(np.bincount(pair, minlength=len(proxies) * len(seeds)))
    column = np.searchsorted(used, pair)
    shape = len(arch_ids), len(used)
    there = np.zeros(shape, dtype=bool)
    there[row, column] = True
    numbers = {}
    for name in ("value", "seconds"):
        numbers[name] = np.full(shape, np.nan)
        numbers[name][row, column] = reals(table, name)
    of_proxy, of_seed = np.divmod(used, max(1, len(seeds)))
    return _Scores(arch_ids, proxies[of_proxy], seeds[of_seed], numbers["value"], there, numbers["seconds"])


def _numbered(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The distinct texts of a column, sorted, and for every row the place of its own."""
    coded = table[name].dictionary_encode().combine_chunks()
    texts = np.array(coded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(texts)
    place = np.empty(len(texts), dtype=np.int64)
    place[order] = np.arange(len(texts))
    return texts[order], place[coded.indices.to_numpy()]


def _is_meant(about: dict[str, str | None], selection: Selection) -> bool:
    if selection.tasks is not None and about["task"] not in selection.tasks:
        return False
    one = ("space", "protocol", "recipe")
    return all(getattr(selection, name) in (None, about[name]) for name in one)


def _cut(accuracies: _Accuracies, scores: _Scores, selection: Selection) -> Cell:
    """The scores that meet these accuracies, of the architectures, proxies and seeds selected."""
    rows, series = _in_band(accuracies.params, selection), _asked_for(scores, selection)
    arch_ids = accuracies.arch_ids[rows]
    place = np.searchsorted(scores.arch_ids, arch_ids)
    known = place < len(scores.arch_ids)
    known[known] = scores.arch_ids[place[known]] == arch_ids[known]
    there = _taken(scores.there, place, known, series, False)
    some = there.any(axis=0)
    series[series] = some
    values = _taken(scores.values, place, known, series, np.nan)
    if selection.shared:
        complete = np.isfinite(values).all(axis=1) & some.any()
        rows[rows] = complete
        place, known = place[complete], known[complete]
        values, there, arch_ids = values[complete], there[complete], arch_ids[complete]
    return Cell(
        {**accuracies.about, "scores_from": selection.scores_from or accuracies.about["task"]},
        accuracies.accuracy[rows],
        accuracies.params[rows],
        values,
        scores.proxies[series],
        scores.seeds[series],
        arch_ids,
        there[:, some],
        _taken(scores.seconds, place, known, series, np.nan),
    )


def _in_band(params: Real, selection: Selection) -> NDArray[np.bool_]:
    """Which architectures have as many params as selected; where they are not known, only without a bound."""
    rows = np.ones(len(params), dtype=bool)
    least, most = selection.params
    if least is not None:
        rows &= params >= least
    if most is not None:
        rows &= params <= most
    return rows


def _asked_for(scores: _Scores, selection: Selection) -> NDArray[np.bool_]:
    """Which series are of the proxies and seeds selected."""
    series = np.ones(len(scores.proxies), dtype=bool)
    if selection.proxies is not None:
        series &= np.isin(scores.proxies, selection.proxies)
    if selection.seeds is not None:
        series &= np.isin(scores.seeds, selection.seeds)
    return series


def _taken(
    matrix: np.ndarray, place: np.ndarray, known: NDArray[np.bool_], series: NDArray[np.bool_], absent: Any
) -> np.ndarray:
    """Some rows and columns of a matrix; a row that it has not is all `absent`."""
    found = np.full((len(place), int(series.sum())), absent, dtype=matrix.dtype)
    found[known] = matrix[place[known]][:, series]
    return found


def reals(table: pa.Table, name: str) -> Real:
    """A column as float64, NaN where null."""
    return table[name].cast(pa.float64()).to_numpy()


def as_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """The rows as a table: a statistic that is NaN is a null, and other keys are dropped."""
    names = schema.names
    clean = [{name: _null_for_nan(row.get(name)) for name in names} for row in rows]
    return pa.Table.from_pylist(clean, schema=schema)


def _null_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def mean(values: Real) -> float:
    """NaN of nothing, and where one of them is NaN."""
    return float(np.mean(values)) if values.size else float("nan")


def median(values: Real) -> float:
    """NaN of nothing."""
    return float(np.median(values)) if values.size else float("nan")


def fewest(counts: np.ndarray) -> int:
    """0 of nothing."""
    return int(counts.min()) if counts.size else 0
