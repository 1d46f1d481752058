"""What the filters say: which accuracies and which scores meet."""

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True)
class Filters:
    """Which accuracies and which scores meet in a ranking.

    tasks:       one, or several whose rho is averaged
    recipe:      None: that of each task, which has one
    scores_from: task whose images the scores were computed on; None: each task itself
    params:      smallest and largest parameter count, both included; None leaves that side open
    shared:      proxies that must all have scored an architecture, in every seed, for it to count; empty:
                 each proxy is judged on the architectures it has
    seeds:       only the scores of these proxy seeds; None: the mean over all
    given:       "params": ordered by rho given params; None: by rho
    """

    space: str
    tasks: tuple[str, ...]
    protocol: str
    recipe: str | None
    scores_from: str | None
    params: tuple[int | None, int | None] = (None, None)
    shared: tuple[str, ...] = ()
    seeds: tuple[int, ...] | None = None
    given: str | None = None

    @property
    def task(self) -> str:
        """The only task, or the first."""
        return self.tasks[0]

    @property
    def scored_on(self) -> str:
        """The task whose images the scores of the first task were computed on."""
        return self.scores_from or self.task

    @property
    def accuracies(self) -> dict[str, Any]:
        """Which accuracies, for a question about those of one task."""
        return {name: getattr(self, name) for name in ("task", "protocol", "recipe", "space")}

    @property
    def ranking(self) -> dict[str, Any]:
        """Which accuracies and scores, for a question about the proxies over all the tasks."""
        return self.meeting | {"task": self.tasks, "given": self.given}

    @property
    def meeting(self) -> dict[str, Any]:
        """Which accuracies and scores, for a question about the proxies on one task."""
        chosen = self.accuracies | {name: getattr(self, name) for name in ("scores_from", "params", "seeds")}
        return chosen | ({"shared": True, "proxies": self.shared} if self.shared else {})

    @property
    def comparing(self) -> dict[str, Any]:
        """Which accuracies and scores, for a comparison of two proxies, which is over all their seeds."""
        return self.accuracies | {"scores_from": self.scores_from, "params": self.params}

    @property
    def label(self) -> str:
        """A name for files with what was chosen."""
        return "-".join((self.space, "all" if len(self.tasks) > 1 else self.task, self.protocol))

    def on(self, task: str) -> Self:
        """The same of one of the tasks alone."""
        return replace(self, tasks=(task,))
