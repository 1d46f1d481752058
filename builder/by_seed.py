"""The loop of a job whose blocks this process does itself: those of one seed after those of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from builder.plan import Block, Work


def by_seed(title: str, seeds: Sequence[int], todo: Sequence[Block], work: Work) -> Iterator[tuple[int, str]]:
    """Do blocks, and yield each seed with a summary of its rows when its blocks are done.

    title: what the bar says before the seed.
    """
    for seed in seeds:
        mine = [block for block in todo if block.seed == seed]
        found: Counter[str] = Counter()
        with tqdm(
            total=sum(block.size for block in mine),
            desc=f"{title} seed {seed}",
            unit="arch",
            delay=2,  # a mistake in the images is told first, in a line of its own
            disable=not mine,
        ) as bar:
            for block in mine:
                found += work(block, bar.update)
        summary = ", ".join(f"{count} {status}" for status, count in sorted(found.items()))
        yield seed, summary or "nothing to do"
