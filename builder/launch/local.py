"""Workers of this machine: processes, each with a GPU of its own, or else with its share of the cores."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch
from tqdm import tqdm

from builder.costs import Costs
from builder.errors import BuilderError
from builder.interruption import terminable
from builder.launch import stages
from builder.launch.work import work
from builder.plan import Block
from builder.settings import Settings
from store.write import HOST, part_name

waits = True
_Workers = dict[Connection, tuple[BaseProcess, int, Block]]


def launch(settings: Settings, job: str, blocks: Sequence[Block], costs: Costs) -> None:
    """Have processes do blocks; one that dies is replaced, and its block is done once more.

    Each machine takes them in an order of its own, so that the same command on several shares the work.

    Raises BuilderError for a worker's mistake, or for a block that two workers died of.
    """
    count = workers(settings)
    total = sum(block.size for block in blocks)
    with tqdm(total=total, desc=f"{job} {settings.task.name}, {count} workers", unit="arch") as bar:
        for stage in stages(blocks):
            ordered = sorted(stage, key=lambda block: part_name(HOST, keys=[block.name]))
            _launch(settings, ordered, min(count, len(stage)), bar)


def _launch(settings: Settings, blocks: Sequence[Block], count: int, bar: tqdm) -> None:
    waiting, deaths = deque(blocks), Counter[Block]()
    places, working = list(range(count)), _Workers()
    try:
        while waiting or working:
            while waiting and places:
                place = places.pop()
                connection, process = _start(settings, place, count)
                working[connection] = process, place, _give(connection, waiting.popleft())
            ready = wait(list(working))
            for connection in [c for c in working if c in ready]:
                process, place, block = working[connection]
                try:
                    said = connection.recv()
                except (EOFError, ConnectionError):
                    process.join()
                    del working[connection]
                    places.append(place)
                    deaths[block] += 1
                    if deaths[block] > 1:
                        raise BuilderError(
                            f"Two workers died of block {block.name}, the last with exit code "
                            f"{process.exitcode}. Is there too little memory for so many?"
                        ) from None
                    waiting.append(block)
                    continue
                if said == "architecture":
                    bar.update()
                elif said is not None:
                    raise BuilderError(said)
                elif waiting:
                    working[connection] = process, place, _give(connection, waiting.popleft())
                else:
                    connection.close()
                    process.join()
                    del working[connection]
    finally:
        for process, _, _ in working.values():
            process.terminate()  # those still at work write what they have
        for process, _, _ in working.values():
            process.join()


def _give(connection: Connection, block: Block) -> Block:
    """Give a worker a block; one that is dead already will be found so."""
    with contextlib.suppress(ConnectionError):
        connection.send(block)
    return block


def _start(settings: Settings, place: int, count: int) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(settings, place, count, theirs))
    process.start()
    theirs.close()  # the worker's copy alone is open: its end is the worker's
    return ours, process


def _serve(settings: Settings, place: int, count: int, connection: Connection) -> None:
    """Do one block after another until there are no more."""
    # A terminal sends Ctrl-C to all: the process that launches passes it on, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = _placed(settings, place, count)
    with terminable():
        while True:
            try:
                block = connection.recv()
            except (EOFError, ConnectionError):
                return
            try:
                work(settings, [block], lambda: _tell(connection, "architecture"))
            except Exception as error:
                # One line for the terminal; the rest is in the root's errors/.
                _tell(connection, f"{block.name}: {str(error) or type(error).__name__}")
                return
            _tell(connection, None)


def _tell(connection: Connection, said: str | None) -> None:
    """Tell the process that launches; where it is gone, end as if it had said so."""
    try:
        connection.send(said)
    except ConnectionError:
        raise SystemExit from None


def workers(settings: Settings) -> int:
    """Return how many processes work side by side."""
    if settings.launcher is not None and settings.launcher.workers is not None:
        return settings.launcher.workers
    if _on_gpus(settings):
        return torch.cuda.device_count()
    return max(1, _cores() // (settings.threads or 1))


def _placed(settings: Settings, place: int, count: int) -> Settings:
    """Return what a worker is told: its GPU, or else how many threads it has."""
    if _on_gpus(settings):
        return replace(settings, device=f"cuda:{place % torch.cuda.device_count()}")
    return replace(settings, threads=settings.threads or max(1, _cores() // count))


def _on_gpus(settings: Settings) -> bool:
    return settings.device in ("auto", "cuda") and torch.cuda.is_available()


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
