"""A synthetic benchmark of a release's full size: 2,000 architectures, 6 tasks, 45 proxies, 5 seeds.

2.7 million scores that order the architectures as well as they were told to, two protocols, layers and
searches, so that every question of the reader and every page of the leaderboard has rows and a release can be
packed of them, a file a table as in a release: `python -m bench.full_size <folder>`. The architectures are
drawn from their space, so that a job finds nothing missing.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from store.schema import TABLES
from store.write import write_part

TASKS = ("cifar10", "cifar100", "imagenet", "pets", "spherical_cifar100", "svhn")
CONTROLS = {"params": 0.6, "macs": 0.6, "depth": 0.3, "width": 0.4, "random": 0.0}
PROXIES = (
    "az_complexity", "az_expressivity", "az_progressivity", "az_trainability", "auto_prox", "croze", "dss",
    "epe_nas", "fisher", "gennas", "grad_norm", "gradsign", "grasp", "gsnr", "head_importance", "jacov",
    "l2_norm", "l_swag", "l_swag_batch", "l_swag_lambda", "l_swag_psi", "linear_regions", "meco", "nasgraph",
    "near", "ntk_cond", "nwot", "plain", "sigeo", "snip", "softmax_confidence", "swap", "swap_reg",
    "synaptic_diversity", "synaptic_saliency", "synflow", "t_cet", "vkdnw", "w_pca", "zico",
)  # fmt: skip
SPACE, SOURCE = "autoformer-small", "synthetic"
BATCH = 64
FAILING = "grasp"  # runs out of memory on one architecture in a hundred
LAYERS, SEARCHED = 54, 200


def write_full_size(root: Path, architectures: int = 2000, seeds: int = 5, seed: int = 0) -> Path:
    """Write the benchmark under `root`, one part a table, and return it."""
    generator = np.random.default_rng(seed)
    quality = generator.standard_normal(architectures)
    write_part(
        root, "runs", [_run(task, protocol) for task in TASKS for protocol in ("supernet", "scratch")], "runs"
    )
    names = _write_architectures(root, quality, generator)
    accuracies = _write_accuracies(root, names, quality, generator)
    _write_scores(root, names, quality, seeds, generator)
    _write_layers(root, names, generator)
    _write_searches(root, names, accuracies, generator)
    return root


def mixed(quality: np.ndarray, correlation: float, generator: np.random.Generator) -> np.ndarray:
    """Numbers with the given correlation with quality."""
    noise = generator.standard_normal(len(quality))
    return correlation * quality + np.sqrt(1 - correlation**2) * noise


def _run(task: str, protocol: str) -> dict[str, Any]:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    config = {
        "task": {"name": task, "title": SOURCE, "licence": "none", "citation": "none"},
        "protocol": {"name": protocol, "recipe": {}},
        "score": {"batch_size": BATCH},
    }
    known = {
        "run_id": f"{task}-{protocol}",
        "job": "score",
        "config": json.dumps(config),
        "packages": "{}",
        "commit": "0" * 40,
        "host": "here",
        "device": "none",
    }
    empty = dict.fromkeys(TABLES["runs"].schema.names)
    return empty | known | {"started": started, "ended": started, "status": "done"}


def _write_architectures(root: Path, quality: np.ndarray, generator: np.random.Generator) -> list[str]:
    import spaces  # imported here: torch would be in the memory of all that measure a reader

    params = np.round(22e6 * np.exp(0.15 * mixed(quality, 0.6, generator))).astype(int)
    rows = []
    for place, drawn in enumerate(spaces.get(SPACE).sample(len(quality), seed=0)):
        about = {"arch_id": drawn.arch_id, "space": SPACE, "genome": drawn.genome}
        sizes = {"params": int(params[place]), "macs": int(params[place]) * 197}
        rows.append(
            about | sizes | {"sample_seed": 0, "sample_index": place, "run_id": f"{TASKS[0]}-supernet"}
        )
    write_part(root, "architectures", rows, "architectures")
    return [row["arch_id"] for row in rows]


def _write_accuracies(
    root: Path, names: list[str], quality: np.ndarray, generator: np.random.Generator
) -> dict[str, float]:
    """All inherit their weights; the first hundred are trained alone too, with two seeds and a curve."""
    parts = []
    for task in TASKS:
        known = 1 / (1 + np.exp(-(1 + 0.2 * mixed(quality, 0.95, generator))))
        parts.append(_accuracy(names, task, "supernet", 0, 500, known))
        for training in (0, 1):
            alone = 1 / (1 + np.exp(-(1 + 0.2 * mixed(quality[:100], 0.9, generator))))
            for epoch in (10, 20, 30):
                measured = alone * epoch / 30
                parts.append(_accuracy(names[:100], task, "scratch", training, epoch, measured))
    write_part(root, "accuracies", pa.concat_tables(parts), "accuracies")
    return dict(zip(names, parts[0]["accuracy"].to_pylist(), strict=True))


def _accuracy(
    names: list[str], task: str, protocol: str, seed: int, epoch: int, accuracy: np.ndarray
) -> pa.Table:
    told = {"arch_id": names, "accuracy": accuracy}
    alike = {
        "task": task,
        "protocol": protocol,
        "recipe": f"{protocol}-{task}",
        "seed": seed,
        "split": "test",
    }
    alike |= {"epoch": epoch, "images": 10_000, "seconds": 1.0, "source": SOURCE, "status": "ok"}
    alike |= {"run_id": f"{task}-{protocol}"}
    return _table("accuracies", len(names), told, alike | {"loss": None, "message": None})


def _write_scores(
    root: Path, names: list[str], quality: np.ndarray, seeds: int, generator: np.random.Generator
) -> None:
    told = dict.fromkeys(PROXIES, 0.0) | CONTROLS
    correlations = {name: CONTROLS.get(name, generator.uniform(-0.2, 0.9)) for name in sorted(told)}
    parts = []
    for task in TASKS:
        for price, (proxy, correlation) in enumerate(correlations.items(), start=1):
            shared = mixed(quality, correlation, generator)
            for seed in range(seeds):
                values = np.exp(0.9 * shared + 0.1 * generator.standard_normal(len(names)))
                failed = (np.arange(len(names)) % 100 == 7) & (proxy == FAILING)
                seconds = 0.002 * price * np.exp(0.1 * generator.standard_normal(len(names)))
                parts.append(_score(names, task, proxy, seed, values, failed, seconds))
    write_part(root, "scores", pa.concat_tables(parts), "scores")


def _score(
    names: list[str],
    task: str,
    proxy: str,
    seed: int,
    values: np.ndarray,
    failed: np.ndarray,
    seconds: np.ndarray,
) -> pa.Table:
    told = {
        "arch_id": names,
        "value": pa.array(values, mask=failed),
        "status": np.where(failed, "oom", "ok"),
        "message": pa.array(np.full(len(names), f"out of memory at batch {BATCH}"), mask=~failed),
        "seconds": seconds,
        "marginal_seconds": seconds / 2,
    }
    alike = {"task": task, "proxy": proxy, "seed": seed}
    alike |= {"peak_bytes": 2**30, "batch_size": BATCH, "image_size": 224, "run_id": f"{task}-supernet"}
    return _table("scores", len(names), told, alike)


def _write_layers(root: Path, names: list[str], generator: np.random.Generator) -> None:
    parts = []
    for place in range(LAYERS):
        tenth = 10 * place // LAYERS
        sigma = -7 + 0.2 * generator.standard_normal(len(names)) + (2.5 if tenth in (4, 5) else 0.0)
        told = {"arch_id": names, "log_sigma_mean": sigma, "lambda_term": 10 - sigma}
        alike = {"task": TASKS[0], "seed": 0, "layer": f"layer.{place}", "place": place}
        alike |= {"depth_percentile": tenth, "params": 1000, "log_sigma_std": 1.0, "status": "ok"}
        parts.append(
            _table(
                "layers",
                len(names),
                told,
                alike | {"message": None, "batch_size": BATCH, "run_id": f"{TASKS[0]}-supernet"},
            )
        )
    write_part(root, "layers", pa.concat_tables(parts), "layers")


def _write_searches(
    root: Path, names: list[str], accuracies: dict[str, float], generator: np.random.Generator
) -> None:
    rows = []
    for ranker in ("l_swag", "params"):
        for strategy, luck in (("evolution", 3.0), ("random", 1.0)):
            for seed in range(3):
                chance = np.arange(1, len(names) + 1) ** luck
                ordered = sorted(names, key=accuracies.__getitem__)
                found = generator.choice(ordered, SEARCHED, replace=False, p=chance / chance.sum()).tolist()
                values = [accuracies[name] for name in found]
                best = found[int(np.argmax(values))]
                row = dict.fromkeys(TABLES["searches"].schema.names)
                row |= {"search_id": f"{ranker}-{strategy}-{seed}", "space": SPACE, "task": TASKS[0]}
                row |= {"strategy": strategy, "ranker": ranker, "seed": seed, "among": "table"}
                row |= {"budget": SEARCHED, "evaluations": SEARCHED, "evaluated": found, "value": max(values)}
                row |= {"evaluated_values": values, "evaluated_seconds": [0.01] * SEARCHED, "arch_id": best}
                row |= {
                    "accuracy": accuracies[best],
                    "protocol": "supernet",
                    "recipe": f"supernet-{TASKS[0]}",
                }
                rows.append(
                    row
                    | {"seconds": 2.0, "device": "none", "status": "done", "run_id": f"{TASKS[0]}-supernet"}
                )
    write_part(root, "searches", rows, "searches")


def _table(name: str, rows: int, told: dict[str, Any], alike: dict[str, Any]) -> pa.Table:
    """Rows of a table: columns that differ, and values that all rows share."""
    columns = []
    for field in TABLES[name].schema:
        if field.name in told:
            column = told[field.name]
            columns.append(column if isinstance(column, pa.Array) else pa.array(column, field.type))
        else:
            columns.append(pa.repeat(pa.scalar(alike[field.name], field.type), rows))
    return pa.Table.from_arrays(columns, names=TABLES[name].schema.names)


if __name__ == "__main__":
    print(write_full_size(Path(sys.argv[1])))
