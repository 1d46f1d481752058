"""Random search: what every other strategy is held against."""

from __future__ import annotations

import random as chance

from builder.search.candidates import Candidates
from builder.search.strategy import Objective, strategy


@strategy("random", source="Li and Talwalkar, Random Search and Reproducibility for NAS, UAI 2019")
def random(candidates: Candidates, objective: Objective, generator: chance.Random) -> None:
    """Draw one architecture after another until the budget or the space is spent; the best is found."""
    while (architecture := candidates.draw(generator)) is not None:
        objective([architecture])
