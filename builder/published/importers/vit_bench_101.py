"""ViT-Bench-101, the ground truth of Auto-Prox: 200 networks of AutoFormer-Tiny's genomes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from builder.published.importer import Column, Entry, File, Importer, register

_FIRST = File("gt_results/gt_autoformer.pth")
_SECOND = File("gt_results/gt_autoformer_2.pth")
_TASKS = {"c100": "cifar100", "flower": "flowers102", "chaoyang": "chaoyang"}
_KEYS = (
    *(f"{short}_{kind}_acc" for short in _TASKS for kind in ("base", "kd")),
    "imagenet_super_acc",
)


def read(path: Path) -> Iterator[Entry]:
    """Read one of its files: a list of networks, each an `arch` and its accuracies by name."""
    for entry in torch.load(path, map_location="cpu", weights_only=True):
        arch = entry["arch"]
        genome = {
            "depth": arch["depth"],
            "embed_dim": arch["hidden_dim"],
            "mlp_ratio": arch["mlp_ratio"],
            "num_heads": arch["num_heads"],
        }
        yield genome, {key: entry.get(key) for key in _KEYS}


def _column(file: File, key: str, task: str, recipe: str, refused: str = "") -> Column:
    return Column(file, key, "autoformer-tiny", task, recipe, refused=refused)


register(
    Importer(
        name="vit_bench_101",
        title="ViT-Bench-101",
        repository="lliai/Auto-Prox-AAAI24",
        commit="90ed458eff6948a6f0d23e440a8d21bbec50d091",
        citation="Wei et al., Auto-Prox: Training-Free Vision Transformer Architecture Search via Automatic "
        "Proxy Discovery, AAAI 2024",
        licence="Apache-2.0 by its licence file, MIT by its README",
        recipes={
            "auto-prox-plain": "Trained alone on the task for 300 epochs: AdamW, learning rate 5e-4, cosine, "
            "weight decay 0.05, batches of 128 (as the released configuration for CIFAR-100 has it).",
            "auto-prox-distilled": "The same with distillation from a convolutional teacher, first file.",
            "auto-prox-2-distilled": "The same with distillation, second file: on Chaoyang it lies half a "
            "point below the first at equal widths, so the two are not one recipe.",
            "auto-prox-inherited": "ImageNet with the weights of a supernet, not trained again, first file.",
            "auto-prox-2-inherited": "ImageNet with the weights of a supernet, not trained again, second "
            "file.",
        },
        networks="A head is as wide as the width over the heads, not 64, and there are no relative "
        "positions. The rows stand under the genomes of autoformer-tiny, whose networks have more "
        "parameters.",
        beware="ImageNet is refused for both files: in the first, all 38 networks of width 240 lie four "
        "points below the others, as if that slice of the supernet were broken; in the second, accuracies "
        "and networks do not belong together. Chaoyang, plain, is refused as noise. Flowers, distilled, has "
        "one network at 48.6 where the others lie at 65 to 69. The third file, of PiT networks, is not "
        "imported: there is no such space here.",
        columns=(
            *(
                _column(_FIRST, f"{s}_base_acc", t, "auto-prox-plain")
                for s, t in _TASKS.items()
                if t != "chaoyang"
            ),
            _column(_FIRST, "chaoyang_base_acc", "chaoyang", "auto-prox-plain", "unexplained"),
            *(_column(_FIRST, f"{s}_kd_acc", t, "auto-prox-distilled") for s, t in _TASKS.items()),
            *(_column(_SECOND, f"{s}_kd_acc", t, "auto-prox-2-distilled") for s, t in _TASKS.items()),
            _column(_FIRST, "imagenet_super_acc", "imagenet", "auto-prox-inherited", "out of line"),
            _column(_SECOND, "imagenet_super_acc", "imagenet", "auto-prox-2-inherited", "unexplained"),
        ),
        read=read,
    )
)
