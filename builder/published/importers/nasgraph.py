"""NASGraph's tables of the accuracies of NAS-Bench-201 and TransNAS-Bench-101."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

from builder.published.importer import Column, Entry, Importer, register
from spaces.transnas import OPERATIONS, skeletons

_NASBENCH201 = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}
# task -> its metric on the images tested on, what that calls 100 %; a negated loss has none.
_TRANSNAS: dict[str, tuple[str, float | None]] = {
    "class_object": ("test_top1", 100.0),
    "class_scene": ("test_top1", 100.0),
    "jigsaw": ("test_top1", 100.0),
    "room_layout": ("test_neg_loss", None),
    "autoencoder": ("test_ssim", 1.0),
    "normal": ("test_ssim", 1.0),
    "segmentsemantic": ("test_acc", 100.0),
}


def _transnas(number: int) -> tuple[str, str]:
    """The space and the text of a network by the number that TransNAS-Bench-101's interface gives it."""
    codes = skeletons()
    if number < len(codes):
        return "transnas-macro", f"64-{codes[number]}-basic"
    a, b, c, d, e, f = next(
        itertools.islice(itertools.product(OPERATIONS, repeat=6), number - len(codes), None)
    )
    return "transnas-micro", f"64-41414-{a}_{b}{c}_{d}{e}{f}"


def read(path: Path) -> Iterator[Entry]:
    """Read one of its CSV files; a network has the text of its cell, or a number."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if "arch str" in row:
                yield {"cell": row["arch str"]}, {"test accuracy": float(row["test accuracy"])}
                continue
            space, text = _transnas(int(row["file_id"]))
            metrics = {key for key, _ in _TRANSNAS.values()} & row.keys()
            yield {"network": text}, {f"{space} {key}": float(row[key]) for key in metrics}


_SHA256 = {
    ("nasbench201", "cifar10"): "03f6c986336d5f49b0d1260460569bc08acf1540b32085d3be8ee5158c17cfe1",
    ("nasbench201", "cifar100"): "7c853955d6f248dc5525d1a39ed24fa7b34517de445ee59e42065779ef6b0d73",
    ("nasbench201", "imagenet16_120"): "6195c6bc9c8ff932da7e3f1d6011c3cb17495195514b6f73a631d3ea50887af0",
    ("transnas-micro", "class_object"): "71ad54a0e3d2b652a3f6378ac7cd8785c90135ed8e8a1908ce0682526217163c",
    ("transnas-micro", "class_scene"): "14804b77accbc5d8c7d8f9ab2390670bb009f8599b8f9a71cab14be6a0123745",
    ("transnas-micro", "jigsaw"): "99bb17bbee58b32ee129afe7b7f7fc35669f1c10466d01384d6fb627b1420668",
    ("transnas-micro", "room_layout"): "810999f877dc452022edac29a5e77e034bbe2b11beab43ac25793590b228e8d5",
    ("transnas-micro", "autoencoder"): "b90de515620dd06c6fe0c3dbda7a409ebcfceb3808b36592cfb956dc65d5a72e",
    ("transnas-micro", "normal"): "035af79ab2ce4ba4ef91882737051b6a63f8c933b66d1dc33c689357177949ab",
    ("transnas-micro", "segmentsemantic"): "f44b293f83341622738445b7398c32377e2a0b19761c024490f305c19ac637f3",
    ("transnas-macro", "class_object"): "60073d730a4e50011200962a727db763999c07e47b22a58c4ecc18d3493a8ebb",
    ("transnas-macro", "class_scene"): "380fca62e45502ef4521573a103e205124136fe1edc4395987354dc0eda7f41b",
    ("transnas-macro", "jigsaw"): "44bf357ecc0b13c860affbceff7bd4c4309620bde2727320449f1b6b324e830e",
    ("transnas-macro", "room_layout"): "2ff247e0d9569c8e6a1d67ebe908f7f570bcc349352149a425975e569a37e041",
    ("transnas-macro", "autoencoder"): "dd539b5e9521774c2c4d0c85c9d3a99da4252f71084755f914342e8c0d23bc15",
    ("transnas-macro", "normal"): "4bcdf17ec175eaf256254fb354ff0fef1d77dead483671f97da35fe64de03ec6",
    ("transnas-macro", "segmentsemantic"): "a40ef3737bdbcb45b3b91c2dbabcf29cbc2722a32fb7b52409283049d2007aab",
}

_OF_NASBENCH201 = tuple(
    Column(
        f"data/nasbench201_{name}.csv",
        key="test accuracy",
        space="nasbench201",
        task=task,
        recipe="nasbench201-half" if task == "cifar10" else "nasbench201",
        sha256=_SHA256["nasbench201", task],
    )
    for task, name in _NASBENCH201.items()
)
_OF_TRANSNAS = tuple(
    Column(
        f"data/transbench101_{task}.csv",
        key=f"{space} {key}",
        space=space,
        task=task,
        recipe="transnas-best",
        scale=scale or 1.0,
        negated=scale is None,
        sha256=_SHA256[space, task],
    )
    for space in ("transnas-micro", "transnas-macro")
    for task, (key, scale) in _TRANSNAS.items()
)

register(
    Importer(
        name="nasgraph",
        title="NASGraph",
        repository="Zhenhan-Huang/NASGraph-Public",
        commit="1f8fd621c60a48728fcc890818b6b94eee62e4dc",
        citation="Dong, Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, "
        "ICLR 2020; Duan et al., TransNAS-Bench-101: Improving Transferability and Generalizability of "
        "Cross-Task Neural Architecture Search, CVPR 2021; as tables of Huang et al., NASGraph, 2024",
        licence="Apache-2.0",
        recipes={
            "nasbench201": "Trained alone for 200 epochs; mean over the seeds, on the test images.",
            "nasbench201-half": "The same on half of CIFAR-10's training images, the other half being for "
            "validation; the test images of both are the same.",
            "transnas-best": "Trained alone by the task's own recipe of 10 to 30 epochs; on the test images, "
            "after the epoch that was best there.",
        },
        networks="The same: the parameters of NAS-Bench-201 are those published, to the unit; of "
        "TransNAS-Bench-101 those that NASLib counts for the seven heads.",
        beware="What stands as an accuracy is the task's metric, higher is better: top 1; the share of "
        "pixels classified rightly; structural similarity for `autoencoder` and `normal`; minus the mean "
        "squared error for `room_layout`, at most 0. TransNAS-Bench-101's rows have no text but the number "
        "that its interface gives a network; ours numbers them alike.",
        columns=(*_OF_NASBENCH201, *_OF_TRANSNAS),
        read=read,
    )
)
