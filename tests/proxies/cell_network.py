"""The network of NAS-Bench-201, in which several authors' proxies were measured.

Source: Dong and Yang, "NAS-Bench-201", ICLR 2020: a stem, three cells of one architecture with a residual
block that halves the side and doubles the channels between them, pooling and a classifier. Modules and names
are those of its published weights: proxies that walk over all modules, containers too, count the same ones.
"""

import json

from safetensors.torch import load_file
from torch import Tensor, nn

from tests.shared import ORACLE

CHANNELS = 16


class CellNetwork(nn.Module):
    """One cell of each width, for 32 pixel images.

    architecture: the operations into each node, "+" between nodes, every operation with the node it reads:
                  "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|".
    """

    input_shape = (3, 32, 32)
    feature_map = "lastact"

    def __init__(self, architecture: str, classes: int = 10) -> None:
        super().__init__()
        widths = [CHANNELS, 2 * CHANNELS, 4 * CHANNELS]
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS))
        self.cells = nn.ModuleList([Cell(architecture, CHANNELS)])
        for width in widths[1:]:
            self.cells += [Reduction(width // 2, width), Cell(architecture, width)]
        self.lastact = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True))
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], classes)
        self.roles = {"classifier": "head"}
        self.stages = ["stem", *(f"cells.{index}" for index in range(len(self.cells)))]

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(self.global_pooling(self.lastact(x)).flatten(1))


class Cell(nn.Module):
    """Each node is the sum of one operation on every earlier node; the last node is the output."""

    def __init__(self, architecture: str, width: int) -> None:
        super().__init__()
        nodes = [node.strip("|").split("|") for node in architecture.split("+")]
        self.sources = [[int(edge.split("~")[1]) for edge in node] for node in nodes]
        self.layers = nn.ModuleList(operation(edge.split("~")[0], width) for node in nodes for edge in node)

    def forward(self, x: Tensor) -> Tensor:
        nodes, layers = [x], iter(self.layers)
        for sources in self.sources:
            nodes.append(sum(next(layers)(nodes[source]) for source in sources))
        return nodes[-1]


class Reduction(nn.Module):
    """A residual block that halves the side."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(width, wider, 3, stride=2)
        self.conv_b = ReLUConvBN(wider, wider, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(width, wider, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class ReLUConvBN(nn.Module):
    def __init__(self, width: int, wider: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, wider, side, stride=stride, padding=side // 2, bias=False),
            nn.BatchNorm2d(wider),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class AveragePool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.op = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


def operation(name: str, width: int) -> nn.Module:
    match name:
        case "none":
            return Zero()
        case "skip_connect":
            return nn.Identity()
        case "avg_pool_3x3":
            return AveragePool()
        case "nor_conv_1x1":
            return ReLUConvBN(width, width, 1)
        case "nor_conv_3x3":
            return ReLUConvBN(width, width, 3)
    raise ValueError(name)


def cell_networks() -> dict[str, CellNetwork]:
    """The oracle's four networks by name, with their weights, in training mode."""
    folder = ORACLE / "cnn_nb201"
    networks = {}
    for name, architecture in json.loads((folder / "proxy_values.json").read_text())["archs"].items():
        state = load_file(folder / f"weights_{name}.safetensors")
        networks[name] = CellNetwork(architecture, classes=len(state["classifier.bias"]))
        networks[name].load_state_dict(state, strict=True)
    return networks


def cell_images() -> Tensor:
    """The images of the oracle's batch, (16, 3, 32, 32) float32."""
    images: Tensor = load_file(ORACLE / "cnn_nb201" / "batch.safetensors")["images"]
    return images
