"""NAS-Bench-Suite-Zero's runs of December 2022: zen on whole spaces, and NAS-Bench-201's accuracies."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from builder.published.importer import Column, Entry, Importer, Scores, register
from builder.published.importers.nas_bench_suite_zero import CITATION, SIDES, SPACES, genome

# The runner that wrote them put at most some thousand networks of one space and task in a file.
_MEMBER = re.compile(r"benchmark-{1,2}(?P<space>\w+)-{1,2}(?P<task>.+?)-{1,2}\d+\.json$")
_RUNS = "run/results/benchmarks"
_FILES = {
    "nasbench101": f"{_RUNS}/nb101_zen.zip",
    "nasbench201": f"{_RUNS}/nb201_zen.zip",
    "nasbench301": f"{_RUNS}/nb301_zen.zip",
    "transnas-micro": "naslib/data/zc_benchmarks/all_benchmarks_zen.zip",
    "transnas-macro": f"{_RUNS}/tnb101_macro_zen.zip",
}


def read(path: Path) -> Iterator[Entry]:
    """Read an archive of JSON files: lists of networks, each with `arch`, `zen` and `val_accuracy`."""
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.namelist()):
            place = _MEMBER.search(member)
            if place is None:
                continue
            space, task = place["space"], place["task"]
            for network in json.loads(archive.read(member)):
                numbers = {"zen": network["zen"]["score"]}
                if space == "nasbench201":
                    numbers["val_accuracy"] = network["val_accuracy"]
                found = {f"{space} {task} {key}": number for key, number in numbers.items()}
                yield genome(space, network["arch"]), found


_ACCURACY_SHA256 = {
    "cifar10": "99889e79b81d74893ecb1cb1ebc87ebe731ff2cb6068b4a837e2601dfd7b1c5a",
    "cifar100": "34d7d447c88bf97de0d8c58dd948ffc37be870a27da465549a3646a3a16c08d0",
    "imagenet16_120": "6602ef17156a01a54b2f17da5e5058288ed3c8106f46db4a56198d91acd116bb",
}
_SCORES_SHA256 = {
    ("nasbench101", "cifar10"): "69813a61090f220ec9c73dc999c9908b8c7d22457c157b1909d62b567c97d3ae",
    ("nasbench201", "cifar10"): "27543ffc5214b9e44036501b07d217229ed515f5315bb13f23034d09b34163d0",
    ("nasbench201", "cifar100"): "78ea790998481dc4d94cae78f608dfaa0c88db6d9bf75a35cdab01b27ac38437",
    ("nasbench201", "imagenet16_120"): "9c3dc424574130141218205dbe8b68c4fc1b5ca07cf10063b0d87194f5a2d3f8",
    ("nasbench301", "cifar10"): "1227373c760823db60d415ce1b9cf8e0c6fffd0947b9630dfce08dc5c99ce7e8",
    ("transnas-micro", "autoencoder"): "9c20ffa016334ed47f2de06a5236b482da59d45cd2f628481670a753d89e4cd4",
    ("transnas-micro", "class_object"): "9d389ce2dcf388179478795482f8fa6c131c8c94e412a1cfa7ca626f8ce9cd1f",
    ("transnas-micro", "class_scene"): "01cda29cfbbf6d981a56dde70677b521cbc186871e7fbd6ae9847bf841eea4f8",
    ("transnas-micro", "jigsaw"): "d8c962cc15576f136916ce711e4d3c0a003134f1edce6d3b5462f181cecd0782",
    ("transnas-micro", "normal"): "c77769ff908b58c4d0428e46eaeedf1bcd3e98f9889dae4e0159bc165ba9d6fd",
    ("transnas-micro", "room_layout"): "1cbf1221165aa835d995cf38220e2e80628e731487433441aaffc8637392adfc",
    ("transnas-micro", "segmentsemantic"): "a5e8dabf536e2b3b64e0d11e7034a633067f87409cae1297fd108ba1d5f44d7e",
    ("transnas-macro", "autoencoder"): "683ab0851d1d05927d95aa7c522ebf2d5d8e97506f142402b08738b9dd884780",
    ("transnas-macro", "class_object"): "7f6086cbd4ce00618c23e90025a60a0219565c0fbbb9426b3a9123806b478c76",
    ("transnas-macro", "class_scene"): "8adca99a9f758aa75b4b46389a9cf77fa23001f4ac94348d0823b5dd8a368f6a",
    ("transnas-macro", "jigsaw"): "a3f7f20003132cd59d6bc4979be0e8d3b749f91ad7b1416f91b5587a14fa1452",
    ("transnas-macro", "normal"): "4b47d46f2565b11bdf662551d927e887d3a9bbae686c6f33cd660aaa0d24844b",
    ("transnas-macro", "room_layout"): "04e1fa0aee0d4195a9d8421321440420d32bacfdb570c4acf1a68b48364a79fb",
    ("transnas-macro", "segmentsemantic"): "a419e3d0b53cfc4c24931ba3dd633774470876ed5cd5e8130180c59507f6a6b8",
}

register(
    Importer(
        name="nas_bench_suite_zero_2022",
        title="NAS-Bench-Suite-Zero, runs of December 2022",
        repository="automl/NASLib",
        commit="8c45f19dc259956c3bd253071135c798ad3df8ce",
        citation=CITATION,
        licence="Apache-2.0",
        recipes={
            "nasbench201-validation": "NAS-Bench-201: trained alone for 200 epochs, on CIFAR-10 with half of "
            "its training images; on the validation images."
        },
        networks="As in `nas_bench_suite_zero`.",
        beware="Of its thirteen proxies only `zen`: on all of NAS-Bench-201 and TransNAS-Bench-101, on "
        "10,250 networks of NAS-Bench-101 and 11,221 of NAS-Bench-301, of which 11 and 0 are among those of "
        "`nas_bench_suite_zero`. A cell of NAS-Bench-101 that stands there twice has the score of the first. "
        "The files are archives of what NASLib's runner wrote, and are read as it writes them.",
        columns=tuple(
            Column(
                _FILES["nasbench201"],
                key=f"nasbench201 {theirs} val_accuracy",
                space="nasbench201",
                task=task,
                recipe="nasbench201-validation",
                sha256=_ACCURACY_SHA256[task],
                split="validation",
            )
            for task, theirs in SPACES["nasbench201"][1].items()
        ),
        scores=tuple(
            Scores(
                _FILES[space],
                space,
                task,
                {"zen": f"{there} {theirs} zen"},
                sha256=_SCORES_SHA256[space, task],
                image_size=SIDES.get(task, 256),
                batch_size=32 if space.startswith("transnas") else 64,
            )
            for space, (there, tasks) in SPACES.items()
            for task, theirs in tasks.items()
        ),
        read=read,
    )
)
