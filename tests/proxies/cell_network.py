"""The oracle's networks of NAS-Bench-201, in which several authors' proxies were measured."""

import json

from safetensors.torch import load_file
from torch import Tensor

from spaces.nasbench201 import CellNetwork, NASBench201
from tests.shared import ORACLE

# One cell of each width.
CELL_SPACE = NASBench201(name="nasbench201-small", cells=1)


def cell_networks() -> dict[str, CellNetwork]:
    """The oracle's four networks by name, with their weights, in training mode."""
    folder = ORACLE / "cnn_nb201"
    networks = {}
    for name, cell in json.loads((folder / "proxy_values.json").read_text())["archs"].items():
        state = load_file(folder / f"weights_{name}.safetensors")
        architecture = CELL_SPACE.architecture({"cell": cell})
        networks[name] = CELL_SPACE.build(architecture, classes=len(state["classifier.bias"]))
        networks[name].load_state_dict(state, strict=True)
    return networks


def cell_images() -> Tensor:
    """The images of the oracle's batch, (16, 3, 32, 32) float32."""
    images: Tensor = load_file(ORACLE / "cnn_nb201" / "batch.safetensors")["images"]
    return images
