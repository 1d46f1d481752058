"""Gradient statistics of every layer of untrained networks into the table of layers: where L-SWAG looks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor

from builder import plan
from builder.by_seed import by_seed
from builder.costs import Costs
from builder.errors import BuilderError
from builder.plan import Block, Wanted, Work
from builder.provenance import Run
from builder.scoring import mini_batches, network_seed, refuse_to_mix, task_of, untrained
from builder.settings import Settings
from builder.tasks import Task
from proxies.probe import Outcome, Probe, attempt, depth_percentile
from proxies.probe.layers import weighted_layers
from proxies.probe.per_sample import Moments
from spaces import Architecture
from store import Benchmark
from store.write import part_name, write_part

_BAR = 24


def run(settings: Settings, run: Run) -> None:
    """Measure every layer of the first architectures, seed by seed, write what is missing, print the choice.

    Networks and mini-batch are those of job=score, and so are `score.batch_size` and `score.memory_gib`. An
    architecture that fails is a null with its reason in the row of each of its layers.
    """
    wanted, name = settings.layers, settings.task.name
    (chosen, todo), work = _planned(settings, run), worker(settings, run)
    for seed, summary in by_seed(f"layers {name}", wanted.seeds, todo, work):
        print(f"layers: {len(chosen)} architectures on {name}, seed {seed}: {summary}")
    _report(settings, run)


def blocks(settings: Settings, run: Run) -> list[Block]:
    """Return what the table lacks, in blocks."""
    return _planned(settings, run)[1]


def _planned(settings: Settings, run: Run) -> tuple[list[Architecture], list[Block]]:
    """Return the job's architectures, and which of them the table lacks, in blocks."""
    wanted, found = settings.layers, []
    with plan.opened(run.root, settings.space.name, "architectures", "layers") as benchmark:
        chosen = plan.architectures_of(benchmark, settings.space.name, wanted.architectures)
        refuse_to_mix(settings, benchmark, wanted.seeds, "layers")
        size = wanted.block or _asked(settings, run, chosen).block
        for seed in wanted.seeds:
            lacking = _lacking(settings, benchmark, seed, chosen)
            for group, _ in plan.cut(chosen, lacking, size):
                found.append(Block("layers", seed, _part(settings, seed, group), group))
    return chosen, found


def wanted(settings: Settings, run: Run) -> Wanted:
    """Return all that is wanted of the table, done or not."""
    return _asked(
        settings, run, plan.architectures(run.root, settings.space.name, settings.layers.architectures)
    )


def _asked(settings: Settings, run: Run, chosen: Sequence[Architecture]) -> Wanted:
    """Return what is wanted as it was noted first, else cut by what earlier runs took."""
    space, task = settings.space.name, settings.task.name
    keys: dict[str, list[Any]] = {
        "arch_id": sorted(architecture.arch_id for architecture in chosen),
        "task": [task],
        "seed": list(settings.layers.seeds),
    }
    asked = Wanted("layers", "layers", space, task, keys, by="seed", label="seed")
    return asked.noted(run.root, lambda: Costs(settings, run.root).block_size("layers"))


def worker(settings: Settings, run: Run) -> Work:
    """Return what measures a block."""
    task, wanted = task_of(settings, run), settings.score

    @lru_cache(maxsize=1)
    def batches(seed: int) -> list[Any]:
        return mini_batches(task, 1, wanted.batch_size, seed, run.device)

    def work(block: Block, done: Callable[[], object]) -> Counter[str]:
        rows: list[dict[str, Any]] = []
        measured: list[Architecture] = []
        try:
            for architecture in block.architectures:
                images = batches(block.seed)
                rows += _rows(architecture, images, task, block.seed, run, wanted.memory_gib)
                measured.append(architecture)
                done()
        finally:  # where it is told to stop, too
            if measured:
                write_part(run.root, "layers", rows, _part(settings, block.seed, measured))
        return Counter(row["status"] for row in rows)

    return work


def _part(settings: Settings, seed: int, architectures: Sequence[Architecture]) -> str:
    keys = [architecture.arch_id for architecture in architectures]
    return part_name(settings.space.name, settings.task.name, f"seed{seed}", keys=keys)


def layer_statistics(moments: Moments) -> tuple[str, float | None, float | None, float | None]:
    """Return status, mean and standard deviation of log sigma, and the term of Lambda, of one layer.

    moments: of the magnitudes of a weight's gradient over samples, (*weight). Weights that do not vary are
    left out, as in `l_swag`; a layer without any that does is "empty".
    """
    variance: Tensor = moments.variance
    if variance.isnan().any():
        return "nan", None, None, None
    sigma = variance[variance > 0].sqrt()
    if not len(sigma):
        return "empty", None, None, None
    logs = sigma.log()
    found = logs.mean().item(), logs.std(correction=0).item(), sigma.reciprocal().sum().log().item()
    return ("ok", *found) if all(map(math.isfinite, found)) else ("inf", None, None, None)


_REASONS = {
    "nan": "the gradient of a sample is NaN",
    "inf": "the gradients' spread is infinite",
    "empty": "no weight of the layer has a gradient that varies",
}


