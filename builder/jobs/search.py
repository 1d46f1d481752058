"""Find an architecture by a strategy and a ranker, with random search beside it: the table of searches."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

import spaces
from builder import plan
from builder.provenance import Run, deciding
from builder.search import strategy as strategies
from builder.search.candidates import Candidates, Window
from builder.search.objective import BudgetedObjective
from builder.search.rankers import ACCURACY, Ranker, protocol_and_recipe, ranker
from builder.search.strategy import Strategy
from builder.seeds import derive_seed
from builder.settings import Settings
from spaces import Architecture
from store import Benchmark
from store.location import is_there
from store.resampling import interval
from store.write import write_part

_BASELINE = "random"
Pair = tuple[dict[str, Any], dict[str, Any]]  # rows of a search, and of the random search beside it
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Ground:
    """What all searches of a command share: where candidates come from, and what is known of them.

    window:     of parameters; None is open. members: the architectures of the table; None: the whole space.
    accuracies: by arch_id, 0..1, those of one protocol and recipe.
    """

    window: Window | None
    members: tuple[Architecture, ...] | None
    accuracies: Mapping[str, float]
    protocol: str | None
    recipe: str | None


def run(settings: Settings, run: Run) -> None:
    """Search by every strategy, ranker and seed, and at random as long; write each search, print the gains.

    A search depends on its seed and what its ranker says alone. One that was killed is run again from its
    beginning, with the scores that are in the table by then, and so goes on where it was.
    """
    wanted = settings.search
    ground = _ground(settings, run)
    chosen = {found.name: found for found in map(strategies.get, wanted.strategies)}
    rankers = [ranker(name, settings, run, ground.accuracies) for name in dict.fromkeys(wanted.rankers)]
    random_search = strategies.get(_BASELINE)
    for asked in rankers:
        for strategy in chosen.values():
            pairs = []
            for seed in wanted.seeds:
                found = _search(settings, run, ground, strategy, asked, seed, wanted.budget)
                # As many evaluations as the strategy made, which may be done before its budget is spent.
                beside = _search(settings, run, ground, random_search, asked, seed, found["evaluations"])
                pairs.append((found, beside))
            print(_report(pairs, settings, ground))


def _ground(settings: Settings, run: Run) -> Ground:
    sample, space = settings.sample, settings.space.name
    window = None
    if sample.params_low is not None or sample.params_high is not None:
        window = (sample.params_low or 0.0, sample.params_high or float("inf"))
    accuracies: dict[str, float] = {}
    protocol = recipe = None
    if is_there(run.root / "accuracies"):
        with Benchmark.open(run.root) as benchmark:
            protocol, recipe = protocol_and_recipe(benchmark, settings)
            if protocol is not None:
                table = benchmark.accuracy(
                    task=settings.task.name, protocol=protocol, recipe=recipe, space=space
                )
                known = zip(table["arch_id"].to_pylist(), table["accuracy"].to_pylist(), strict=True)
                accuracies = {arch_id: accuracy for arch_id, accuracy in known if accuracy is not None}
    members = None
    if settings.search.among == "table":
        members = tuple(plan.architectures(run.root, space))
        if ACCURACY in settings.search.rankers:
            members = tuple(member for member in members if member.arch_id in accuracies)
    return Ground(window, members, accuracies, protocol, recipe)


def _search(
    settings: Settings, run: Run, ground: Ground, strategy: Strategy, asked: Ranker, seed: int, budget: int
) -> dict[str, Any]:
    """Run one search, or replay it, and return its row."""
    key = _key(settings, ground, strategy, asked, seed, budget)
    before = _before(run, key["search_id"])
    candidates = Candidates(spaces.get(settings.space.name), ground.window, ground.members)
    generator = random.Random(derive_seed("search", settings.space.name, strategy.name, seed))
    with tqdm(
        total=budget, desc=f"{strategy.name} by {asked.name} seed {seed}", unit="arch", leave=False, delay=2
    ) as bar:

        def record(objective: BudgetedObjective) -> None:
            asked.flush()
            if before.get("status") != "done":
                _write(run, _row(key, objective, None, ground, run, "running"))
            bar.update(len(objective.evaluated) - bar.n)

        earlier = dict(zip(before.get("evaluated", ()), before.get("evaluated_seconds", ()), strict=True))
        objective = BudgetedObjective(
            asked, budget, settings.search.seconds, settings.score.block or plan.UNMEASURED, record, earlier
        )
        try:
            settled = strategies.settle(strategy.function, candidates, objective, generator)
        finally:
            asked.flush()
    row = _row(key, objective, settled, ground, run, "done")
    same = ("evaluated", "evaluated_values", "arch_id", "accuracy", "status")
    if before and all(before[name] == row[name] for name in same):
        return before  # written by the run, and on the device, that did the work
    _write(run, row)
    return row


def _key(
    settings: Settings, ground: Ground, strategy: Strategy, asked: Ranker, seed: int, budget: int
) -> dict[str, Any]:
    """Return the columns that say which search it is, with the id made of all that decides it."""
    low, high = ground.window or (None, None)
    key = {
        "space": settings.space.name,
        "task": settings.task.name,
        "strategy": strategy.name,
        "ranker": asked.name,
        "seed": seed,
        "among": settings.search.among,
        "params_low": low,
        "params_high": None if high == float("inf") else high,
        "budget": budget,
        "budget_seconds": settings.search.seconds,
        "protocol": ground.protocol,
        "recipe": ground.recipe,
    }
    scores = [asdict(settings.score)[name] for name in ("seeds", "batch_size")]
    decides = json.dumps([key, deciding(settings.task), scores, getattr(asked, "names", [])], sort_keys=True)
    return {"search_id": hashlib.blake2b(decides.encode(), digest_size=8).hexdigest(), **key}


def _row(
    key: dict[str, Any],
    objective: BudgetedObjective,
    settled: Architecture | None,
    ground: Ground,
    run: Run,
    status: str,
) -> dict[str, Any]:
    values = objective.values
    found = settled or objective.best()
    on_gpu = run.device.type == "cuda"
    return {
        **key,
        "evaluations": len(values),
        "evaluated": [architecture.arch_id for architecture in values],
        "evaluated_values": list(values.values()),
        "evaluated_seconds": list(objective.evaluated.values()),
        "arch_id": found and found.arch_id,
        "value": found and values[found],
        "accuracy": found and ground.accuracies.get(found.arch_id),
        "seconds": objective.seconds,
        "gpu_days": objective.seconds / _SECONDS_A_DAY if on_gpu else None,
        "device": torch.cuda.get_device_name(run.device) if on_gpu else run.device.type,
        "status": status,
        "run_id": run.id,
    }


def _before(run: Run, search_id: str) -> dict[str, Any]:
    """Return the row of this search, finished or not; empty if there is none."""
    if not is_there(run.root / "searches" / f"{search_id}.parquet"):
        return {}
    with Benchmark.open(run.root) as benchmark:
        return benchmark.sql(f"SELECT * FROM searches WHERE search_id = '{search_id}'").to_pylist()[0]


def _write(run: Run, row: dict[str, Any]) -> None:
    write_part(run.root, "searches", [row], row["search_id"])


def gain(pairs: Sequence[Pair], draws: int, seed: int) -> tuple[str, np.ndarray, float, float, float]:
    """Return what is compared, the gain over random search of each seed, their mean, and its interval.

    pairs: rows of a search and of the random search beside it, one pair a seed.
    draws: resamples of the seeds for the 95 % interval, which is NaN for one seed.

    Accuracies are compared where all are known, else the ranker's values; NaN where a search found nothing.
    """
    known = all(row["accuracy"] is not None for pair in pairs for row in pair)
    what = "accuracy" if known else "value"
    numbers = np.array([[np.nan if row[what] is None else row[what] for row in pair] for pair in pairs])
    gains = numbers[:, 0] - numbers[:, 1]  # (seeds,)
    if len(gains) < 2 or np.isnan(gains).any():
        return what, gains, float(gains.mean()), float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    drawn = generator.choice(gains, size=(draws, len(gains))).mean(axis=1)
    return what, gains, float(gains.mean()), *interval(drawn)


def _report(pairs: Sequence[Pair], settings: Settings, ground: Ground) -> str:
    """Return as text what each seed found, with random search beside it, and the gain."""
    first = pairs[0][0]
    what, gains, mean, low, high = gain(
        pairs, settings.search.draws, derive_seed("gain", first["space"], first["strategy"])
    )
    percent = what == "accuracy"

    def said(value: float | None, signed: bool = False) -> str:
        if value is None or value != value:
            return "-"
        return f"{100 * value if percent else value:{'+' if signed else ''}.{4 if percent else 6}g}"

    unit = "accuracy in %" if percent else f"value of {first['ranker']}"
    by = f", accuracies by {ground.protocol} ({ground.recipe})" if ground.protocol else ""
    lines = [
        f"\n{first['strategy']} by {first['ranker']} among the {first['among']} of {first['space']}, "
        f"{first['task']}{by}",
        f"{'seed':>5}  {'found':<17}{'evaluations':>12}{'seconds':>9}{'GPU-days':>10}"
        f"  {unit}: found, random, gain",
    ]
    for (found, beside), apart in zip(pairs, gains, strict=True):
        days = "-" if found["gpu_days"] is None else f"{found['gpu_days']:.2g}"
        lines.append(
            f"{found['seed']:>5}  {found['arch_id'] or '-':<17}{found['evaluations']:>12}"
            f"{found['seconds']:>9.3g}{days:>10}  "
            f"{said(found[what]):>8}{said(beside[what]):>10}{said(apart, True):>10}"
        )
    over = f" [{said(low, True)}, {said(high, True)}] 95 % over {len(pairs)} seeds" if low == low else ""
    lines.append(f"gain over random search: {said(mean, True)}{over}")
    if ground.accuracies and percent:
        known = np.array(sorted(ground.accuracies.values()))
        lines.append(
            f"of the {len(known)} known accuracies the best is {said(float(known[-1]))}, "
            f"the median {said(float(np.median(known)))}"
        )
    return "\n".join(lines)
