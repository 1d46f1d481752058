"""OoD-ViT-NAS: 1,001 architectures of each AutoFormer space with their inherited ImageNet accuracies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from builder.published.importer import Column, Entry, Importer, one_width, register


def read(path: Path) -> Iterator[Entry]:
    """Read one of its JSON files: index -> `net_setting`, `performance`, `params` and `flops`."""
    for entry in json.loads(path.read_text()).values():
        net = entry["net_setting"]
        genome = {
            "depth": net["layer_num"],
            "embed_dim": one_width(net["embed_dim"]),
            "mlp_ratio": net["mlp_ratio"],
            "num_heads": net["num_heads"],
        }
        yield genome, {"clean": entry["performance"]["Imagenet"]["clean"]}


_SHA256 = {
    "tiny": "9403c4061db1176033073ec2333467acabd9cca443a276e009422c0572a7a888",
    "small": "b7aa7c9d453508072f75605b1ac5a73427e381f58d999904cce45072bac9441d",
    "base": "15cced85d41f5ed3ae30970c8081862b5ef6bf700238881ba2a9eed532f09b03",
}
_FOLDER = "architecture_infors/1k_Vit_Architecture_from_AutoFM"

register(
    Importer(
        name="ood_vit_nas",
        title="OoD-ViT-NAS",
        repository="vovantuan1999a/OoD-ViT-NAS",
        commit="037c8e0aeb053759cbbdd82c9bdab2dfb424aaa2",
        citation="Ho, Vo, Ebrahimkhani, Cheung, Vision Transformer Neural Architecture Search for "
        "Out-of-Distribution Generalization: Benchmark and Insights, NeurIPS 2024",
        licence="no licence file",
        recipes={
            "inherited-official-supernet": "ImageNet-1k validation top-1 with the weights of AutoFormer's "
            "released supernets, not trained again.",
        },
        networks="The same: they are AutoFormer's, and the file's parameters are those of our closed form, "
        "to the unit, for all 3,003.",
        beware="The accuracies are inherited, not trained: the spread of `base` (0.09 points) is below the "
        "noise of evaluating on 50,000 images. `tiny` has no network of width 240. ImageNet-C at one "
        "corruption and one severity, which `tiny` has beside it, is not imported; the eight "
        "out-of-distribution sets are not in the repository.",
        columns=tuple(
            Column(
                f"{_FOLDER}_{size}.json",
                key="clean",
                space=f"autoformer-{size}",
                task="imagenet",
                recipe="inherited-official-supernet",
                sha256=sha256,
                images=50_000,
            )
            for size, sha256 in _SHA256.items()
        ),
        read=read,
    )
)
