"""Print how well every proxy orders the architectures, with what is needed to believe it."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from builder.errors import BuilderError
from builder.provenance import Run
from builder.settings import Settings
from builder.text import number
from store import Benchmark

_BAR = 31  # an odd width has a middle, where rho is 0


def run(settings: Settings, run: Run) -> None:
    """Print one table for every (protocol, recipe) of the space and task, best proxy first."""
    wanted = settings.rank
    with Benchmark.open(run.root) as benchmark:
        rows = benchmark.rank(
            task=settings.task.name,
            space=settings.space.name,
            scores_from=wanted.scores_from,
            shared=wanted.shared,
            draws=wanted.draws,
            seed=wanted.seed,
        ).to_pylist()
        noise = benchmark.noise(
            settings.task.name, space=settings.space.name, split="test", draws=wanted.draws, seed=wanted.seed
        ).to_pylist()
    if not rows and wanted.shared:
        raise BuilderError(f"No architecture in {run.root} was scored by every proxy. Use rank.shared=false.")
    if not rows:
        raise BuilderError(
            f"Nothing to rank for {settings.space.name} on {settings.task.name} in {run.root}. "
            "Run job=accuracy and job=score first."
        )
    # Of the architectures that all proxies scored, which may be few, the ceiling is another.
    ceilings = {
        (row["protocol"], row["recipe"]): row | ({"ceiling": None} if wanted.shared else {}) for row in noise
    }
    for (protocol, recipe), group in groupby(rows, key=lambda row: (row["protocol"], row["recipe"])):
        print(f"\n{settings.space.name} on {settings.task.name}, accuracies by {protocol} ({recipe})")
        print(table(list(group), ceilings[protocol, recipe]))
    print(
        "\nrho: Spearman, 95 % interval by bootstrap over architectures; tau: Kendall's tau-b;\n"
        "|params: rho given params; ms: median milliseconds an architecture, shared passes in full;\n"
        "* control, to compare with; (ceiling): what a perfect proxy could reach, where training seeds tell."
    )


def table(rows: list[dict[str, Any]], noise: dict[str, Any]) -> str:
    """Return a ranking as text: one line a proxy, its rho drawn from -1 to 1 with the interval around it.

    noise: the row of `Benchmark.noise` for these accuracies; its ceiling, if there is one, stands on top
    """
    width = max(len(name) + 2 for name in ("(ceiling)", *(row["proxy"] for row in rows)))
    head = f"{'':>3} {'proxy':<{width}}{'rho':>6}  {'95 %':^14}{'tau':>6}{'|params':>9}"
    head += f"{'n':>6}{'failed':>8}{'unscored':>10}{'ms':>9}"
    lines = [f"{head}  {'-1':<{_BAR // 2}}0{'1':>{_BAR // 2}}"]
    if noise["ceiling"] is not None:
        top = {**noise, "rho": noise["ceiling"]}
        interval = f"[{number(top['low'])}, {number(top['high'])}]"
        apart = " " * 50  # the columns that only a proxy has
        line = f"{'':>3} {'(ceiling)':<{width}}{number(top['rho']):>6}  {interval:^14}{apart}{_bar(top)}"
        lines.append(line.rstrip())
    for row in rows:
        name = row["proxy"] + ("*" if row["control"] else "")
        interval = f"[{number(row['low'])}, {number(row['high'])}]"
        milliseconds = "-" if row["seconds"] is None else f"{1000 * row['seconds']:.1f}"
        rho, tau, given = (number(row[column]) for column in ("rho", "tau_b", "rho_given_params"))
        lines.append(
            f"{row['rank'] or '-':>3} {name:<{width}}{rho:>6}  {interval:^14}{tau:>6}{given:>9}"
            f"{row['n']:>6}{row['failed']:>8}{row['unscored']:>10}{milliseconds:>9}  {_bar(row)}".rstrip()
        )
    return "\n".join(lines)


def _bar(row: dict[str, Any]) -> str:
    """Draw the interval as a line, rho as a point and 0 as a mark."""
    drawn = [" "] * _BAR
    drawn[_BAR // 2] = "|"

    def place(value: float) -> int:
        return round((value + 1) / 2 * (_BAR - 1))

    if row["low"] is not None and row["high"] is not None:
        for position in range(place(row["low"]), place(row["high"]) + 1):
            drawn[position] = "-"
    if row["rho"] is not None:
        drawn[place(row["rho"])] = "o"
    return "".join(drawn)
