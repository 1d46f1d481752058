"""The published protocol: accuracies measured by others, read by genome, never by position."""

from __future__ import annotations

from typing import Any

import spaces
from builder import plan
from builder.errors import BuilderError
from builder.plan import quoted
from builder.provenance import Run
from builder.published.accuracies import SEPARATOR, Accuracies, of_importer
from builder.published.check import Check, check, factors_of
from builder.published.table import of_table
from builder.settings import Settings
from spaces import Architecture, Space
from store import Benchmark
from store.write import part_name, write_part


def run(settings: Settings, run: Run) -> None:
    """Import accuracies, and the architectures they speak of, of an importer's columns or of one table.

    A column that its check refuses is not imported, unless `protocol.published.check=false`; the others are,
    and then BuilderError says which was refused and why.

    The published network is taken for the space's architecture of the same genome. Whether it was built and
    trained as ours would be is the source's matter: the rows carry its name and are never mixed with others.
    """
    published = settings.protocol.published
    if published is None:
        raise BuilderError(
            "Protocol 'published' needs a table: set protocol.published.path= and the fields beside it."
        )
    space = spaces.get(settings.space.name)
    if published.importer is None:
        found = [of_table(published, space)]
    else:
        found = of_importer(published, space, settings.task.name, run.cache)
    refused = []
    for accuracies in found:
        checked = _checked(space, accuracies)
        if checked.refused and published.check:
            refused.append(f"'{accuracies.column}' (recipe {accuracies.recipe}): {checked.summary}")
        else:
            _import(settings, space, accuracies, checked, run)
    if refused:
        raise BuilderError(
            f"Not imported, {'; '.join(refused)}. To import it all the same: protocol.published.check=false."
        )


def _checked(space: Space, accuracies: Accuracies) -> Check:
    architectures = list(accuracies.values)
    return check(list(accuracies.values.values()), factors_of(space, architectures))


def _import(settings: Settings, space: Space, accuracies: Accuracies, checked: Check, run: Run) -> None:
    """Write what is new of a column, and say what it was."""
    known = _known(settings, accuracies, run)
    new = plan.missing(
        run.root, "architectures", [plan.architecture_row(space, a, run) for a in accuracies.values]
    )
    if new:
        name = part_name(space.name, "published", keys=[row["arch_id"] for row in new])
        write_part(run.root, "architectures", new, name)
    rows = [_accuracy_row(settings, accuracies, a, value, run) for a, value in accuracies.values.items()]
    changed = [row for row in rows if known.get(row["arch_id"]) != _said(row)]
    if changed:
        keys = [row["arch_id"] for row in changed]
        name = part_name(space.name, settings.task.name, "published", accuracies.recipe, keys=keys)
        write_part(run.root, "accuracies", changed, name)
    low, high = min(accuracies.values.values()), max(accuracies.values.values())
    broken = "IMPORTED AGAINST ITS CHECK, " if checked.refused else ""
    print(
        f"accuracy: {len(rows)} published accuracies '{accuracies.column}' of {space.name} on "
        f"{settings.task.name} (recipe {accuracies.recipe}), {low:.2%} to {high:.2%}, {len(changed)} of "
        f"them new; {broken}{checked.summary}; {accuracies.without} rows had no value"
    )


def _said(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what of a row is its source's; where it differs from before, the row is written anew."""
    return tuple(row[name] for name in ("accuracy", "images", "source"))


def _known(settings: Settings, accuracies: Accuracies, run: Run) -> dict[str, tuple[Any, ...]]:
    """Return what was imported before under this recipe; BuilderError if they are another's."""
    with Benchmark.open(run.root) as benchmark:
        rows = benchmark.sql(
            f"""SELECT arch_id, accuracy, images, source FROM accuracies JOIN architectures USING (arch_id)
            WHERE protocol = 'published' AND space = {quoted(settings.space.name)}
              AND task = {quoted(settings.task.name)} AND recipe = {quoted(accuracies.recipe)}"""
        ).to_pylist()
    for row in rows:
        whose = row["source"].partition(SEPARATOR)[0]
        if whose != accuracies.source.partition(SEPARATOR)[0]:
            raise BuilderError(
                f"Recipe '{accuracies.recipe}' in {run.root} holds accuracies of '{whose}'. "
                "Name these with protocol.published.recipe=."
            )
    return {row["arch_id"]: _said(row) for row in rows}


def _accuracy_row(
    settings: Settings, accuracies: Accuracies, architecture: Architecture, accuracy: float, run: Run
) -> dict[str, Any]:
    return {
        "arch_id": architecture.arch_id,
        "task": settings.task.name,
        "protocol": "published",
        "recipe": accuracies.recipe,
        "seed": 0,
        "split": accuracies.split,
        "epoch": 0,  # the sources report an end of training, not its length
        "accuracy": accuracy,
        "loss": None,
        "images": accuracies.images,
        "seconds": None,
        "source": accuracies.source,
        "status": "ok",
        "message": None,
        "run_id": run.id,
    }
