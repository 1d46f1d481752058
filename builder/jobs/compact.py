"""Merge the small parts of every table, while others go on writing."""

from __future__ import annotations

from builder.provenance import Run
from builder.settings import Settings
from store.compact import COMPACTABLE, compact


def run(settings: Settings, run: Run) -> None:
    """Merge the small parts of every table, and say how many there were."""
    for name in COMPACTABLE:
        before, after = compact(run.root, name)
        if before:
            print(f"compact: {name}: {before} parts merged into {after}")
        else:
            print(f"compact: {name}: nothing to merge")
