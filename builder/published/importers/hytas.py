"""HyTAS: about 2,000 transformers, each trained alone on five hyperspectral images."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from builder.published.importer import Column, Entry, File, Importer, one_width, register


def read(path: Path) -> Iterator[Entry]:
    """Read one of its CSV files: lists are written as JSON, beside accuracy, flops and proxies."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            genome = {
                "depth": int(row["layer_num"]),
                "embed_dim": one_width(json.loads(row["embed_dim"])),
                "mlp_ratio": json.loads(row["mlp_ratio"]),
                "num_heads": json.loads(row["num_heads"]),
            }
            yield genome, {"OA": float(row["OA"]) if row["OA"] else None}


_SHA256 = {
    "indian": "c4a63362233d788313733ba337b1380d5dac0c729240bf4d22536e1891c7d3da",
    "pavia": "6c6fab75c844d5e7869b4a88c637f98392ee3e87700bf3dad47425ae0bcd43f9",
    "salinas": "a0437f9d123373e0bcd748396ad4f58d19877a5a68cef03527a036ae86dfa36f",
    "houston": "d21f27b43712afdfa4ae0f2b909a029e1f32d3fbc763720783ec8b1adf1ba13a",
    "ksc": "221351532ad58739994f7f0aa294b36ca2bd0384a5a7bb5e361676f3f5dfe032",
}

register(
    Importer(
        name="hytas",
        title="HyTAS",
        repository="zhoufangqin/HyTAS",
        commit="6439b86ab77ffdb1b0af5e978b4c6e8ffc6483d5",
        citation="Zhou, Kilickaya, Vanschoren, Piao, HyTAS: A Hyperspectral Image Transformer Architecture "
        "Search Benchmark and Analysis, ECCV 2024",
        licence="no licence file",
        recipes={
            "hytas-alone": "Overall accuracy at the end of 300 epochs, each network trained alone, by the "
            "released script: AdamW, weight decay 0.005, drop-path 0.1, batches of 64 on each of 5 GPUs.",
        },
        networks="One token for each spectral band (its 7 x 7 pixels and its neighbours'), the class token "
        "classifies, and a convolution over tokens mixes every block's input with that of two blocks before, "
        "which their figure of parameters leaves out. The blocks are ours: with their tokens in place of our "
        "square grid, our closed form gives the published parameters of all 9,965 networks, to the unit "
        "(Pavia takes 7 bands a token, the others 3).",
        beware="The images are not in the repository but for Indian Pines, so that no network of ours is "
        "trained on them here. The proxies in the files are not imported: `synflow` is the same in all five.",
        columns=tuple(
            Column(
                File(f"results/{task}_2000_new_all.csv", sha256),
                key="OA",
                space="hytas",
                task=task,
                recipe="hytas-alone",
                scale=1.0,
            )
            for task, sha256 in _SHA256.items()
        ),
        read=read,
    )
)
