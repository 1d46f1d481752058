"""Print how far the accuracies can be trusted: their noise and ceiling, agreement, and the sanity table."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from builder import sanity
from builder.errors import BuilderError
from builder.provenance import Run
from builder.settings import Settings
from builder.text import number
from store import Benchmark
from store.location import is_there


def run(settings: Settings, run: Run) -> None:
    """Print three tables on the space and task: noise, agreement between protocols, accuracy by factor."""
    space, task, wanted = settings.space.name, settings.task.name, settings.rank
    if not is_there(run.root):
        raise BuilderError(f"No benchmark at {run.root}. Run job=accuracy root={run.root} first.")
    with Benchmark.open(run.root) as benchmark:
        noise = benchmark.noise(task, space=space, draws=wanted.draws, seed=wanted.seed).to_pylist()
        agreement = benchmark.agreement(task, space=space, draws=wanted.draws, seed=wanted.seed).to_pylist()
        factors = benchmark.factors(task, space=space).to_pylist()
    if not noise:
        raise BuilderError(f"No accuracies of {space} on {task} in {run.root}. Run job=accuracy first.")
    print(f"\nNoise of the accuracies of {space} on {task}, in points of a percentage")
    print(noise_table(noise))
    print(
        "\nsd: standard deviation over architectures, over training seeds, and of counting so many images;\n"
        "rho: Spearman between disjoint groups of seeds; ceiling: the rho a perfect proxy could reach, with\n"
        "its 95 % interval by bootstrap over architectures."
    )
    if agreement:
        print("\nAgreement of accuracies on the architectures that have both, test split")
        print(agreement_table(agreement))
    for (protocol, recipe), rows in groupby(factors, key=lambda row: (row["protocol"], row["recipe"])):
        print(f"\nMean accuracy by factor, {protocol} ({recipe}), test split")
        print(sanity.table(list(rows)))


def noise_table(rows: list[dict[str, Any]]) -> str:
    """Return the noise as text: one line a protocol, recipe and split."""
    width = max(len(_name(row)) for row in rows) + 2
    lines = [
        f"{'':<{width}}{'split':<12}{'archs':>6}{'seeds':>6}{'failed':>7}{'mean':>7}{'sd archs':>10}"
        f"{'seeds':>7}{'images':>8}{'rho':>7}  ceiling"
    ]
    for row in rows:
        mean, *spread = (
            _points(row[name]) for name in ("accuracy", "architecture_std", "seed_std", "binomial_std")
        )
        lines.append(
            f"{_name(row):<{width}}{row['split']:<12}{row['architectures']:>6}{row['seeds']:>6}"
            f"{row['failed']:>7}{mean:>7}{spread[0]:>10}{spread[1]:>7}{spread[2]:>8}"
            f"{number(row['rho']):>7}  {ceiling(row)}"
        )
    return "\n".join(lines)


def agreement_table(rows: list[dict[str, Any]]) -> str:
    """Return the agreement as text: one line a pair of (protocol, recipe)."""
    names = [
        " and ".join(f"{row[f'protocol_{one}']} ({row[f'recipe_{one}']})" for one in "ab") for row in rows
    ]
    width = max(map(len, names)) + 2
    lines = [f"{'':<{width}}{'n':>6}{'rho':>7}  {'95 %':^14}{'tau':>6}"]
    for name, row in zip(names, rows, strict=True):
        interval = f"[{number(row['low'])}, {number(row['high'])}]"
        lines.append(
            f"{name:<{width}}{row['n']:>6}{number(row['rho']):>7}  {interval:^14}{number(row['tau_b']):>6}"
        )
    return "\n".join(lines)


def ceiling(row: dict[str, Any]) -> str:
    """Return the ceiling of a row of noise with its interval, or why there is none."""
    if row["ceiling"] is None:
        return f"- ({row['reason']})"
    return f"{number(row['ceiling'])}  [{number(row['low'])}, {number(row['high'])}]"


def _name(row: dict[str, Any]) -> str:
    return f"{row['protocol']} ({row['recipe']})"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
