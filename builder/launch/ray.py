"""Workers of a Ray cluster: actors, each holding a GPU or a core; the command itself deals the blocks."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError
from tqdm import tqdm

from builder.costs import Costs
from builder.errors import BuilderError
from builder.launch import stages
from builder.launch.work import work
from builder.plan import Block
from builder.settings import Settings
from builder.settings.launchers import RaySettings

waits = True


class Worker:
    """An actor: a process of the cluster that does one block after another.

    folder: where the command was given, which relative paths are of; not every node has it.
    """

    def __init__(self, folder: str) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)

    def ready(self) -> None:
        """Return as soon as there is room for the actor."""

    def work(self, settings: Settings, block: Block) -> None:
        """Do a block."""
        work(settings, [block])


def workers(settings: Settings) -> int | None:
    """Return how many actors work side by side, None before the cluster was asked."""
    return settings.launcher.workers if settings.launcher else None


def launch(settings: Settings, job: str, blocks: Sequence[Block], costs: Costs) -> None:
    """Have actors do blocks; one that dies is replaced, and its block is done once more.

    Raises BuilderError for a mistake of a worker's, or for a block that three of them died of.
    """
    wanted = settings.launcher
    assert isinstance(wanted, RaySettings)
    _connect(wanted)
    there = ray.cluster_resources()
    gpus = wanted.gpus if wanted.gpus is not None else float(there.get("GPU", 0) > 0)
    room = there.get("GPU", 0) / gpus if gpus else there.get("CPU", 1) / max(wanted.cpus, 1)
    count = wanted.workers or max(1, int(room))
    actor = ray.remote(num_cpus=wanted.cpus, num_gpus=gpus)(Worker)
    total = sum(block.size for block in blocks)
    with tqdm(total=total, desc=f"{job} {settings.task.name}, {count} workers", unit="arch") as bar:
        for stage in stages(blocks):
            _launch(lambda: actor.remote(str(Path.cwd())), settings, stage, min(count, len(stage)), bar)


def _connect(wanted: RaySettings) -> None:
    address = wanted.address or os.environ.get("RAY_ADDRESS") or "auto"
    try:
        if named := re.fullmatch(r"([\w.-]+):(\d+)", address):  # else Ray itself waits for minutes, and exits
            socket.create_connection((named[1], int(named[2])), timeout=10).close()
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    except OSError:
        raise BuilderError(
            f"No Ray cluster at '{address}'. Start one with: ray start --head; or name it: launcher.address=."
        ) from None


def _launch(
    make: Callable[[], Any], settings: Settings, blocks: Sequence[Block], count: int, bar: tqdm
) -> None:
    waiting, deaths = deque(blocks), Counter[Block | None]()
    # What was asked of an actor: a block, or None for whether it is there.
    asked: dict[Any, tuple[Any, Block | None]] = {}

    def start() -> None:
        actor = make()
        asked[actor.ready.remote()] = actor, None

    for _ in range(count):
        start()
    try:
        while waiting or any(block is not None for _, block in asked.values()):
            (answer, *_), _ = ray.wait(list(asked), num_returns=1)
            actor, block = asked.pop(answer)
            try:
                ray.get(answer)
            except RayActorError as error:
                if block is not None:
                    waiting.append(block)
                deaths[block] += 1
                if deaths[block] > 2:
                    what = "their start" if block is None else f"block {block.name}"
                    raise BuilderError(f"Three workers died of {what}: {_line(error)}") from None
                start()
                continue
            except RayTaskError as error:
                raise BuilderError(
                    f"{'worker' if block is None else block.name}: {_line(error.cause)}"
                ) from None
            bar.update(0 if block is None else block.size)
            if waiting:
                block = waiting.popleft()
                asked[actor.work.remote(settings, block)] = actor, block
    finally:
        for actor, _ in asked.values():
            ray.kill(actor)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
