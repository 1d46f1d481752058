"""What a release says of itself in words: the data-set card, how to cite it, and what changed."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from store.benchmark import Benchmark
from store.release.manifest import File, Manifest

HOW = {
    "supernet": "inherited from a trained one-shot supernet; not trained alone",
    "scratch": "trained alone from its own initial weights",
    "finetune": "tuned from inherited weights",
    "published": "somebody else's number, imported; `source` says whose",
}
HERE = Path(__file__).parent
OF_CEILINGS = ("task", "space", "protocol", "recipe", "split", "architectures", "seeds")


def card(manifest: Manifest, files: Sequence[File], noise: list[dict[str, Any]], recipes: str) -> str:
    """The data-set card: front matter for the hub, then what is in the release and what it is worth.

    files:   the Parquet files. noise: rows of `Benchmark.noise`. recipes: as `recipes` writes them
    """
    of_accuracies = ("task", "space", "protocol", "recipe", "split", "rows", "failed")
    return (
        (HERE / "card.md")
        .read_text()
        .format(
            front_matter=_front_matter(manifest, files),
            version=manifest.version,
            task=next(iter(manifest.tasks)),
            files=_table(
                ("file", "rows", "bytes", "one row is"),
                [(f"`{file.path}`", f"{file.rows:,}", f"{file.bytes:,}", _about(file)) for file in files],
            ),
            tasks=_table(
                ("task", "images", "licence of the images", "cite"),
                [
                    (f"`{name}`", task["title"], task["licence"], task["citation"])
                    for name, task in manifest.tasks.items()
                ],
            ),
            accuracies=_table(
                (*of_accuracies, "how"),
                [
                    (*(row[name] for name in of_accuracies), HOW.get(row["protocol"], ""))
                    for row in manifest.counts["accuracies"]
                ],
            ),
            recipes=recipes,
            proxies=_table(
                ("proxy", "principle", "source", "of the data it needs"),
                [
                    (f"`{name}`", about["principle"], about["source"], about["data"])
                    for name, about in manifest.proxies.items()
                ],
            ),
            ceilings=_table(
                (*OF_CEILINGS[:-1], "training seeds", "ceiling"),
                [_ceiling(row) for row in noise],
            ),
        )
    )


def recipes(benchmark: Benchmark) -> str:
    """The training recipes behind the accuracies, from the configurations of the runs that wrote them."""
    rows = benchmark.connection.query(
        """SELECT task, protocol, recipe, json_extract_string(config, '$.protocol.recipe') AS settings
        FROM accuracies JOIN runs USING (run_id)
        GROUP BY ALL HAVING settings IS NOT NULL ORDER BY ALL"""
    ).to_pylist()
    lines = [
        f"- `{row['task']}`, {row['protocol']}, `{row['recipe']}`: {_settings(row['settings'])}.\n"
        for row in rows
    ]
    return "".join(["The recipes:\n\n", *lines]) if lines else ""


def citation(manifest: Manifest) -> str:
    """CITATION.cff of the data."""
    return (HERE / "citation.cff").read_text().format(version=manifest.version, date=manifest.date)


def first(version: str) -> str:
    """CHANGES.md of a release that has none before it."""
    return f"# Changes\n\n## {version}\n\nThe first release: there is none that it could differ from.\n"


def changes(version: str, before: str, difference: pa.Table, moves: pa.Table) -> str:
    """CHANGES.md: rows that differ from the release before, and the proxies whose rank moved."""
    rows = [row for row in difference.to_pylist() if row["added"] or row["removed"] or row["changed"]]
    parts = [f"# Changes\n\n## {version}, since {before}\n"]
    names = ("table", "space", "task", "what", "added", "removed", "changed", "same")
    parts.append(
        _table(names, [[row[name] for name in names] for row in rows]) if rows else "No row changed.\n"
    )
    parts.append("### Ranks that moved\n")
    moved = moves.to_pylist()
    head = ("task", "space", "protocol", "recipe", "proxy", "rank", "rho")
    parts.append(
        _table(
            head,
            [
                (
                    *(row[name] for name in head[:5]),
                    f"{_or_none(row['old_rank'])} to {_or_none(row['rank'])}",
                    f"{_number(row['old_rho'])} to {_number(row['rho'])}",
                )
                for row in moved
            ],
        )
        if moved
        else "None.\n"
    )
    return "\n".join(parts)


def _front_matter(manifest: Manifest, files: Iterable[File]) -> str:
    rows = sum(file.rows or 0 for file in files)
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    size = next((name for bound, name in bounds if rows < bound), "1M<n<10M")
    configs = "".join(
        f"- config_name: {file.path.partition('/')[0]}\n  data_files: {file.path}\n"
        + ("  default: true\n" if file.path.startswith("rankings/") else "")
        for file in files
    )
    return f"""---
license: cc-by-4.0
pretty_name: ViT-Zero-Bench
tags:
- neural-architecture-search
- zero-cost-proxies
- vision-transformers
- benchmark
size_categories:
- {size}
configs:
{configs}---
"""


def _about(file: File) -> str:
    about = {
        "architectures": "an architecture: space, genome, params, macs",
        "accuracies": "an accuracy on a task, by protocol, recipe, seed, split and epoch",
        "scores": "a proxy's value for an architecture on a task with a seed, or why there is none",
        "layers": "the gradient statistics of one layer",
        "searches": "a search: what it evaluated, in order, and what it found",
        "runs": "who wrote the rows: configuration, commit, packages, device, time",
        "rankings": "a proxy's rho on a task, with its interval: computed from the other tables",
    }
    return about[file.path.partition("/")[0]]


def _settings(recipe: str) -> str:
    """A recipe's settings in one line; those of the augmentation that do nothing are left out."""
    values = json.loads(recipe)
    augmentation = {name: value for name, value in (values.pop("augmentation", None) or {}).items() if value}
    shown = {**values, **augmentation}
    return ", ".join(
        f"{name} {value}" for name, value in shown.items() if name != "name" and value is not None
    )


def _ceiling(row: dict[str, Any]) -> tuple[Any, ...]:
    ceiling = row["ceiling"]
    told = (
        f"{ceiling:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        if ceiling is not None
        else f"none: {row['reason']}"
    )
    return (*(row[name] for name in OF_CEILINGS), told)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[("" if cell is None else str(cell)).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _or_none(rank: int | None) -> str:
    return "none" if rank is None else str(rank)


def _number(rho: float | None) -> str:
    return "none" if rho is None else f"{rho:z.2f}"
