"""Where a task's images come from: scikit-learn's digits, the hub, local Parquet, a folder."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from builder.errors import BuilderError
from builder.settings import TaskSettings

_SPLIT_WORDS = ("train", "validation", "test")


class Source:
    """One split of a data set as its origin has it.

    labels: (images,) int64, all at once.
    image:  index -> decoded image, one by one.
    """

    def __init__(self, labels: np.ndarray, image: Callable[[int], Image.Image]) -> None:
        self.labels = labels
        self.image = image


def open_source(task: TaskSettings, split: str) -> Source:
    """Open one split of a task's data set.

    task:  says where: `path` if given, else `builtin`, else `hub` at its pinned `revision`.
    split: the source's own name of the split.

    Raises BuilderError when the source is not there, or has no such split, column, images or classes.
    """
    if task.path is not None:
        return _from_path(task, split)
    if task.builtin == "digits":
        return _digits()
    if task.hub is None:
        raise BuilderError(
            f"Task '{task.name}' has no public source of images. Give a local copy with task.path=."
        )
    return _from_hub(task, split)


def _digits() -> Source:
    from sklearn.datasets import load_digits

    data = load_digits()
    grey = np.rint(data.images * (255 / 16)).astype(np.uint8)  # (images, 8, 8); stored as 0..16
    return Source(data.target.astype(np.int64), lambda index: Image.fromarray(grey[index]))


def _from_hub(task: TaskSettings, split: str) -> Source:
    import datasets

    try:
        dataset = datasets.load_dataset(task.hub, revision=task.revision, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise BuilderError(
            f"Task '{task.name}': {task.hub} could not be loaded from the hub "
            f"({_first_line(error)}). "
            "Give a local copy with task.path=; for a gated data set accept its terms there and set HF_TOKEN."
        ) from None
    return _from_dataset(task, dataset, f"hub {task.hub}")


def _from_path(task: TaskSettings, split: str) -> Source:
    import datasets

    path = Path(str(task.path)).expanduser()
    files = _parquet_files(path)
    if not files and path.is_dir():
        folders = datasets.load_dataset("imagefolder", data_dir=str(path))
        if split not in folders:
            raise _no_split(task, split, sorted(folders))
        return _from_dataset(task, folders[split], str(path))
    if not files:
        raise BuilderError(
            f"task.path={task.path} does not exist. Expected a Parquet file, a folder of them or of "
            "images, or a pattern like 'data/cifar10_*.parquet'."
        )
    for file in files:
        _check_columns(task, file)
    if task.columns.split is None:
        files = _files_of_split(task, files, split)
    dataset = datasets.load_dataset("parquet", data_files=[str(file) for file in files], split="train")
    if task.columns.split is not None:
        names = np.asarray(dataset[task.columns.split][:])
        if split not in names:
            raise _no_split(task, split, sorted(set(names.tolist())))
        dataset = dataset.select(np.flatnonzero(names == split))
    return _from_dataset(task, dataset, str(path))


def _parquet_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(path.rglob("*.parquet"))
    return [Path(name) for name in sorted(glob.glob(str(path)))]  # noqa: PTH207 - the pattern may be absolute


def _check_columns(task: TaskSettings, file: Path) -> None:
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise BuilderError(
            f"Task '{task.name}': {file} is not a whole Parquet file: {_first_line(error)}"
        ) from None
    wanted = [task.columns.image, task.columns.label]
    wanted += [task.columns.split] if task.columns.split is not None else []
    for column in wanted:
        if column not in schema.names:
            raise BuilderError(
                f"Task '{task.name}': {file} has no column '{column}', but {', '.join(schema.names)}. "
                "Name yours with task.columns.image=, task.columns.label= or task.columns.split=."
            )


def _files_of_split(task: TaskSettings, files: list[Path], split: str) -> list[Path]:
    """Return the files whose names speak of this split; files that speak of none are all for training."""

    def words(file: Path) -> set[str]:
        return set(re.split(r"[^a-z]+", file.stem.lower())) & set(_SPLIT_WORDS)

    found = [file for file in files if split in words(file)]
    if found:
        return found
    if split == task.splits.train and not any(words(file) for file in files):
        return files
    known = sorted(set().union(*(words(file) for file in files)) or {task.splits.train})
    raise _no_split(task, split, known)


def _from_dataset(task: TaskSettings, dataset: Any, where: str) -> Source:
    import datasets

    image, label = task.columns.image, task.columns.label
    for column in (image, label):
        if column not in dataset.column_names:
            raise BuilderError(
                f"Task '{task.name}': {where} has no column '{column}', "
                f"but {', '.join(dataset.column_names)}. "
                "Name yours with task.columns.image= and task.columns.label=."
            )
    feature = dataset.features[image]
    if not isinstance(feature, datasets.Image | dict) and getattr(feature, "dtype", "") != "binary":
        raise BuilderError(
            f"Task '{task.name}': column '{image}' of {where} holds {getattr(feature, 'dtype', feature)}, "
            "not images. "
            "Name the column of images with task.columns.image=."
        )
    dataset = dataset.cast_column(image, datasets.Image())
    return Source(_labels(task, np.asarray(dataset[label][:]), where), lambda index: dataset[index][image])


def _labels(task: TaskSettings, labels: np.ndarray, where: str) -> np.ndarray:
    if not np.issubdtype(labels.dtype, np.integer):
        raise BuilderError(
            f"Task '{task.name}': column '{task.columns.label}' of {where} holds {labels.dtype}, "
            "not class numbers."
        )
    wrong = labels[(labels < 0) | (labels >= task.classes)]
    if len(wrong):
        raise BuilderError(
            f"Task '{task.name}': label {wrong[0]} in {where} is outside 0..{task.classes - 1}. "
            "Is this another data set, or task.classes wrong?"
        )
    return labels.astype(np.int64)


def _no_split(task: TaskSettings, split: str, known: list[str]) -> BuilderError:
    return BuilderError(
        f"Task '{task.name}': {task.path} has no split '{split}', but {', '.join(known)}. "
        "Name yours with task.splits.train= and task.splits.test=."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
