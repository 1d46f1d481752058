"""NAS-Bench-Suite-Zero: published scores of its proxies, and the accuracies beside them."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.published.importer import Column, Entry, Importer, Scores, register
from spaces import nasbench101, nasbench301

CITATION = (
    "Krishnakumar, White, Zela, Tu, Safari, Hutter, NAS-Bench-Suite-Zero: Accelerating Research on Zero Cost "
    "Proxies, NeurIPS 2022 Datasets and Benchmarks"
)
_FOLDER = "naslib/data/zc"
_NASBENCH201 = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_EDGES = (0, 1, 3, 2, 4, 5)  # NASLib's edges 01 02 03 12 13 23, in the order of NAS-Bench-201's text
_VERTICES = {2: "maxpool3x3", 3: "conv1x1-bn-relu", 4: "conv3x3-bn-relu"}
# our name -> NASLib's, whose flops count ReLUs, BatchNorms and poolings beside multiply-accumulates
_KEYS = {
    "macs": "flops",
    **{
        name: name
        for name in (
            "params", "snip", "jacov", "grad_norm", "plain", "epe_nas", "fisher", "grasp", "l2_norm",
            "synflow", "nwot",
        )
    },
}  # fmt: skip


def genome(space: str, arch: str) -> dict[str, Any]:
    """Return the genome's values of NASLib's text of a network; space: as NASLib calls it."""
    values = ast.literal_eval(arch)
    if space == "nasbench201":
        first, *rest = (_NASBENCH201[values[edge]] for edge in _EDGES)
        a, b, c, d, e = rest
        return {"cell": f"|{first}~0|+|{a}~0|{b}~1|+|{c}~0|{d}~1|{e}~2|"}
    if space == "nasbench101":
        count = math.isqrt(len(values))  # vertices: their matrix, then their labels
        matrix, labels = values[: count**2], values[count**2 :]
        upper = (matrix[count * x + y] for x in range(count) for y in range(x + 1, count))
        return {
            "adjacency": "".join(map(str, upper)),
            "operations": [_VERTICES[code] for code in labels[1:-1]],
        }
    if space == "nasbench301":
        cells = zip(("normal", "reduce"), values, strict=True)
        return {name: [(nasbench301.OPERATIONS[op], source) for source, op in cell] for name, cell in cells}
    if len(values) == 6 and space == "transbench101_micro":
        a, b, c, d, e, f = values
        return {"network": f"64-41414-{a}_{b}{c}_{d}{e}{f}"}
    return {"network": f"64-{''.join(str(digit) for digit in values if digit)}-basic"}


def read(path: Path) -> Iterator[Entry]:
    """Read one of its JSON files: task -> network -> `val_accuracy`, and each proxy's `score` or number.

    NAS-Bench-101's has the space above the task; a cell that stands there twice is read once.
    """
    space = path.stem.removeprefix("zc_")
    tasks = json.loads(path.read_text())
    tasks = tasks.get(space, tasks)
    seen = set()
    for task, networks in tasks.items():
        for arch, found in networks.items():
            mine = genome(space, arch)
            if space == "nasbench101":
                architecture = nasbench101.SPACE.architecture(mine)
                if architecture in seen:
                    continue
                seen.add(architecture)
            numbers = {
                key: value["score"] if isinstance(value, dict) else value
                for key, value in found.items()
                if key in ("val_accuracy", *_KEYS.values())
            }
            yield mine, {f"{task} {key}": value for key, value in numbers.items()}


# space here -> its name there, our task -> theirs
SPACES: dict[str, tuple[str, dict[str, str]]] = {
    "nasbench101": ("nasbench101", {"cifar10": "cifar10"}),
    "nasbench201": (
        "nasbench201",
        {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"},
    ),
    "nasbench301": ("nasbench301", {"cifar10": "cifar10"}),
    **{
        f"transnas-{size}": (
            f"transbench101_{size}",
            {
                task: task
                for task in (
                    "autoencoder", "class_object", "class_scene", "jigsaw", "normal", "room_layout",
                    "segmentsemantic",
                )
            },
        )
        for size in ("micro", "macro")
    },
}  # fmt: skip
_RECIPES = {
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201-validation",
    "nasbench301": "nasbench301-surrogate",
    "transnas-micro": "transnas-final",
    "transnas-macro": "transnas-final",
}
SIDES = {"imagenet16_120": 16, "cifar10": 32, "cifar100": 32, "jigsaw": 64}
_SCALES = {"autoencoder": 1.0, "normal": 1.0, "room_layout": 1.0}
_ABSENT = {"nasbench101": ("nwot",), "transnas-micro": ("synflow",), "transnas-macro": ("synflow",)}
_ACCURACY_SHA256 = {
    ("nasbench101", "cifar10"): "61e46c91ec6da24f21a0b2f21376c8befb2daff22364199e490bb6da74658c0c",
    ("nasbench201", "cifar10"): "ea5efd77715c9da29a19fdcb796bc4212a4354d90848c47859e8f3c7010571c4",
    ("nasbench201", "cifar100"): "982245e33f10c3e6f355620850cd1db2486175c0be8857e279506bb8240539ed",
    ("nasbench201", "imagenet16_120"): "e3073b65239b566038cc33e6d682d4a771df051b16d878c13dd7bdf60bfbd867",
    ("nasbench301", "cifar10"): "12b93727ce9d6cd72a5e0a7fa05f4316c5cd57f36955a158cb9084840148aed6",
    ("transnas-micro", "autoencoder"): "dc96a3e4cd11a8cff650f45010d260cb7b37f69ad3153c6656f940c028bd9620",
    ("transnas-micro", "class_object"): "0ce48d790b4963404b9e03e4cc458d7d1b31375a623e3caa11e4026acd0cf2df",
    ("transnas-micro", "class_scene"): "81647025fa73d5a0b3d9624f83d3ae7b99ea92dce475fee00b20757f5d0bcb8d",
    ("transnas-micro", "jigsaw"): "7f339e11d6817ff918f55ceed9a1b371186ec2d1f046f9bfbabaed6ef063c0a4",
    ("transnas-micro", "normal"): "f80eba5610d30170530214ae9653e3678dc9f8084d7a04b7b2f11eaad6916a26",
    ("transnas-micro", "room_layout"): "00c3e888e47ce8044b9c66abb5b0b0e4c19539ac171beda7af244fc6ed126f36",
    ("transnas-micro", "segmentsemantic"): "955e251e244506259c7c99c8e9875b6e5f0a867c18860ec03eb2e1c92446d9a5",
    ("transnas-macro", "autoencoder"): "e5ad8399bf24c05a09929e1d33ed205d25a470bd8de39238fe5827dde55f3903",
    ("transnas-macro", "class_object"): "104ecb64d0d3944defabd23012d12c92c5c125d7dde0d4a0b39a94dfabd06349",
    ("transnas-macro", "class_scene"): "72113832d093a5a197c34001c4c4785a5f2b2bda83abf8d748e2a148cfb50c1a",
    ("transnas-macro", "jigsaw"): "b2652dbc60e94ec4efb095875319e864ff2c51966c0f4be1e0678aeff2debf6f",
    ("transnas-macro", "normal"): "2ce12038b84ddae823ee278cce7c6a05fea39eda1a087c10d034c6efe303cccc",
    ("transnas-macro", "room_layout"): "a9a9bfd348f673c39fe37eec2bb66fa55e07e9dab07d76c3e8c3b33e82e2468b",
    ("transnas-macro", "segmentsemantic"): "a0f057e64f9c6aef9bbf0d817855935766a258b2d1eddc589229667a3d8f296a",
}
_SCORES_SHA256 = {
    ("nasbench101", "cifar10"): "33df03a08e6ccbfbb4abecadfacba6582bac0b34b8bc473007993abfb2170753",
    ("nasbench201", "cifar10"): "c9e662d310b045271bd7f8f86d12407501411e97dce78675885914bc17209d5a",
    ("nasbench201", "cifar100"): "d9d180a37e3a2ba860dbd061ab98db227588b5337848ad016721d1805717a0de",
    ("nasbench201", "imagenet16_120"): "8b072fa9300d9f8ddd0d8d5563153332283ee420e81e7372462bd8c76d849990",
    ("nasbench301", "cifar10"): "3fea4c5244af041c09a79bc9e92b7d31d6733346cfd71a4d86222d33c92a677e",
    ("transnas-micro", "autoencoder"): "4f37481eb1194e7cf57d8ac954b93730f6a62c6c42d02b757ca500046dfe4f7c",
    ("transnas-micro", "class_object"): "69af122badac753a43d04b2c4a1e93865f42d1b7d185614cee864968c1eccb71",
    ("transnas-micro", "class_scene"): "212678423c09211221c1c34edbe9dfd29de37a4597fc4cf5f4efca8cea5edd18",
    ("transnas-micro", "jigsaw"): "4d228c799efbcca7236c6ff0be8c137b3e43180fc6249fbaef36eb3f3bdfe4ea",
    ("transnas-micro", "normal"): "30332bbe0559e79d0e04b6d746dd097c0f0de62790e627a2bbfca09e770f9597",
    ("transnas-micro", "room_layout"): "f3cfcf3d586004192cc337088399e3fe5bf1f82d62a72fdc17d495ffb59bd37d",
    ("transnas-micro", "segmentsemantic"): "72be8856d77307254a1f7a1609c55a4803f29ae5e1765d8cd827e384f84cc64f",
    ("transnas-macro", "autoencoder"): "a3d5e6d7a4e94fc2d67eeb62d33adf05eb9d961854432c07b48f594dfa932581",
    ("transnas-macro", "class_object"): "eab3fe237caeec3f81a3374f0d5c59a5de71ae4b465a082b2f2777ca9d8eaedd",
    ("transnas-macro", "class_scene"): "532ee75528846134a6083b3fa7ad5ace936865c5f0f98077bba1b4a9b45c3b1a",
    ("transnas-macro", "jigsaw"): "175ad11f8dd8c31d11e659f9cb2c5ac21a332704eac3436e1707ed5b54dba49e",
    ("transnas-macro", "normal"): "a72fffc96cdfe0a6e65898234ead30f25d44919c11cda4f6512468d326d7319a",
    ("transnas-macro", "room_layout"): "87a23ad36b344a06760c284042855cd0ef28145ec8c8e910d1c40e3f91d64043",
    ("transnas-macro", "segmentsemantic"): "fc8da20182bea49f35313a106b62ccb10af16c49b16aa4dd0df3925098518e47",
}

_CELLS = [
    (space, there, task, theirs) for space, (there, tasks) in SPACES.items() for task, theirs in tasks.items()
]

register(
    Importer(
        name="nas_bench_suite_zero",
        title="NAS-Bench-Suite-Zero",
        repository="automl/NASLib",
        commit="e5a821c2dadf608042e4e046e386006cf6bd0564",
        commits={
            f"{_FOLDER}_nasbench101.json": "0b116007d41832a6c52a7cfbb91c00d9b9aef7a3",
            f"{_FOLDER}_nasbench201.json": "a06ba0e9931fcfd4605ddbddb6ed068eb58e58f1",
            f"{_FOLDER}_nasbench301.json": "6639fd1579010457885c641553c55b0c153045aa",
        },
        citation=CITATION,
        licence="Apache-2.0",
        recipes={
            "nasbench101": "NAS-Bench-101: trained alone for 108 epochs; on the validation images.",
            "nasbench201-validation": "NAS-Bench-201: trained alone for 200 epochs, on CIFAR-10 with half of "
            "its training images; on the validation images.",
            "nasbench301-surrogate": "NAS-Bench-301: predicted by its surrogate, not trained.",
            "transnas-final": "TransNAS-Bench-101: on the validation images after the last epoch.",
        },
        networks="NASLib's own of the same cells: the parameters are ours to the unit, but for one in twenty "
        "of NAS-Bench-101, whose vertices stand in the order in which they were drawn: where the channels of "
        "a cell do not divide, others of them have the surplus one. Its count of operations, `macs` here, "
        "has beside multiply-accumulates 1 for every output of a ReLU, 2 for BatchNorm's, the pixels of a "
        "pooling's window for its.",
        beware="An early run, with batches of 32 images, on 662 to 725 drawn networks of a space and task, "
        "500 of NAS-Bench-101 of which 292 are different; the whole release is not in the repository."
        " `zen` is not among its proxies: see `nas_bench_suite_zero_2022`. The networks of "
        "TransNAS-Bench-101 that it drew are no uniform sample of the macro space. Accuracies as in "
        "`nasgraph`: minus a loss for `room_layout`.",
        columns=tuple(
            Column(
                f"{_FOLDER}_{there}.json",
                key=f"{theirs} val_accuracy",
                space=space,
                task=task,
                recipe=_RECIPES[space],
                sha256=_ACCURACY_SHA256[space, task],
                scale=_SCALES.get(task, 100.0),
                negated=task == "room_layout",
                split="validation",
            )
            for space, there, task, theirs in _CELLS
        ),
        scores=tuple(
            Scores(
                f"{_FOLDER}_{there}.json",
                space,
                task,
                {
                    proxy: f"{theirs} {key}"
                    for proxy, key in _KEYS.items()
                    if proxy not in _ABSENT.get(space, ())
                },
                sha256=_SCORES_SHA256[space, task],
                image_size=SIDES.get(task, 256),
                batch_size=32,  # jacov is at most minus the images of a batch, and comes close to it
            )
            for space, there, task, theirs in _CELLS
        ),
        read=read,
    )
)
