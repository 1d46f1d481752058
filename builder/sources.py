"""Where a task's images come from: scikit-learn's digits, the hub, local Parquet, a folder."""

from __future__ import annotations

import glob
import hashlib
import itertools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from builder.errors import BuilderError
from builder.settings.task import TaskSettings

_SPLIT_WORDS = ("train", "validation", "valid", "test")


class Source:
    """One split of a data set as its origin has it.

    labels:   (images,) int64, all at once.
    image:    index -> decoded image, one by one; workers of other processes call it too.
    identity: what tells these images from others: the hub's commit, or files with their sizes and times.
    """

    def __init__(
        self, labels: np.ndarray, image: Callable[[int], Image.Image], identity: Callable[[], str]
    ) -> None:
        self.labels, self.image, self.identity = labels, image, identity


def open_source(task: TaskSettings, split: str) -> Source:
    """Open one split of a task's data set.

    task:  says where: `path` if given, else `builtin`, else `hub` at its pinned `revision`.
    split: the source's own name of the split.

    Raises BuilderError when the source is not there, or has no such split, column, images or classes.
    """
    if task.path is not None:
        return _from_path(task, split)
    if task.builtin is not None:
        return _builtin(task, split)
    if not task.hub:
        raise BuilderError(
            f"Task '{task.name}' has no public source of images. Give a local copy with task.path=."
        )
    return _from_hub(task, split)


