"""The published files in their upstream formats, written from the tables beside the project.

The format of the JSON and CSV files is that of the public files themselves; that of the .pth files is what
their readers take: a list of networks, each an `arch` and its accuracies.
"""

import csv
import json
import zipfile

import pyarrow.parquet as pq
import torch

from tests.shared import TABLES


def rows(table, **where):
    """The rows of a table whose columns have these values."""
    for row in pq.read_table(TABLES / f"{table}.parquet").to_pylist():
        if all(row[column] == value for column, value in where.items()):
            yield row


def write(importer, folder):
    """Write all files of an importer into a folder, under their own names."""
    folder.mkdir(parents=True, exist_ok=True)
    writers = {
        "ood_vit_nas": _ood_vit_nas,
        "hytas": _hytas,
        "vit_bench_101": _vit_bench_101,
        "nasgraph": _nasgraph,
        "nas_bench_suite_zero": _suite_zero,
        "nas_bench_suite_zero_2022": _suite_zero_2022,
    }
    writers[importer](folder)
    return folder


def _ood_vit_nas(folder):
    for size in ("tiny", "small", "base"):
        found = {
            str(row["arch_id"]): {
                "net_setting": {
                    "layer_num": row["depth"],
                    "mlp_ratio": row["mlp_ratio"],
                    "num_heads": row["num_heads"],
                    "embed_dim": [row["embed_dim"]] * row["depth"],
                },
                "performance": {"Imagenet": {"clean": row["imagenet_top1_supernet"]}},
                "params": row["params_M"],
                "flops": row["flops_M"],
            }
            for row in rows("ood_vit_nas_autoformer", autoformer_space=size)
        }
        (folder / f"1k_Vit_Architecture_from_AutoFM_{size}.json").write_text(json.dumps(found))


def _hytas(folder):
    for task in ("indian", "pavia", "salinas", "houston", "ksc"):
        with (folder / f"{task}_2000_new_all.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["layer_num", "embed_dim", "num_heads", "mlp_ratio", "dss", "OA", "flops"])
            for row in rows("hytas_hsi_transformers", dataset=task):
                lists = ([row["embed_dim"]] * row["layer_num"], row["num_heads"], row["mlp_ratio"])
                writer.writerow([row["layer_num"], *map(str, lists), row["dss"], row["OA"], row["flops"]])


def _vit_bench_101(folder):
    for name in ("gt_autoformer.pth", "gt_autoformer_2.pth"):
        networks = [
            {
                "arch": {field: row[field] for field in ("hidden_dim", "depth", "mlp_ratio", "num_heads")},
                **{key: value for key, value in row.items() if key.endswith("_acc") and value == value},
            }
            for row in rows("autoprox_autoformer", source_file=name)
        ]
        networks = [{k: v for k, v in network.items() if v is not None} for network in networks]
        torch.save(networks, folder / name)


def _nasgraph(folder):
    """NAS-Bench-201's by the text of the cell, TransNAS-Bench-101's by a number, both spaces in one file."""
    cells = list(rows("nasbench201"))
    for name, column in (("cifar10",) * 2, ("cifar100",) * 2, ("ImageNet16-120", "imagenet16_120")):
        with (folder / f"nasbench201_{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file id", "arch str", "C", "N", "test accuracy"])
            for row in cells:
                found = row[f"{column}_test_acc_nasgraph"]
                writer.writerow([row["index"], row["arch_str"], 16, 5, repr(found)])
    networks = [*rows("transnas101_macro"), *rows("transnas101_micro")]
    for task in (
        "class_object",
        "class_scene",
        "jigsaw",
        "room_layout",
        "autoencoder",
        "normal",
        "segmentsemantic",
    ):
        start = f"nasgraph_{task}_"
        metrics = [name for name in networks[0] if name.startswith(start)]
        with (folder / f"transbench101_{task}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*(name.removeprefix(start) for name in metrics), "file_id"])
            for row in networks:
                writer.writerow([*(repr(row[name]) for name in metrics), row["transnas_index"]])


SUITE_ZERO = [
    "flops", "params", "snip", "jacov", "grad_norm", "plain", "epe_nas", "fisher", "grasp", "l2_norm",
    "synflow", "nwot",
]  # fmt: skip


def _suite_zero(folder):
    """NAS-Bench-101's as plain numbers under the space's name, the others' with the seconds they took."""
    for space in ("nasbench101", "nasbench201", "nasbench301", "transbench101_micro", "transbench101_macro"):
        first = space == "nasbench101"
        tasks = {}
        for row in rows(
            "nas_bench_suite_zero", search_space=space, source="first_json" if first else "early_json"
        ):
            scores = {
                name: row[name] for name in SUITE_ZERO if row[name] is not None and row[name] == row[name]
            }
            if not first:
                scores = {name: {"score": score, "time": 1.0} for name, score in scores.items()}
            network = {"val_accuracy": row["val_accuracy"], **scores}
            tasks.setdefault(row["task"], {})[row["arch"]] = network
        (folder / f"zc_{space}.json").write_text(json.dumps({space: tasks} if first else tasks))


ZEN_FILES = {
    "nasbench101": "nb101_zen.zip",
    "nasbench201": "nb201_zen.zip",
    "nasbench301": "nb301_zen.zip",
    "transbench101_micro": "all_benchmarks_zen.zip",
    "transbench101_macro": "tnb101_macro_zen.zip",
}


def _suite_zero_2022(folder):
    """Archives of lists of networks; the two spaces without accuracies have a null."""
    files = {}
    for row in rows("nas_bench_suite_zero", source="final_zips"):
        if row["task"] not in ("svhn", "scifar100", "ninapro"):
            files.setdefault((row["search_space"], row["task"]), []).append(row)
    for (space, task), networks in files.items():
        with zipfile.ZipFile(folder / ZEN_FILES[space], "a", zipfile.ZIP_DEFLATED) as archive:
            for start in range(0, len(networks), 1000):
                found = [
                    {
                        "idx": str(start + index),
                        "arch": row["arch"],
                        "zen": {"score": row["zen"], "time": 1.0},
                        "val_accuracy": row["val_accuracy"],
                    }
                    for index, row in enumerate(networks[start : start + 1000])
                ]
                name = f"zc_benchmarks/zen/benchmark--{space}--{task}--{start}.json"
                archive.writestr(name, json.dumps(found))
