"""Compute proxies on freshly initialised networks into the table of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import proxies
from builder import plan
from builder.by_seed import by_seed
from builder.costs import Costs
from builder.plan import Block, Wanted, Work
from builder.provenance import Run
from builder.published import scores as published
from builder.scoring import mini_batches, refuse_to_mix, score_rows, task_of
from builder.settings import Settings
from spaces import Architecture
from store.write import part_name, write_part


def run(settings: Settings, run: Run) -> None:
    """Score every architecture by every proxy asked for, seed by seed, and write what is not there yet.

    A network's initial weights and a proxy's own draws depend on (arch_id, task, seed) alone, the
    mini-batches on (task, seed): the same row comes out in whatever order, beside whatever other proxies, but
    for rounding where `score.memory_gib` is too little for a whole mini-batch.
    """
    if settings.score.importer is not None:
        published.run(settings, run)
        return
    names, name = proxies.resolve(settings.proxies.names), settings.task.name
    (chosen, todo), work = _planned(settings, run), worker(settings, run)
    for seed, summary in by_seed(f"score {name}", settings.score.seeds, todo, work):
        print(f"score: {len(chosen)} architectures x {len(names)} proxies on {name}, seed {seed}: {summary}")


def blocks(settings: Settings, run: Run) -> list[Block]:
    """Return what the table lacks, in blocks."""
    return _planned(settings, run)[1]


def _planned(settings: Settings, run: Run) -> tuple[list[Architecture], list[Block]]:
    """Return the job's architectures, and what they lack in the table, in blocks."""
    names, task, seeds = proxies.resolve(settings.proxies.names), settings.task.name, settings.score.seeds
    with plan.opened(run.root, settings.space.name, "architectures", "scores") as benchmark:
        chosen = plan.architectures_of(benchmark, settings.space.name, settings.score.architectures)
        refuse_to_mix(settings, benchmark, seeds)
        lacking = plan.lacking(
            benchmark, "scores", chosen, task, seeds, "proxy", names, settings.retry_failed
        )
    size, found = settings.score.block or _asked(settings, run, chosen).block, []
    for seed in seeds:
        for group, lack in plan.cut(chosen, lacking[seed], size):
            name = _part(settings, seed, [(a.arch_id, proxy) for a in group for proxy in lack])
            found.append(Block("score", seed, name, group, lack))
    return chosen, found


def wanted(settings: Settings, run: Run) -> Wanted | None:
    """Return all that is wanted of the table, done or not; None where scores are imported."""
    if settings.score.importer is not None:
        return None
    chosen = plan.architectures(run.root, settings.space.name, settings.score.architectures)
    return _asked(settings, run, chosen)


def _asked(settings: Settings, run: Run, chosen: list[Architecture]) -> Wanted:
    """Return what is wanted as it was noted first, else cut by what earlier rows took."""
    space, task, names = settings.space.name, settings.task.name, proxies.resolve(settings.proxies.names)
    keys: dict[str, list[Any]] = {
        "arch_id": sorted(architecture.arch_id for architecture in chosen),
        "task": [task],
        "proxy": names,
        "seed": list(settings.score.seeds),
    }
    asked = Wanted("score", "scores", space, task, keys, by="proxy")
    return asked.noted(run.root, lambda: Costs(settings, run.root).block_size("score", names))


def worker(settings: Settings, run: Run) -> Work:
    """Return what scores a block."""
    task, wanted = task_of(settings, run), settings.score
    names = proxies.resolve(settings.proxies.names)
    needed, noise = proxies.batches_needed(names), not proxies.look_at_images(names)

    @lru_cache(maxsize=1)
    def batches(seed: int) -> list[Any]:
        return mini_batches(task, needed, wanted.batch_size, seed, run.device, noise)

    def work(block: Block, done: Callable[[], object]) -> Counter[str]:
        rows: list[dict[str, Any]] = []
        try:
            for architecture in block.architectures:
                images = batches(block.seed)
                rows += score_rows(architecture, list(block.proxies), images, task, block.seed, run, wanted)
                done()
        finally:  # where it is told to stop, too
            if rows:
                keys = [(row["arch_id"], row["proxy"]) for row in rows]
                write_part(run.root, "scores", rows, _part(settings, block.seed, keys))
        return Counter(row["status"] for row in rows)

    return work


def _part(settings: Settings, seed: int, keys: Sequence[tuple[str, str]]) -> str:
    return part_name(settings.space.name, settings.task.name, f"seed{seed}", keys=keys)
