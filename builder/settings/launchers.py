"""Who does a job's blocks, and with what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builder.errors import BuilderError
from builder.settings.checks import at_least


@dataclass
class LauncherSettings:
    """Who does a job's blocks instead of this process; the fields are those of every launcher.

    workers: processes, jobs of an array or actors side by side; null: what the launcher finds best.
    """

    name: str
    workers: int | None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        at_least(1, "launcher.", workers=self.workers)


@dataclass
class LocalSettings(LauncherSettings):
    """Processes of this machine, one for each GPU, or else for each core or as many as `threads` says."""


@dataclass
class SlurmSettings(LauncherSettings):
    """What sbatch is told of an array of jobs; null leaves it to the cluster.

    minutes:        time limit of a job. signal_seconds: how long before it a job is told to save and requeue.
    requeues:       how often a job that reached its limit is queued again.
    minutes_of_work: blocks of how much time one job does, as far as it is known.
    jobs:           the most jobs of one array: the cluster's MaxArraySize less one.
    folder:         of the jobs' logs, which all nodes must see; null: `launches` in the root, or in the
                    working folder where the root is no folder.
    setup:          shell lines before Python starts.
    options:        further long options of sbatch, as in ["qos=low"].
    """

    partition: str | None
    account: str | None
    gres: str | None
    cpus: int
    memory_gib: float | None
    minutes: int
    signal_seconds: int
    requeues: int
    minutes_of_work: float
    jobs: int
    folder: str | None
    setup: list[str]
    options: list[str]

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        super().__post_init__()
        at_least(1, "launcher.", cpus=self.cpus, minutes=self.minutes, jobs=self.jobs)
        at_least(0, "launcher.", signal_seconds=self.signal_seconds, requeues=self.requeues)
        at_least(0, "launcher.", minutes_of_work=self.minutes_of_work, memory_gib=self.memory_gib)
        # Slurm tells a job up to a minute earlier than it is asked to.
        if 60 * self.minutes < self.signal_seconds + 120:
            raise BuilderError(
                f"launcher.signal_seconds is {self.signal_seconds} with launcher.minutes={self.minutes}, "
                "expected at least two minutes less than that: one may be lost, one is left to work."
            )
        for option in self.options:
            if not re.fullmatch(r"[a-z][a-z-]*(=.*)?", option):
                raise BuilderError(
                    f"launcher.options has '{option}', expected a long option, as in "
                    "'launcher.options=[\"qos=low\"]'."
                )


@dataclass
class RaySettings(LauncherSettings):
    """Actors of a Ray cluster. address: null takes that of the environment, or the cluster of this machine.

    gpus, cpus: that one actor holds.
    """

    address: str | None
    gpus: float | None
    cpus: float

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        super().__post_init__()
        at_least(0, "launcher.", gpus=self.gpus, cpus=self.cpus)
