"""Pruning by distribution: the least likely choice of every decision is removed, until one is left."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from builder.search.candidates import Candidates
from builder.search.members import Place, leaves
from builder.search.strategy import Objective, present, strategy, worth
from spaces import Architecture
from spaces.space import pick

Distribution = dict[Place, dict[Any, float]]  # place of a decision -> choice -> probability

_SEEN = 500  # draws that show a space's decisions and choices


@strategy("pruning", source="Zheng et al., DDPNAS, IJCV 2023, and its released code")
def pruning(
    candidates: Candidates,
    objective: Objective,
    generator: random.Random,
    *,
    rounds: int = 3,
    sharpness: float = 5.0,
) -> Architecture | None:
    """Credit every choice with the architectures it was in, prune the least likely, settle on what is left.

    rounds:    how often every living choice is tried before each pruning.
    sharpness: of the softmax that turns credits, ranks from 0 to 1, into probabilities.

    The decisions are the single choices of the genome. In a round the k-th architecture takes the k-th living
    choice of every decision in a drawn order, so that each is tried once. Then p <- mean over rounds of
    softmax(sharpness * credit) + p / 2, normalised, and every decision loses its least likely choice. An
    architecture that the space, the window or the table does not have is drawn again from the living choices.
    Evaluations: rounds x (C + (C - 1) + ... + 2) for C choices. The result is the architecture that is left,
    which need not be the best that was evaluated.
    Deviations: credits are ranks among the pruning's evaluations, where there they are accuracies, times 100;
    so any ranker will do. Nothing is trained in between.
    """
    genomes = [dict(leaves(shown.values)) for shown in candidates.examples(_SEEN, generator)]
    shapes = list(dict.fromkeys(tuple(genome) for genome in genomes))
    choices: dict[Place, dict[Any, None]] = defaultdict(dict)
    for genome in genomes:
        for place, choice in genome.items():
            choices[place][choice] = None
    alive = {place: dict.fromkeys(found, 1 / len(found)) for place, found in sorted(choices.items(), key=str)}
    while any(len(options) > 1 for options in alive.values()):
        tried = [_round(candidates, alive, shapes, generator) for _ in range(rounds)]
        everyone = [architecture for one in tried for architecture in one]
        if not everyone:
            return None
        credits = _ranks(everyone, objective)
        alive = {
            place: _pruned(options, _likely(place, options, tried, credits, sharpness))
            for place, options in alive.items()
        }
    left = {place: next(iter(options)) for place, options in alive.items()}
    exact = candidates.valid(_values(candidates, left, shapes))
    settled = None if exact is None else candidates.nearest(exact)
    objective(present([settled]))
    return settled


def _round(
    candidates: Candidates, alive: Distribution, shapes: Sequence[tuple[Place, ...]], generator: random.Random
) -> list[Architecture]:
    """Propose architectures that together have every living choice of every decision once."""
    orders = {place: _shuffled(list(options), generator) for place, options in alive.items()}

    def targets(k: int) -> Iterator[dict[Place, Any]]:
        yield {place: order[k % len(order)] for place, order in orders.items()}
        while True:
            yield {place: pick(generator, tuple(options)) for place, options in alive.items()}

    proposed = []
    for k in range(max(map(len, orders.values()))):
        wanted = targets(k)
        proposed.append(candidates.made(lambda wanted=wanted: _values(candidates, next(wanted), shapes)))  # type: ignore[misc]
    return present(proposed)


def _values(
    candidates: Candidates, choices: dict[Place, Any], shapes: Sequence[tuple[Place, ...]]
) -> dict[str, Any]:
    """Return genome values with these choices, of the first shape of genome that the space accepts.

    The depth of a network decides how many of its blocks' choices there are: the shapes are those seen.
    """
    values: dict[str, Any] = {}
    for shape in shapes:
        values = _nested({place: choices[place] for place in shape})
        if candidates.valid(values) is not None:
            break
    return values


def _nested(flat: dict[Place, Any]) -> Any:
    """Undo `leaves`: lists where the keys are positions, dictionaries where they are names."""
    if () in flat:
        return flat[()]
    below: dict[str | int, dict[Place, Any]] = defaultdict(dict)
    for place, choice in flat.items():
        below[place[0]][place[1:]] = choice
    if all(isinstance(key, int) for key in below):
        return [_nested(below[key]) for key in sorted(below)]
    return {key: _nested(found) for key, found in below.items()}


def _ranks(architectures: list[Architecture], objective: Objective) -> dict[Architecture, float]:
    """Return each architecture's rank by the objective from 0, the worst, to 1; equal values, mean rank."""
    values = list(map(worth, objective(architectures)))
    most = max(1, len(values) - 1)
    return {
        architecture: (sum(v < value for v in values) + (sum(v == value for v in values) - 1) / 2) / most
        for architecture, value in zip(architectures, values, strict=True)
    }


def _likely(
    place: Place,
    options: dict[Any, float],
    tried: Sequence[Sequence[Architecture]],
    credits: dict[Architecture, float],
    sharpness: float,
) -> dict[Any, float]:
    """Return a decision's new probabilities."""
    found = dict.fromkeys(options, 0.0)
    for one in tried:
        credit: dict[Any, list[float]] = {option: [] for option in options}
        for architecture in one:
            option = dict(leaves(architecture.values)).get(place)
            if option in credit:
                credit[option].append(credits[architecture])
        # A choice that no architecture of the round had is neither praised nor blamed.
        worths = {o: math.exp(sharpness * (sum(c) / len(c) if c else 0.5)) for o, c in credit.items()}
        total = sum(worths.values())
        for option in options:
            found[option] += worths[option] / total / len(tried)
    return {option: found[option] + options[option] / 2 for option in options}


def _pruned(options: dict[Any, float], likely: dict[Any, float]) -> dict[Any, float]:
    """Return the probabilities without the least likely choice, normalised; the only choice stays."""
    kept = dict(likely)
    if len(kept) > 1:
        del kept[min(kept, key=lambda option: kept[option])]
    total = sum(kept.values())
    return {option: value / total for option, value in kept.items()}


def _shuffled(options: list[Any], generator: random.Random) -> list[Any]:
    return [
        option for _, _, option in sorted((generator.random(), k, option) for k, option in enumerate(options))
    ]
