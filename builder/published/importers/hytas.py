"""HyTAS: about 2,000 transformers, each trained alone on five hyperspectral images."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from builder.published.importer import Column, Entry, Importer, one_width, register

_READ = {"layer_num", "embed_dim", "mlp_ratio", "num_heads", "OA"}


def read(path: Path) -> Iterator[Entry]:
    """Read one of its CSV files: lists are written as JSON, beside accuracy, flops and proxies."""
    with path.open(newline="") as file:
        table = csv.DictReader(file)
        missing = _READ - set(table.fieldnames or ())
        if missing:  # a page of a single line, say, has no row that would tell
            raise ValueError(f"it has no column {', '.join(sorted(missing))}")
        for row in table:
            genome = {
                "depth": int(row["layer_num"]),
                "embed_dim": one_width(json.loads(row["embed_dim"])),
                "mlp_ratio": json.loads(row["mlp_ratio"]),
                "num_heads": json.loads(row["num_heads"]),
            }
            yield genome, {"OA": float(row["OA"]) if row["OA"] else None}


_SHA256 = {
    "indian": "4c83230a559232f5bc2925343e92cf38fedc8551b992026665008a01d0324434",
    "pavia": "ebdce9f46c744ebcc128e39e632e61599057f067ea40b79038460634811b2f8a",
    "salinas": "f949b1ed7e1fdaf99eefd641bc7dd1ec8ddcb793000647b3af341f47674a2b94",
    "houston": "d29e01c82d4697ca3f8c7e0da288be5420a1eaab08f06bf818063a79ead466f0",
    "ksc": "60c23a5bd81c01d6ea6fb4a1318c34913953bd799fc0ecfa2dc17103f070b4b2",
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
                f"results/{task}_2000_new_all.csv",
                key="OA",
                space="hytas",
                task=task,
                recipe="hytas-alone",
                sha256=sha256,
                scale=1.0,
            )
            for task, sha256 in _SHA256.items()
        ),
        read=read,
    )
)
