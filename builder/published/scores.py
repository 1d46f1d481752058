"""Published scores: what others' code gave for a proxy, as a proxy of its own beside ours."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import spaces
from builder import plan
from builder.errors import BuilderError
from builder.provenance import Run
from builder.published import files, importer
from builder.published.accuracies import OF_ANOTHER_FORMAT
from builder.published.importer import Importer, Scores
from builder.settings import Settings
from builder.sources import reason
from spaces import Architecture, Space, SpaceError
from store.write import part_name, write_part

FAILED = -1e7  # below it NASLib's -1e8, which it writes for NaN and infinity


def run(settings: Settings, run: Run) -> None:
    """Import the scores that a source has for the space and task, and the architectures they speak of.

    A score stands under the name `importer/proxy`: it is the source's, never mixed with ours. One that failed
    there is a null with that reason.

    Raises BuilderError as importing accuracies does.
    """
    space, name = spaces.get(settings.space.name), str(settings.score.importer)
    wanted = importer.get(name).scores_of(space.name, settings.task.name)
    found = of_importer(name, settings.score.path, space, settings.task.name, run)
    rows = [plan.architecture_row(space, architecture, run) for architecture in found]
    new = plan.missing(run.root, "architectures", rows)
    if new:
        part = part_name(space.name, "scored", keys=[row["arch_id"] for row in new])
        write_part(run.root, "architectures", new, part)
    scores = [
        _row(architecture, f"{name}/{proxy}", value, wanted, run)
        for architecture, values in found.items()
        for proxy, value in values.items()
    ]
    absent = plan.missing(run.root, "scores", scores)
    if absent:
        keys = [(row["arch_id"], row["proxy"]) for row in absent]
        write_part(run.root, "scores", absent, part_name(space.name, wanted.task, name, keys=keys))
    counts = Counter(row["status"] for row in scores)
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(
        f"score: {len(found)} architectures of {space.name} on {wanted.task} scored by {name} with "
        f"{len(wanted.keys)} proxies: {summary}; {len(absent)} of them new"
    )


def of_importer(
    name: str, path: str | None, space: Space, task: str, run: Run
) -> dict[Architecture, dict[str, float | None]]:
    """Return `read`'s scores of a space on a task, of a local copy at path, or fetched into the run's cache.

    Raises BuilderError when the source has none, or the file is not the right one.
    """
    source = importer.get(name)
    wanted = source.scores_of(space.name, task)
    at = files.located(source, [wanted.file], path, run.cache)[wanted.file]
    found = read(source, wanted, space, at)
    if wanted.sha256 != digest(found):
        raise BuilderError(
            f"{at}: its scores have sha256 {digest(found)}, expected {wanted.sha256}. It is another "
            f"version of {source.address(wanted.file)}, or damaged."
        )
    return found


def read(
    source: Importer, wanted: Scores, space: Space, path: Path
) -> dict[Architecture, dict[str, float | None]]:
    """Return the scores of every architecture by our names of the proxies; None: it failed there.

    A network that stands there twice keeps the scores of the first.

    Raises BuilderError, naming file and row, for a genome outside the space and a file of another format.
    """
    found: dict[Architecture, dict[str, float | None]] = {}
    try:
        for number, (genome, values) in enumerate(source.read(path), start=1):
            mine = {proxy: values[key] for proxy, key in wanted.keys.items() if key in values}
            if not mine:
                continue
            try:
                architecture = space.architecture(genome)
                space.validate(architecture)
            except SpaceError as error:
                raise BuilderError(f"{path}, row {number}: {error}") from None
            scores = {
                proxy: None if value is None or not value > FAILED else float(value)
                for proxy, value in mine.items()
            }
            found.setdefault(architecture, scores)
    except OF_ANOTHER_FORMAT as error:
        raise BuilderError(
            f"{path} cannot be read as {source.name} wrote it ({reason(error)}). Expected the file at "
            f"{source.address(wanted.file)}."
        ) from None
    if not found:
        raise BuilderError(f"{path} has no scores of {space.name} on {wanted.task}.")
    return found


def digest(found: dict[Architecture, dict[str, float | None]]) -> str:
    """Return the sha256 of scores: of `genome proxy value`, line by sorted line."""
    lines = sorted(
        f"{architecture.genome} {proxy} {value!r}\n"
        for architecture, values in found.items()
        for proxy, value in values.items()
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _row(
    architecture: Architecture, name: str, value: float | None, wanted: Scores, run: Run
) -> dict[str, Any]:
    return {
        "arch_id": architecture.arch_id,
        "task": wanted.task,
        "proxy": name,
        "seed": 0,
        "value": value,
        "status": "ok" if value is not None else "nan",
        "message": None if value is not None else "The source has no number, or one that stands for none.",
        "seconds": None,
        "marginal_seconds": None,
        "peak_bytes": None,
        "batch_size": wanted.batch_size,
        "image_size": wanted.image_size,
        "run_id": run.id,
    }
