"""Regularised evolution: the oldest dies, not the worst."""

from __future__ import annotations

import random
from collections import deque

from builder.search.candidates import Candidates
from builder.search.strategy import Objective, best, present, strategy
from spaces import Architecture
from spaces.space import pick


@strategy("regularised_evolution", source="Real et al., AAAI 2019")
def regularised_evolution(
    candidates: Candidates,
    objective: Objective,
    generator: random.Random,
    *,
    population: int = 50,
    tournament: int = 10,
) -> None:
    """Mutate the best of a drawn few of the living, add the child, let the oldest die.

    population: architectures alive, all drawn at first.
    tournament: how many of them are drawn, with replacement, to compete for the child.

    A parent without a new child makes room for a draw.
    """
    living: deque[Architecture] = deque(
        present(candidates.draw(generator) for _ in range(population)), maxlen=population
    )
    objective(list(living))
    while living:
        competing = dict.fromkeys(pick(generator, tuple(living)) for _ in range(tournament))
        (parent,) = best(competing, objective, 1)
        child = candidates.mutate(parent, generator) or candidates.draw(generator)
        if child is None:
            return
        objective([child])
        living.append(child)
