"""Draw architectures from a space into the table of architectures."""

from __future__ import annotations

import math

import spaces
from builder import plan
from builder.errors import BuilderError
from builder.provenance import Run
from builder.published.scores import of_importer as importer_scores
from builder.seeds import derive_seed
from builder.settings import Settings
from spaces import Architecture, Space
from store.write import part_name, write_part


def run(settings: Settings, run: Run) -> None:
    """Draw `sample.n` architectures with `sample.seed` and write those that the table does not have."""
    space, wanted = spaces.get(settings.space.name), settings.sample
    window = None
    if wanted.params_low is not None or wanted.params_high is not None:
        low = 0.0 if wanted.params_low is None else wanted.params_low
        high = float("inf") if wanted.params_high is None else wanted.params_high
        window = (low, high)
    if wanted.importer is None:
        drawn = space.sample(wanted.n, wanted.seed, window)
    else:
        drawn = _of_importer(settings, run, space, window)
    rows = [
        {
            "arch_id": architecture.arch_id,
            "space": space.name,
            "genome": architecture.genome,
            "params": space.params(architecture),
            "macs": space.macs(architecture),
            "sample_seed": wanted.seed,
            "sample_index": index,
            "run_id": run.id,
        }
        for index, architecture in enumerate(drawn)
    ]
    new = plan.missing(run.root, "architectures", rows)
    if new:
        name = part_name(space.name, f"seed{wanted.seed}", keys=[row["arch_id"] for row in new])
        write_part(run.root, "architectures", new, name)
    print(f"sample: {len(rows)} architectures of {space.name}, {len(new)} of them new, in {run.root}")


def _of_importer(
    settings: Settings, run: Run, space: Space, window: tuple[float, float] | None
) -> list[Architecture]:
    """Draw among the networks that a source scored; BuilderError when there are not as many."""
    wanted = settings.sample
    low, high = window or (0, math.inf)
    scored = importer_scores(str(wanted.importer), wanted.path, space, settings.task.name, run)
    found = [architecture for architecture in scored if low <= space.params(architecture) <= high]
    if len(found) < wanted.n:
        raise BuilderError(
            f"{wanted.importer} scored {len(found)} networks of {space.name} on {settings.task.name}, not "
            f"{wanted.n}. Lower sample.n."
        )
    # In an order of their own: the first n are a draw, and a prefix of a larger one.
    found.sort(key=lambda architecture: derive_seed("sample", wanted.seed, architecture.arch_id))
    return found[: wanted.n]
