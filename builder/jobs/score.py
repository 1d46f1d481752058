"""Compute proxies on freshly initialised networks into the table of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tqdm import tqdm

import proxies
from builder import plan
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
    mini-batches on (task, seed): the same row comes out in whatever order, beside whatever other proxies.
    """
    if settings.score.importer is not None:
        published.run(settings, run)
        return
    names, wanted, name = proxies.resolve(settings.proxies.names), settings.score, settings.task.name
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    todo, work = blocks(settings, run), worker(settings, run)
    for seed in wanted.seeds:
        mine = [block for block in todo if block.seed == seed]
        found: Counter[str] = Counter()
        with tqdm(
            total=sum(map(len, mine)),
            desc=f"score {name} seed {seed}",
            unit="arch",
            delay=2,  # a mistake in the images is told first, in a line of its own
            disable=not mine,
        ) as bar:
            for block in mine:
                found += work(block, bar.update)
        summary = ", ".join(f"{count} {status}" for status, count in sorted(found.items())) or "nothing to do"
        print(f"score: {len(chosen)} architectures x {len(names)} proxies on {name}, seed {seed}: {summary}")


def blocks(settings: Settings, run: Run) -> list[Block]:
    """Return what the table lacks, in blocks."""
    names, task = proxies.resolve(settings.proxies.names), settings.task.name
    chosen = plan.architectures(run.root, settings.space.name, settings.score.architectures)
    seeds, size = settings.score.seeds, settings.score.block or _asked(settings, run, chosen).block
    refuse_to_mix(settings, run, seeds)
    lacking = plan.lacking(run.root, "scores", chosen, task, seeds, "proxy", names, settings.retry_failed)
    found = []
    for seed in seeds:
        for group, lack in plan.cut(chosen, lacking[seed], size):
            name = _part(settings, seed, [(a.arch_id, proxy) for a in group for proxy in lack])
            found.append(Block("score", seed, name, group, lack))
    return found


def wanted(settings: Settings, run: Run) -> Wanted | None:
    """Return all that is wanted of the table, done or not; None where scores are imported."""
    if settings.score.importer is not None:
        return None
    return _asked(
        settings, run, plan.architectures(run.root, settings.space.name, settings.score.architectures)
    )


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
