"""Draw architectures from a space into the table of architectures."""

from __future__ import annotations

import spaces
from builder import plan
from builder.provenance import Run
from builder.settings import Settings
from store.write import part_name, write_part


def run(settings: Settings, run: Run) -> None:
    """Draw `sample.n` architectures with `sample.seed` and write those that the table does not have."""
    space, wanted = spaces.get(settings.space.name), settings.sample
    window = None
    if wanted.params_low is not None or wanted.params_high is not None:
        low = 0.0 if wanted.params_low is None else wanted.params_low
        high = float("inf") if wanted.params_high is None else wanted.params_high
        window = (low, high)
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
        for index, architecture in enumerate(space.sample(wanted.n, wanted.seed, window))
    ]
    new = plan.missing(run.root, "architectures", rows)
    if new:
        name = part_name(space.name, f"seed{wanted.seed}", keys=[row["arch_id"] for row in new])
        write_part(run.root, "architectures", new, name)
    print(f"sample: {len(rows)} architectures of {space.name}, {len(new)} of them new, in {run.root}")
