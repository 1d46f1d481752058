"""Local search: climb from neighbour to better neighbour, and begin anew where there is none."""

from __future__ import annotations

import random

from builder.search.candidates import Candidates
from builder.search.strategy import Objective, strategy, worth


@strategy("local_search", source="White, Nolen, Savani, Exploring the Loss Landscape in NAS, UAI 2021")
def local_search(
    candidates: Candidates, objective: Objective, generator: random.Random, *, patience: int = 20
) -> None:
    """Move to the first mutation that is better; after `patience` that are not, draw a new start.

    patience: neighbours in a row that may fail to improve.

    Deviation: there a neighbour differs by one choice and all of them are evaluated; here it is a mutation as
    the space makes it, and so many of them are.
    """
    while (here := candidates.draw(generator)) is not None:
        objective([here])
        misses = 0
        while misses < patience and (there := candidates.mutate(here, generator)) is not None:
            was, now = objective([here, there])
            misses = 0 if worth(now) > worth(was) else misses + 1
            here = there if misses == 0 else here
