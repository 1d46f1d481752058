"""The scratch protocol: every architecture trained alone, from its own weights, by one recipe."""

from __future__ import annotations

import spaces
from builder.plan import Work
from builder.protocols import alone
from builder.protocols.alone import Begin
from builder.provenance import Run
from builder.settings import Settings
from builder.tasks import Task


def run(settings: Settings, run: Run) -> None:
    """Train every architecture that has no accuracy yet, seed by seed; each is written as it is done."""
    alone.run(settings, run, beginning)


def worker(settings: Settings, run: Run) -> Work:
    """Return what trains a block's architectures."""
    return alone.worker(settings, run, beginning)


def beginning(settings: Settings, task: Task) -> Begin:
    """Return what draws an architecture's initial weights from a seed."""
    space = spaces.get(settings.space.name)
    return lambda architecture, seed: space.build(architecture, seed=seed, **task.shape)
