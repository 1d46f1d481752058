"""What an importer says of its source, and the registry: one file of `importers/` registers itself."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import BuilderError

# One network of a file: its genome's values, and its accuracies and scores by the names of the source. None:
# no number; a name that is not there: the network is not one of that column's.
Entry = tuple[dict[str, Any], dict[str, float | None]]

_IMPORTERS: dict[str, Importer] = {}


@dataclass(frozen=True)
class Column:
    """One column of accuracies: whose networks, on what, trained how.

    file:    that it stands in: its path in the source's repository, at the importer's commit.
    key:     its name there.
    space, task, recipe: what its rows stand under in the table of accuracies.
    sha256:  of what it holds, as `Accuracies.sha256` is.
    scale:   what it calls 100 %.
    negated: whether it is minus a loss, and so at most 0.
    split:   that the accuracies were measured on; images: how many it has, None where that is not sure.
    refused: "unexplained" or "out of line" where the check refuses the column; empty where it passes.
    """

    file: str
    key: str
    space: str
    task: str
    recipe: str
    sha256: str
    scale: float = 100.0
    negated: bool = False
    split: str = "test"
    images: int | None = None
    refused: str = ""


@dataclass(frozen=True)
class Scores:
    """Published scores of several proxies on the networks of one space and task.

    file, space, task: as in `Column`.
    keys:       proxy, by our name of the same definition -> its name in the source.
    sha256:     of what it holds: of `genome proxy value`, line by sorted line.
    batch_size: images in a mini-batch; image_size: pixels a side.
    """

    file: str
    space: str
    task: str
    keys: dict[str, str]
    sha256: str
    image_size: int
    batch_size: int = 64


@dataclass(frozen=True)
class Importer:
    """A source of published accuracies, and how its files are read.

    name:       key of the importer, as `protocol.published.importer=` takes it.
    title:      what the source calls itself.
    repository: on GitHub, owner/name; commit: 40 hexadecimal digits.
    citation, licence: whose numbers they are, and under which terms.
    recipes:    recipe -> how the weights were got, one sentence.
    networks:   how the published networks differ from those our space builds of the same genome.
    beware:     what else a reader has to know.
    columns:    all accuracies that can be imported.
    scores:     all scores.
    commits:    file -> commit, where it is another than `commit`.
    read:       file on disk -> its entries. It may raise KeyError, TypeError, ValueError or what the library
                it reads with raises, when the file is another one.
    """

    name: str
    title: str
    repository: str
    commit: str
    citation: str
    licence: str
    recipes: dict[str, str]
    networks: str
    beware: str
    columns: tuple[Column, ...]
    read: Callable[[Path], Iterable[Entry]]
    scores: tuple[Scores, ...] = ()
    commits: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """The files of all columns and scores, each once."""
        of_accuracies = (column.file for column in self.columns)
        return list(dict.fromkeys((*of_accuracies, *(scores.file for scores in self.scores))))

    def address(self, file: str) -> str:
        """Return where a file is fetched from."""
        commit = self.commits.get(file, self.commit)
        return f"https://raw.githubusercontent.com/{self.repository}/{commit}/{file}"

    def scores_of(self, space: str, task: str) -> Scores:
        """Return the scores of a space on a task; BuilderError, with what there is, when there are none."""
        for found in self.scores:
            if (found.space, found.task) == (space, task):
                return found
        there = [f"space={found.space} task={found.task}" for found in self.scores]
        raise BuilderError(
            f"{self.name} has no scores of {space} on {task}. It has: {'; '.join(there) or 'none'}."
        )

    def of(self, space: str, task: str, recipe: str | None = None) -> list[Column]:
        """Return the columns of a space on a task; recipe: only those.

        Raises BuilderError, with what there is, when there is none.
        """
        known = [column for column in self.columns if (column.space, column.task) == (space, task)]
        if not known:
            there = sorted({f"space={column.space} task={column.task}" for column in self.columns})
            raise BuilderError(
                f"{self.name} has no accuracies of {space} on {task}. It has: {'; '.join(there)}."
            )
        found = [column for column in known if recipe in (None, column.recipe)]
        if not found:
            there = [column.recipe for column in known]
            raise BuilderError(
                f"{self.name} has no recipe '{recipe}' for {space} on {task}. It has: {', '.join(there)}."
            )
        return found


def one_width(widths: list[Any]) -> Any:
    """Return the width that a network has in all of its blocks; ValueError if they differ."""
    if len(set(widths)) != 1:
        raise ValueError(f"a network of several widths, {sorted(set(widths))}")
    return widths[0]


def register(importer: Importer) -> None:
    """Make an importer known by its name."""
    if importer.name in _IMPORTERS:
        raise BuilderError(f"Importer '{importer.name}' is registered twice.")
    _IMPORTERS[importer.name] = importer


def names() -> list[str]:
    """Return the names of all importers, sorted."""
    _discover()
    return sorted(_IMPORTERS)


def get(name: str) -> Importer:
    """Return the importer of this name; BuilderError with the closest name if there is none."""
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
        raise BuilderError(f"Unknown importer '{name}'. {hint}")
    return _IMPORTERS[name]


@functools.cache
def _discover() -> None:
    for module in pkgutil.iter_modules([str(Path(__file__).parent / "importers")]):
        importlib.import_module(f"builder.published.importers.{module.name}")
