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
from builder.jobs.status import progress
from builder.launch.work import SHARED
from builder.plan import Block
from builder.protocols.rows import recipe_id
from builder.provenance import Run
from builder.settings import Settings
from store import Benchmark
from store.location import is_there

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
    if not _is_shared(job, settings):
        return True
    launcher = _launcher(settings)
    before, planned = -1, settings
    while blocks := SHARED[job].blocks(planned, run):
        count = sum(block.size for block in blocks)
        costs = _costs(job, settings, run)
        if before < 0:
            print(_announced(job, settings, blocks, costs))
        if count == before:
            raise BuilderError(f"{job}: {len(blocks)} blocks could not be done; job=status says why.")
        before = count
        launcher.launch(settings, job, blocks, costs)
        if not launcher.waits:
            return False
        planned = replace(settings, retry_failed=False)  # what failed again has been tried
    if before >= 0 or not launcher.waits:
        _print_outcome(job, settings, run)
    return True


def foretell(job: str, settings: Settings, run: Run) -> None:
    """Print what would be done of a job, and how long it would take; nothing is done or written.

    run: the job's, not begun.
    """
    if job == "sample":
        wanted, space = settings.sample, settings.space.name
        print(f"sample: would draw {wanted.n} architectures of {space} with seed {wanted.seed}")
    elif not _is_shared(job, settings):
        return
    elif "sample" in settings.jobs and not is_there(run.root / "architectures"):
        print(f"{job}: what there is to do can be told when job=sample has drawn the architectures")
    elif blocks := SHARED[job].blocks(settings, run):
        print(_announced(job, settings, blocks, _costs(job, settings, run)))
    else:
        print(f"{job}: nothing to share out")


def _is_shared(job: str, settings: Settings) -> bool:
    """Return whether workers do a job; BuilderError for one that neither they nor this process can."""
    assert settings.launcher is not None
    if job not in (*SHARED, *READERS, "sample"):
        raise BuilderError(
            f"job={job} is not cut into blocks: run it without launcher={settings.launcher.name}."
        )
    return job in SHARED


def _costs(job: str, settings: Settings, run: Run) -> Costs:
    return Costs(settings, run.root, recipe_id(settings) if job == "accuracy" else None)


def _announced(job: str, settings: Settings, blocks: Sequence[Block], costs: Costs) -> str:
    count = sum(block.size for block in blocks)
    said = estimate(costs, blocks, _launcher(settings).workers(settings))
    return f"{job}: {len(blocks)} blocks of {count} architectures; {said}"


def _print_outcome(job: str, settings: Settings, run: Run) -> None:
    """Print how many of the rows that are wanted of a job are there, and how many of them failed."""
    wanted = SHARED[job].wanted(settings, run)
    if wanted is None:
        return
    with Benchmark.open(run.root) as benchmark:
        rows = progress(benchmark, [wanted], [])
    done, failed = (sum(row[name] for row in rows) for name in ("done", "failed"))
    print(f"{job}: {done:,} rows done, {failed:,} failed{'; job=status says why' if failed else ''}")


def stages(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return blocks by stage."""
    ordered = sorted(blocks, key=lambda block: block.stage)
    return [list(group) for _, group in groupby(ordered, key=lambda block: block.stage)]


def _launcher(settings: Settings) -> Launcher:
    assert settings.launcher is not None
    name = settings.launcher.name
    try:
        return importlib.import_module(f"builder.launch.{name}")
    except ModuleNotFoundError as error:
        if error.name != _EXTRAS.get(name):
            raise
        raise BuilderError(
            f"launcher={name} needs {error.name}, which is not installed. Run: pip install '.[{name}]'"
        ) from None
