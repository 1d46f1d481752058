"""Whether the rows that a piece of the queue was to write are all there, and are what such rows must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

import proxies
from builder.plan import quoted
from builder.protocols.rows import EVALUATED, recipe_id, recipe_of
from builder.settings import Settings
from store import TABLES, Benchmark, StoreError
from store.parts import damaged_part, find_parts

# A trained network is above this multiple of what guessing gives; the worst of them may come close to it.
_ABOVE_CHANCE, _LEAST_ABOVE_CHANCE = 1.5, 1.2
# Between architectures a hundredth of a point of a percentage, or nothing was measured.
_LEAST_SPREAD = 1e-4
# A proxy that fails more often is broken here.
_FINITE_SHARE = 0.98


@dataclass
class Verdict:
    """What was found of what was wanted, what is wrong with it, and what a person should read."""

    found: int
    wanted: int
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every row is there."""
        return self.found == self.wanted

    def line(self, piece: str) -> str:
        """Return the one line that counts."""
        if self.problems:
            return f"PIECE {piece}: FAILED: {'; '.join(self.problems)}"
        if not self.complete:
            return f"PIECE {piece}: unfinished: {self.found:,} of {self.wanted:,} rows"
        return f"PIECE {piece}: done" + (f", {self.found:,} rows" if self.wanted else "")

    @property
    def exit_code(self) -> int:
        """Return 1 where something is wrong, 3 where rows are missing, else 0."""
        return 1 if self.problems else 0 if self.complete else 3


def check(root: Path, settings: Settings) -> Verdict:
    """Judge the rows of the last of a configuration's jobs, accuracy or score.

    root:     folder of the benchmark
    settings: what the jobs were told

    What only all rows together can show, such as a spread, is judged once they are all there.
    """
    job = settings.jobs[-1]
    wanted = _architectures(settings) * (
        len(settings.accuracy.seeds) * len(EVALUATED)
        if job == "accuracy"
        else len(settings.score.seeds) * len(proxies.resolve(settings.proxies.names))
    )
    if not root.is_dir():
        return Verdict(0, wanted)
    try:
        parts = find_parts(root)
        damage = [text for name in TABLES if (text := damaged_part(parts[name]))]
        if damage:
            return Verdict(0, wanted, damage)
        with Benchmark.open(root) as benchmark:
            judge = _accuracies if job == "accuracy" else _scores
            return judge(benchmark, settings, wanted)
    except StoreError as error:
        return Verdict(0, wanted, [str(error)])


def _architectures(settings: Settings) -> int:
    """Return how many architectures the job is about."""
    accuracy = settings.jobs[-1] == "accuracy"
    first = settings.accuracy.architectures if accuracy else settings.score.architectures
    return min(first or settings.sample.n, settings.sample.n)


def _rows(benchmark: Benchmark, settings: Settings, table: str, columns: str, where: str) -> list[Any]:
    return benchmark.sql(
        f"""SELECT {columns} FROM {table} JOIN architectures USING (arch_id)
        WHERE space = {quoted(settings.space.name)} AND task = {quoted(settings.task.name)}
          AND sample_seed = {settings.sample.seed} AND sample_index < {_architectures(settings)} AND {where}
        ORDER BY arch_id, seed"""
    ).to_pylist()


def _accuracies(benchmark: Benchmark, settings: Settings, wanted: int) -> Verdict:
    protocol, recipe = settings.protocol.name, recipe_id(settings)
    rows = _rows(
        benchmark,
        settings,
        "accuracies",
        "arch_id, seed, split, accuracy, status, message, params",
        f"""protocol = {quoted(protocol)} AND recipe = {quoted(recipe)}
        AND epoch = {recipe_of(settings).epochs} AND seed IN ({_listed(settings.accuracy.seeds)})
        AND split IN ({", ".join(map(quoted, EVALUATED))})""",
    )
    verdict = Verdict(len(rows), wanted)
    failed = [row for row in rows if row["accuracy"] is None]
    for message, count in Counter(row["message"] for row in failed).most_common():
        verdict.problems.append(f"{count} of {len(rows)} accuracies are null: {message}")
    test = [row for row in rows if row["split"] == "test" and row["accuracy"] is not None]
    if not verdict.complete or not test:
        return verdict
    values = sorted(row["accuracy"] for row in test)
    mean, chance = sum(values) / len(values), 1 / settings.task.classes
    verdict.notes.append(
        f"{protocol} {recipe} on {settings.task.name}: test accuracy {values[0]:.4f} to {values[-1]:.4f}, "
        f"mean {mean:.4f}, {len(set(values))} different among {len(values)}"
    )
    for what, value, least in (("mean", mean, _ABOVE_CHANCE), ("least", values[0], _LEAST_ABOVE_CHANCE)):
        if value < least * chance:
            verdict.problems.append(
                f"the {what} accuracy {value:.4f} is below {least:g} times what guessing gives ({chance:.4f})"
            )
    if len(values) > 1 and values[-1] - values[0] < _LEAST_SPREAD:
        verdict.problems.append(f"all {len(values)} accuracies are {mean:.4f}: nothing was measured")
    else:
        rho = _rho([row["params"] for row in test], [row["accuracy"] for row in test])
        verdict.notes.append(f"rho of params: {rho} over {len(test)} test accuracies")
    return verdict


def _scores(benchmark: Benchmark, settings: Settings, wanted: int) -> Verdict:
    names = proxies.resolve(settings.proxies.names)
    rows = _rows(
        benchmark,
        settings,
        "scores",
        "proxy, scores.value, status, message, params",
        f"""seed IN ({_listed(settings.score.seeds)}) AND proxy IN ({", ".join(map(quoted, names))})
        AND batch_size = {settings.score.batch_size}""",
    )
    verdict = Verdict(len(rows), wanted)
    asked = Counter(row["proxy"] for row in rows)
    failed = Counter(row["proxy"] for row in rows if row["status"] != "ok")
    reasons = Counter((r["proxy"], r["status"], r["message"]) for r in rows if r["status"] != "ok")
    for (proxy, status, message), count in reasons.most_common():
        verdict.notes.append(f"{proxy}: {count} of {asked[proxy]} {status}: {message}")
    for proxy, count in failed.items():
        if verdict.complete and count > (1 - _FINITE_SHARE) * asked[proxy]:
            verdict.problems.append(f"{proxy} failed {count} times of {asked[proxy]}")
    if not rows:
        return verdict
    verdict.notes.append(
        f"scores on {settings.task.name}: {len(rows) - sum(failed.values()):,} of {len(rows):,} finite, "
        f"{len(asked)} proxies"
    )
    constant = [
        name
        for name in asked
        if len({row["value"] for row in rows if row["proxy"] == name and row["status"] == "ok"}) == 1
        and asked[name] > failed[name] + 1
    ]
    if verdict.complete and constant:
        verdict.notes.append(f"the same for all architectures: {', '.join(constant)}")
    params = [row for row in rows if row["proxy"] == "params" and row["value"] is not None]
    if verdict.complete and params:
        rho = _rho([row["params"] for row in params], [row["value"] for row in params])
        verdict.notes.append(f"rho of params: {rho} between the scores and the table of architectures")
    return verdict


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _rho(first: list[float], second: list[float]) -> str:
    """Return Spearman's rho as text; "-" where one of the two is constant or there are too few."""
    if min(len(set(first)), len(set(second))) < 3:
        return "-"
    return f"{spearmanr(first, second).statistic:.2f}"
