"""ViT-Bench-101, the ground truth of Auto-Prox: 200 networks of AutoFormer-Tiny's genomes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from builder.published.importer import Column, Entry, Importer, register

_FIRST = "gt_results/gt_autoformer.pth"
_SECOND = "gt_results/gt_autoformer_2.pth"
# file, column, task, recipe, what the check says, checksum
_COLUMNS = (
    (
        _FIRST,
        "c100_base_acc",
        "cifar100",
        "auto-prox-plain",
        "",
        "dae4ad8b57a376614d55d4cc710b3299f82d6361a0ddff24ef1fcbf8bad69bfd",
    ),
    (
        _FIRST,
        "flower_base_acc",
        "flowers102",
        "auto-prox-plain",
        "",
        "b644aee684348e742672b0199748d36d791318af1be4ece4dcf23d1f942ff057",
    ),
    (
        _FIRST,
        "chaoyang_base_acc",
        "chaoyang",
        "auto-prox-plain",
        "unexplained",
        "3b12fcf20682af5f78ea219e307843cd9c7b0dfc07b2cc63dd1bf249333ef912",
    ),
    (
        _FIRST,
        "c100_kd_acc",
        "cifar100",
        "auto-prox-distilled",
        "",
        "9e36adcefa9a8ad69a5001e9b37b70926afe5b4d5bd1e21bb0389dd7c7ab240c",
    ),
    (
        _FIRST,
        "flower_kd_acc",
        "flowers102",
        "auto-prox-distilled",
        "",
        "5fff17945fbc6cb4b7169d5042ed048b2f50001115faa79fc546d1087b4cb146",
    ),
    (
        _FIRST,
        "chaoyang_kd_acc",
        "chaoyang",
        "auto-prox-distilled",
        "",
        "9a8258eb20295970b0e9f17de17d4fe9bdf2b003b85b21f1b59cbe16659f1a68",
    ),
    (
        _SECOND,
        "c100_kd_acc",
        "cifar100",
        "auto-prox-2-distilled",
        "",
        "aed01f76055614796d6772abceb4ee3052eb7904be456ae2ff85469e50202884",
    ),
    (
        _SECOND,
        "flower_kd_acc",
        "flowers102",
        "auto-prox-2-distilled",
        "",
        "a2dca0365048e4ff9437c2c6bd2813b0d69a837a0a15cb3ed0d1d6cf22eddfe0",
    ),
    (
        _SECOND,
        "chaoyang_kd_acc",
        "chaoyang",
        "auto-prox-2-distilled",
        "",
        "0de4c1d2381ef50f78fdc891debd24571fb016c2c7a3097aa5ceeec1e3782bbb",
    ),
    (
        _FIRST,
        "imagenet_super_acc",
        "imagenet",
        "auto-prox-inherited",
        "out of line",
        "e0351c7bc3f8a708f684426c99cbbe9ac3554f2dabb708af240623a5505fca98",
    ),
    (
        _SECOND,
        "imagenet_super_acc",
        "imagenet",
        "auto-prox-2-inherited",
        "unexplained",
        "a1f2be46988e30fbb4c3950d62814756421cf8a833b43e56ecf77ff765fec45f",
    ),
)

# Of the data sets' own splits; of Chaoyang we do not know which images were tested on.
_IMAGES = {"imagenet": 50_000, "cifar100": 10_000, "flowers102": 6_149}


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
        yield genome, {key: entry.get(key) for _, key, *_ in _COLUMNS}


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
        columns=tuple(
            Column(
                file,
                key,
                "autoformer-tiny",
                task,
                recipe,
                sha256,
                images=_IMAGES.get(task),
                refused=refused,
            )
            for file, key, task, recipe, refused, sha256 in _COLUMNS
        ),
        read=read,
    )
)
