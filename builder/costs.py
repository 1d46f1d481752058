"""What work will take, by what earlier rows and runs took: for the cut into blocks, and before a launch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from builder.plan import Block, block_size, quoted
from builder.settings import Settings
from builder.text import clock
from store import Benchmark
from store.location import is_there

Row = dict[str, Any]


class Costs:
    """Seconds of one worker for what a command asks for, on the device that has most of the earlier rows.

    settings: the command's. root: folder of the benchmark.
    recipe:   id of the accuracies' recipe; needed for blocks of job=accuracy alone.
    """

    def __init__(self, settings: Settings, root: Path, recipe: str | None = None) -> None:
        self._settings, self._root, self._recipe = settings, root, recipe
        self.devices: set[str] = set()

    def block_size(self, job: str, proxies: Iterable[str] = ()) -> int:
        """Return how many architectures make about ten minutes of a job; its usual number if unknown."""
        return block_size(self._architecture(job, tuple(proxies)))

    def seconds(self, block: Block) -> float | None:
        """Return the seconds of a block; None where nothing like it was measured."""
        if not block.architectures:
            return self._training
        each = self._architecture(block.job, block.proxies)
        return None if each is None else each * block.size

    def _architecture(self, job: str, proxies: tuple[str, ...]) -> float | None:
        if job == "score":
            if not self._proxies.keys() >= set(proxies):
                return None
            return sum(self._proxies[name] for name in proxies)
        return self._layers if job == "layers" else self._accuracy

    @cached_property
    def _proxies(self) -> dict[str, float]:
        """Seconds of each proxy beside the others, on images of the task's size, whatever the task."""
        space, side = quoted(self._settings.space.name), self._settings.task.image_size
        rows = self._ask(
            "scores",
            f"""SELECT device, proxy, median(marginal_seconds) AS seconds, count(*) AS n
            FROM scores JOIN architectures USING (arch_id) JOIN runs ON runs.run_id = scores.run_id
            WHERE space = {space} AND image_size = {side} AND marginal_seconds IS NOT NULL
            GROUP BY device, proxy""",
        )
        return {row["proxy"]: row["seconds"] for row in self._of_one_device(rows)}

    @cached_property
    def _accuracy(self) -> float | None:
        """Seconds of an architecture's training alone, or of its evaluation where it inherits."""
        wanted = self._settings
        rows = self._ask(
            "accuracies",
            f"""SELECT device, median(accuracies.seconds) AS seconds, count(*) AS n
            FROM accuracies JOIN architectures USING (arch_id) JOIN runs ON runs.run_id = accuracies.run_id
            WHERE space = {quoted(wanted.space.name)} AND task = {quoted(wanted.task.name)}
              AND protocol = {quoted(wanted.protocol.name)} AND recipe = {quoted(self._recipe or "")}
              AND accuracies.status = 'ok'
            GROUP BY device""",
        )
        return next((row["seconds"] for row in self._of_one_device(rows)), None)

    @cached_property
    def _layers(self) -> float | None:
        """Seconds of an architecture's layers: what a run took, shared among its architectures."""
        rows = self._ask(
            "layers",
            f"""SELECT device, median(seconds) AS seconds, count(*) AS n FROM (
                SELECT device, epoch(ended - started) / count(DISTINCT (arch_id, seed)) AS seconds
                FROM layers JOIN architectures USING (arch_id) JOIN runs ON runs.run_id = layers.run_id
                WHERE space = {quoted(self._settings.space.name)} AND runs.status = 'done'
                  AND task = {quoted(self._settings.task.name)}
                GROUP BY runs.run_id, device, started, ended)
            GROUP BY device""",
        )
        return next((row["seconds"] for row in self._of_one_device(rows)), None)

    @cached_property
    def _training(self) -> float | None:
        """Seconds of a supernet's training: what runs spent beside its evaluations."""
        rows = self._ask(
            "runs",
            """SELECT device, config, runs.seconds - coalesce(evaluating, 0) AS seconds, 1 AS n
            FROM runs LEFT JOIN (
                SELECT run_id, sum(seconds) AS evaluating FROM accuracies WHERE split = 'test' GROUP BY run_id
            ) AS evaluations ON evaluations.run_id = runs.run_id
            WHERE job = 'accuracy' AND runs.seconds IS NOT NULL""",
        )
        ours = asdict(self._settings)
        alike = []
        for row in rows:
            config = json.loads(row["config"])
            same = all(config[name] == ours[name] for name in ("space", "protocol"))
            if same and config["task"]["name"] == ours["task"]["name"] and row["seconds"] > 0:
                trainings = 1 if "block" in config else len(config["accuracy"]["seeds"])
                alike.append(row | {"seconds": row["seconds"] / trainings})
        return median(row["seconds"] for row in self._of_one_device(alike)) if alike else None

    def _of_one_device(self, rows: list[Row]) -> list[Row]:
        """Return the rows of the device that has most of them, and note it."""
        counts: dict[str, int] = defaultdict(int)
        for row in rows:
            counts[row["device"]] += row["n"]
        if not counts:
            return []
        chosen = max(counts, key=lambda device: (counts[device], device))
        self.devices.add(chosen)
        return [row for row in rows if row["device"] == chosen]

    def _ask(self, table: str, query: str) -> list[Row]:
        if not is_there(self._root / table):
            return []
        with Benchmark.open(self._root) as benchmark:
            return benchmark.sql(query).to_pylist()


def estimate(costs: Costs, blocks: Iterable[Block], workers: int | None) -> str:
    """Return in a line what blocks will take.

    workers: side by side; None: not known.
    """
    found = [(costs.seconds(block), block) for block in blocks]
    known = [seconds for seconds, _ in found if seconds is not None]
    if not known:
        return "nothing like it was measured yet, so there is no estimate"
    stages: dict[int, list[float]] = defaultdict(list)
    for seconds, block in found:
        stages[block.stage].append(seconds or 0.0)
    device = " and ".join(sorted(costs.devices))
    said = f"about {clock(sum(known))} of one worker on {device}"
    if workers is not None:
        # Of a stage, at least its share and at least its longest block.
        wall = sum(max(sum(stage) / workers, *stage) for stage in stages.values())
        said += f", {clock(wall)} of {workers} side by side"
    unknown = len(found) - len(known)
    return said + (f"; not in it: {unknown} blocks like none before" if unknown else "")