def _rows(
    architecture: Architecture,
    batches: list[Any],
    task: Task,
    seed: int,
    run: Run,
    memory_gib: float | None,
) -> list[dict[str, Any]]:
    """Return the rows of one architecture, one a layer."""
    network = untrained(architecture, task, seed)
    layers = weighted_layers(network)

    def measure() -> list[tuple[Any, Moments]]:
        probe = Probe(
            network.to(run.device),
            batches,
            network_seed(architecture, task, seed),
            ["gradient_magnitudes"],
            memory_gib=memory_gib,
        )
        return probe.gradient_magnitudes()

    outcome: Outcome[Any] = attempt(measure, run.device)
    found = {layer.name: layer_statistics(moments) for layer, moments in outcome.value or ()}
    rows = []
    for place, (name, module) in enumerate(layers.items()):
        status, mean, spread, term = found.get(name, (outcome.status, None, None, None))
        rows.append(
            {
                "arch_id": architecture.arch_id,
                "task": task.name,
                "seed": seed,
                "layer": name,
                "place": place,
                "depth_percentile": depth_percentile(place, len(layers)),
                "params": module.weight.numel(),
                "log_sigma_mean": mean,
                "log_sigma_std": spread,
                "lambda_term": term,
                "status": status,
                "message": outcome.message or _REASONS.get(status),
                "batch_size": len(batches[0][0]),
                "run_id": run.id,
            }
        )
    return rows


def _lacking(
    settings: Settings, benchmark: Benchmark, seed: int, chosen: list[Architecture]
) -> dict[str, tuple[str, ...]]:
    """Return the architectures without rows, as `plan.cut` takes; with `retry_failed` those that failed, too.

    Not `plan.lacking`: how many layers an architecture has is known once they were measured.
    """
    done = "bool_and(status = 'ok')" if settings.retry_failed else "true"
    there = benchmark.sql(
        f"""SELECT arch_id FROM layers WHERE task = {plan.quoted(settings.task.name)} AND seed = {seed}
        GROUP BY arch_id HAVING {done}"""
    )["arch_id"].to_pylist()
    return dict.fromkeys({architecture.arch_id for architecture in chosen}.difference(there), ())


def _report(settings: Settings, run: Run) -> None:
    """Print the curve by percentile, the interval the rule chooses, and the fitted one with its rho."""
    space, task, wanted = settings.space.name, settings.task.name, settings.layers
    with Benchmark.open(run.root) as benchmark:
        curve = benchmark.layers(task, space=space).to_pylist()
        intervals = benchmark.layer_intervals(
            task, space=space, draws=wanted.draws, seed=wanted.halves_seed
        ).to_pylist()
    if not curve:
        raise BuilderError(f"No layer of {space} on {task} could be measured; table layers says why.")
    print(f"\nlog sigma of the gradients of {space} on {task} by tenth of the depth")
    print(curve_table(curve))
    inside = [row["percentile"] for row in curve if row["spike"]]
    print(
        f"\nThe spikes, by the curve alone: {inside[0]}-{inside[-1]}. "
        f"Score with it: 'proxies.names=[\"l_swag[interval={inside[0]}-{inside[-1]}]\"]'"
    )
    if not intervals:
        print("No accuracies here: nothing was fitted.")
    for row in intervals:
        if row["whole"] or row["spike"] or row["fitted"]:
            print(interval_line(row))


def curve_table(rows: list[dict[str, Any]]) -> str:
    """Return the curve as text: one line a tenth of the depth, its mean drawn between the extremes."""
    means = [row["log_sigma"] for row in rows]
    low, span = min(means), (max(means) - min(means)) or 1.0
    lines = [f"{'tenth':>5}{'mean':>9}{'spread':>9}{'layers':>9}{'archs':>7}"]
    for row in rows:
        bar = "#" * (1 + round((row["log_sigma"] - low) / span * (_BAR - 1)))
        spread = "-" if row["spread"] is None else f"{row['spread']:.3f}"
        lines.append(
            f"{row['percentile']:>5}{row['log_sigma']:>9.3f}{spread:>9}{row['layers']:>9}"
            f"{row['architectures']:>7}  {'*' if row['spike'] else ' '} {bar}"
        )
    return "\n".join(lines)


def interval_line(row: dict[str, Any]) -> str:
    """Return what Lambda over one interval says of the accuracies, and how the interval was chosen."""
    names = {"whole": "all layers", "spike": "spikes", "fitted": "FITTED to accuracies, not zero-shot"}
    chosen = " = ".join(name for key, name in names.items() if row[key])

    def said(name: str) -> str:
        return "-" if row[name] is None else f"{row[name]:.3f}"

    return (
        f"{row['protocol']} ({row['recipe']}) {row['first']}-{row['last']} {chosen}: rho of Lambda "
        f"{said('rho')} on all {row['n']}; on the half that intervals are fitted on "
        f"{said('rho_fitting')}, on the other {said('rho_other')} [{said('low')}, {said('high')}]"
    )
