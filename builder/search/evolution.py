"""AutoFormer's evolution: crossover and mutation of the best architectures seen."""

from __future__ import annotations

import random

from builder.search.candidates import Candidates
from builder.search.strategy import Objective, best, present, strategy
from spaces import Architecture
from spaces.space import pick


@strategy("evolution", source="Chen et al., AutoFormer, ICCV 2021")
def evolution(
    candidates: Candidates,
    objective: Objective,
    generator: random.Random,
    *,
    population: int = 50,
    parents: int = 10,
    crossovers: int = 25,
    mutations: int = 25,
) -> None:
    """Breed generation after generation from the best of all architectures evaluated so far.

    population: architectures drawn at first, and evaluated in every generation after.
    parents:    the best of all generations, from which the next is made.
    crossovers: children of two parents drawn among them; mutations: children of one.

    A generation with too few children, because they were known or outside the window, is filled with draws,
    as in the official code. What makes a mutation is the space's matter. Deviation: there the number of
    generations is fixed, 20; here the budget ends it.
    """
    everyone: list[Architecture] = []
    fresh = present(candidates.draw(generator) for _ in range(population))
    while fresh:
        objective(fresh)
        everyone += fresh
        chosen = tuple(best(everyone, objective, parents))
        fresh = present(candidates.mutate(pick(generator, chosen), generator) for _ in range(mutations))
        fresh += present(
            candidates.crossover(pick(generator, chosen), pick(generator, chosen), generator)
            for _ in range(crossovers)
        )
        fresh += present(candidates.draw(generator) for _ in range(population - len(fresh)))
