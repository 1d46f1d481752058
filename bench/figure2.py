"""Print and draw the paper's Figure 2 on a benchmark of ours: gradients by depth, rho of Lambda by interval.

`python -m bench.figure2 ROOT [--space SPACE] [--task TASK] [--picture FILE]`, after job=layers; a second.
"""

from __future__ import annotations

from bench import pictures
from bench.own_benchmark import PICTURE, opened
from builder.jobs.layers import curve_table, interval_line
from store import StoreError


def main() -> None:
    """Print the curve and the intervals that were chosen, and draw both."""
    with opened(__doc__, picture=PICTURE) as ground:
        curve = ground.benchmark.layers(ground.task, space=ground.space)
        if not len(curve):
            raise StoreError(f"No layers of {ground.space} on {ground.task} here. Run job=layers first.")
        intervals = ground.benchmark.layer_intervals(ground.task, space=ground.space)
        print(f"log sigma of the gradients of {ground.space} on {ground.task} by tenth of the depth")
        print(curve_table(curve.to_pylist()))
        print()
        for row in intervals.to_pylist():
            if row["whole"] or row["spike"] or row["fitted"]:
                print(interval_line(row))
        if ground.given.picture:
            drawn = pictures.layers(curve.to_pandas(), intervals.to_pandas())
            drawn.save(ground.given.picture, ppi=pictures.DENSITY)


if __name__ == "__main__":
    main()
