"""Compute proxies on freshly initialised networks into the table of scores."""

from __future__ import annotations

from collections import Counter

from tqdm import tqdm

import proxies
from builder import plan
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
    names = proxies.resolve(settings.proxies.names)
    needed = proxies.batches_needed(names)
    noise = not proxies.look_at_images(names)
    task, wanted = task_of(settings, run), settings.score
    chosen = plan.architectures(run.root, settings.space.name, wanted.architectures)
    for seed in wanted.seeds:
        refuse_to_mix(settings, run, seed)
        todo = _missing(settings, run, seed, chosen, names)
        found: Counter[str] = Counter()
        if todo:
            batches = mini_batches(task, needed, wanted.batch_size, seed, run.device, noise)
        with tqdm(
            total=len(todo), desc=f"score {task.name} seed {seed}", unit="arch", disable=not todo
        ) as bar:
            for block in plan.blocks(todo, wanted.block):
                rows = []
                for architecture, absent in block:
                    rows += score_rows(architecture, absent, batches, task, seed, run, wanted)
                    bar.update()
                keys = [(row["arch_id"], row["proxy"]) for row in rows]
                name = part_name(settings.space.name, task.name, f"seed{seed}", keys=keys)
                write_part(run.root, "scores", rows, name)
                found.update(row["status"] for row in rows)
        summary = ", ".join(f"{count} {status}" for status, count in sorted(found.items())) or "nothing to do"
        print(
            f"score: {len(chosen)} architectures x {len(names)} proxies on {task.name}, "
            f"seed {seed}: {summary}"
        )


def _missing(
    settings: Settings, run: Run, seed: int, chosen: list[Architecture], names: list[str]
) -> list[tuple[Architecture, list[str]]]:
    """Return the architectures that lack scores, each with the proxies it lacks."""
    task = settings.task.name
    keys = [
        {"arch_id": a.arch_id, "task": task, "proxy": name, "seed": seed} for a in chosen for name in names
    ]
    absent: dict[str, list[str]] = {}
    for key in plan.missing(run.root, "scores", keys, settings.retry_failed):
        absent.setdefault(key["arch_id"], []).append(key["proxy"])
    return [(a, absent[a.arch_id]) for a in chosen if a.arch_id in absent]
