"""Launchers: who does a job's blocks. What does a block is the same function everywhere, `work`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

from builder.costs import Costs, estimate
from builder.errors import BuilderError
from builder.jobs import READERS
from builder.launch.work import SHARED
from builder.plan import Block
from builder.protocols.rows import recipe_id
from builder.provenance import Run
from builder.settings import Settings

_EXTRAS = {"slurm": "submitit", "ray": "ray"}


class Launcher(Protocol):
    """What a module of this package offers. `waits`: whether `launch` returns only when all is done."""

    waits: bool

    def workers(self, settings: Settings) -> int | None:
        """Return how many work side by side, None where that is not known before."""

    def launch(self, settings: Settings, job: str, blocks: Sequence[Block], costs: Costs) -> None:
        """Have blocks done by workers, those of a stage after those of the stages before."""


def share_out(job: str, settings: Settings, run: Run) -> bool:
    """Have the launcher's workers do what is missing of a job, unless the job is not one to be shared.

    run: the job's, not begun.

    Returns whether nothing is left to be done by workers. What a worker that died left undone is planned
    again; BuilderError when twice in a row nothing was done.
    """
    assert settings.launcher is not None
    if job not in SHARED:
        if job not in (*READERS, "sample"):
            raise BuilderError(
                f"job={job} is not cut into blocks: run it without launcher={settings.launcher.name}."
            )
        return True
    launcher = _launcher(settings.launcher.name)
    before, planned = -1, settings
    while blocks := SHARED[job].blocks(planned, run):
        count = sum(block.size for block in blocks)
        recipe = recipe_id(settings) if job == "accuracy" else None
        costs = Costs(settings, run.root, recipe)
        if before < 0:
            said = estimate(costs, blocks, launcher.workers(settings))
            print(f"{job}: {len(blocks)} blocks of {count} architectures; {said}")
        if settings.dry_run:
            return False
        if count == before:
            raise BuilderError(f"{job}: {len(blocks)} blocks could not be done; job=status says why.")
        before = count
        launcher.launch(settings, job, blocks, costs)
        if not launcher.waits:
            return False
        planned = replace(settings, retry_failed=False)  # what failed again has been tried
    return True


def stages(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return blocks by stage."""
    ordered = sorted(blocks, key=lambda block: block.stage)
    return [list(group) for _, group in groupby(ordered, key=lambda block: block.stage)]


def _launcher(name: str) -> Launcher:
    try:
        return importlib.import_module(f"builder.launch.{name}")
    except ModuleNotFoundError as error:
        if error.name != _EXTRAS.get(name):
            raise
        raise BuilderError(
            f"launcher={name} needs {error.name}, which is not installed. Run: pip install '.[{name}]'"
        ) from None