def reason(error: BaseException) -> str:
    """Return the first line of an error that a library raised, without addresses in memory or control codes.

    A message may become a row of the benchmark, and the same command must give the same rows.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    printable = "".join(character for character in lines[0] if character.isprintable())
    return re.sub(r"\s*<[^<>]* at 0x[0-9a-f]+>", "", printable)


def _builtin(task: TaskSettings, split: str) -> Source:
    from sklearn.datasets import load_digits

    if task.builtin != "digits":
        raise BuilderError(f"Task '{task.name}': Unknown builtin '{task.builtin}'. Known: digits.")
    if split != "all":  # another name for the same images would test on what was trained on
        raise _no_split(task, "digits", split, ["all"])
    data = load_digits()
    grey = np.rint(data.images * (255 / 16)).astype(np.uint8)  # (images, 8, 8); stored as 0..16
    labels = _labels(task, data.target, "digits")
    return Source(labels, partial(_grey_image, grey), partial(str, "builtin digits"))


def _grey_image(images: np.ndarray, index: int) -> Image.Image:
    return Image.fromarray(images[index])


def _from_hub(task: TaskSettings, split: str) -> Source:
    import datasets
    from huggingface_hub.errors import HTTPError

    try:
        with _quiet("huggingface_hub"):  # it warns of every attempt; that none succeeded is one line of ours
            revision = task.revision or _newest(task.name, str(task.hub))
            if task.hub_files is None:
                dataset = datasets.load_dataset(task.hub, task.hub_config, revision=revision, split=split)
            else:
                files = f"hf://datasets/{task.hub}@{revision}/{task.hub_files.replace('{split}', split)}"
                dataset = datasets.load_dataset("parquet", data_files={split: files}, split=split)
    # RuntimeError: a transfer that breaks off, or a data set that is a script.
    except (OSError, ValueError, RuntimeError, HTTPError, datasets.exceptions.DatasetsError) as error:
        why = reason(error.__cause__ or error).rstrip(".")
        terms = ", or accept its terms there and set HF_TOKEN" if _is_gated(error) else ""
        raise BuilderError(
            f"Task '{task.name}': {task.hub} could not be loaded from the hub ({why}). "
            f"Give a local copy with task.path={terms}."
        ) from None
    identity = f"hub {task.hub} {task.hub_config} {task.hub_files} {revision}"
    return _from_dataset(task, dataset, f"hub {task.hub}", partial(str, identity))


@contextmanager
def _quiet(library: str) -> Iterator[None]:
    """Let a library log its errors alone."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_gated(error: BaseException | None) -> bool:
    """Say whether the hub, as far as its errors tell, has the data set but not for a stranger."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403) or "gated" in str(error).lower():
            return True
        error = error.__cause__
    return False


@cache
def _newest(task: str, hub: str) -> str:
    """Return the commit that the hub has now, the same for every split, and say how to stay with it."""
    from huggingface_hub import HfApi

    commit = str(HfApi().dataset_info(hub).sha)
    print(f"{task}: {hub} is not pinned; loading its newest commit. Pin it: task.revision={commit}")
    return commit


def _from_path(task: TaskSettings, split: str) -> Source:
    try:
        path = Path(str(task.path)).expanduser()
        files = _parquet_files(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~name of nobody
        raise BuilderError(f"task.path={task.path} cannot be opened ({reason(error)}).") from None
    if task.path and not files and path.is_dir():
        return _from_folder(task, path, split)
    if not task.path or not files:
        raise BuilderError(
            f"task.path={task.path} does not exist. Expected a Parquet file, a folder of them or of "
            "images, or a pattern like 'data/cifar10_*.parquet'."
        )
    for file in files:
        _check_columns(task, file)
    if task.columns.split is None:
        files = _files_of_split(task, files, split)
    files = [file for file in files if pq.read_metadata(file).num_rows]  # the library fails at an empty one
    if not files:
        raise BuilderError(f"Task '{task.name}': split '{split}' of {path} holds no images.")
    columns = _wanted_columns(task)
    names = [glob.escape(str(file)) for file in files]  # the library takes a name for a pattern
    # The library finds its copy by whole seconds; the name, which is a part of where it lies, tells finer.
    state = hashlib.sha256(_states(files).encode()).hexdigest()[:16]
    dataset = _load(task, path, "parquet", name=state, data_files=names, columns=columns, split="train")
    if task.columns.split is not None:
        found = np.asarray([str(name) for name in dataset[task.columns.split][:]])
        if split not in found:
            raise _no_split(task, path, split, sorted(set(found.tolist())))
        dataset = dataset.select(np.flatnonzero(found == split))
    return _from_dataset(task, dataset, str(path), partial(_states, files))


def _from_folder(task: TaskSettings, path: Path, split: str) -> Source:
    folders = _load(task, path, "imagefolder", data_dir=glob.escape(str(path)))
    if split not in folders:
        raise _no_split(task, path, split, sorted(folders))
    if folders[split].column_names == ["image"]:
        raise BuilderError(
            f"Task '{task.name}': the images in {path} are in no classes. "
            f"Expected a folder for each of at least two: {path}/{split}/<class>/<image>."
        )
    return _from_dataset(task, folders[split], str(path), partial(_folder_states, path))


def _folder_states(path: Path) -> str:
    return _states(sorted(path.rglob("*")))


def _states(files: Sequence[Path]) -> str:
    """Return what changes when a file does."""
    states = [(file.resolve(), file.stat()) for file in files]
    return "\n".join(f"{path} {state.st_size} {state.st_mtime_ns}" for path, state in states)


def _load(task: TaskSettings, path: Path, kind: str, **options: Any) -> Any:
    """Return what the datasets library makes of local files."""
    import datasets

    try:
        return datasets.load_dataset(kind, **options)
    except (OSError, ValueError, pa.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise BuilderError(
            f"Task '{task.name}': no images could be read from {path} ({reason(error.__cause__ or error)}). "
            "Expected whole Parquet files of the same columns, or folders <split>/<class>/<image>."
        ) from None


def _parquet_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(path.rglob("*.parquet"))
    return [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - may be absolute


def _wanted_columns(task: TaskSettings) -> list[str]:
    names = (task.columns.image, task.columns.label, task.columns.split)
    return list(dict.fromkeys(name for name in names if name is not None))


def _check_columns(task: TaskSettings, file: Path) -> None:
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise BuilderError(
            f"Task '{task.name}': {file} is not a whole Parquet file: {reason(error)}"
        ) from None
    for column in _wanted_columns(task):
        if column not in schema.names:
            raise BuilderError(
                f"Task '{task.name}': {file} has no column '{column}', but {', '.join(schema.names)}. "
                "Name yours with task.columns.image=, task.columns.label= or task.columns.split=."
            )


def _files_of_split(task: TaskSettings, files: list[Path], split: str) -> list[Path]:
    """Return the files whose paths below task.path speak of this split; if none speaks, all are to train on.

    Folders speak too: the hub has <split>/0000.parquet.
    """
    above = len(_folder(Path(str(task.path)).expanduser()).parts)

    def words(file: Path) -> set[str]:
        below = "/".join(file.with_suffix("").parts[above:])
        return set(re.split(r"[^a-z]+", below.lower())) & set(_SPLIT_WORDS)

    for file in files:
        if {task.splits.train, task.splits.test} <= words(file):
            raise BuilderError(
                f"Task '{task.name}': the name of {file} speaks of both splits, '{task.splits.train}' and "
                f"'{task.splits.test}'. Rename it, or name a column of splits with task.columns.split=."
            )
    found = [file for file in files if split in words(file)]
    if found:
        return found
    if split == task.splits.train and not any(words(file) for file in files):
        return files
    known = sorted(set().union(*(words(file) for file in files)) or {task.splits.train})
    raise _no_split(task, files[0].parent, split, known)


def _folder(path: Path) -> Path:
    """Return the folder that a path names: itself, that of a file, or what a pattern has before its stars."""
    if path.is_dir():
        return path
    plain = itertools.takewhile(lambda part: path.is_file() or glob.escape(part) == part, path.parent.parts)
    return Path(*plain)


def _from_dataset(task: TaskSettings, dataset: Any, where: str, identity: Callable[[], str]) -> Source:
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
    if not _holds_images(feature):
        raise BuilderError(
            f"Task '{task.name}': column '{image}' of {where} holds {getattr(feature, 'dtype', feature)}, "
            "not images. "
            "Name the column of images with task.columns.image=."
        )
    kind = str(getattr(dataset.features[label], "dtype", dataset.features[label]))
    if not re.fullmatch(r"u?int\d+", kind):
        raise BuilderError(
            f"Task '{task.name}': column '{label}' of {where} holds {kind}, not class numbers."
        )
    dataset = dataset.cast_column(image, datasets.Image())
    return Source(_labels(task, dataset[label][:], where), partial(_image_of, dataset, image), identity)


def _image_of(dataset: Any, column: str, index: int) -> Image.Image:
    image = dataset[index][column]
    if image is None:
        raise ValueError("it is missing")
    return image


def _holds_images(feature: Any) -> bool:
    """Say whether a column is one of images: the library's own, bytes, or a struct of bytes and path."""
    import datasets

    if isinstance(feature, dict):
        kinds = {"bytes": ("binary", "null"), "path": ("string", "null")}  # null: none has one
        fields = feature.keys() & kinds.keys()
        return bool(fields) and all(getattr(feature[name], "dtype", "") in kinds[name] for name in fields)
    return isinstance(feature, datasets.Image) or getattr(feature, "dtype", "") in ("binary", "large_binary")


def _labels(task: TaskSettings, values: Sequence[int | None], where: str) -> np.ndarray:
    missing = [index for index, value in enumerate(values) if value is None]
    if missing:
        raise BuilderError(f"Task '{task.name}': image {missing[0]} of {where} has no label.")
    labels = np.asarray(values)
    wrong = labels[(labels < 0) | (labels >= task.classes)]
    if len(wrong):
        raise BuilderError(
            f"Task '{task.name}': label {wrong[0]} in {where} is outside 0..{task.classes - 1}. "
            "Is this another data set, or task.classes wrong?"
        )
    return labels.astype(np.int64)


def _no_split(task: TaskSettings, where: Path | str, split: str, known: list[str]) -> BuilderError:
    return BuilderError(
        f"Task '{task.name}': {where} has no split '{split}', but {', '.join(known[:10])}. "
        "Name yours with task.splits.train= and task.splits.test=."
    )
