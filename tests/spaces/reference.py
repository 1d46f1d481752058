"""The oracle's small supernet, rebuilt here: official keys, 32 pixel images, patch 4, 10 classes."""

import json

from safetensors.torch import load_file

from spaces import Architecture, Supernet
from spaces.autoformer import AutoFormer
from spaces.vit import Shape
from tests.shared import ORACLE

VIT_SMALL = AutoFormer(
    name="vit-small",
    embed_dim=(64, 96, 128),
    depth=(3, 4, 5),
    num_heads=(1, 2),
    mlp_ratio=(2.0, 3.0, 3.5, 4.0),
    supernet_embed_dim=128,
    supernet_depth=5,
    supernet_num_heads=2,
    supernet_mlp_ratio=4.0,
    default_shape=Shape(image_size=32, patch_size=4, channels=3, classes=10),
)


def architecture_of(space: AutoFormer, config: dict) -> Architecture:
    """The architecture of an official configuration: a width for every layer, all equal."""
    widths = set(config["embed_dim"])
    assert len(widths) == 1
    return space.architecture(
        {
            "depth": config["layer_num"],
            "embed_dim": widths.pop(),
            "mlp_ratio": config["mlp_ratio"],
            "num_heads": config["num_heads"],
        }
    )


def vit_small_configs() -> dict[str, Architecture]:
    """The oracle's four sub-configurations by name."""
    configs = json.loads((ORACLE / "vit_small" / "logits.json").read_text())["configs"]
    return {name: architecture_of(VIT_SMALL, config) for name, config in configs.items()}


def vit_small_supernet() -> Supernet:
    """The supernet with the oracle's weights, loaded strictly by the official keys."""
    supernet = VIT_SMALL.supernet()
    supernet.load_state_dict(load_file(ORACLE / "vit_small" / "supernet_small.safetensors"), strict=True)
    return supernet.eval()
