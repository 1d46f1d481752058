"""The decoded copy: built once, never trusted when damaged, never stale; and damaged images are left out."""

import dataclasses
import errno
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from builder import cache
from builder.errors import BuilderError
from builder.settings.task import SphericalSettings
from builder.tasks import Task
from builder.training.evaluate import Evaluation
from builder.training.images import HeldImages, ReadImages, SplitImages
from tests.builder.conftest import noise, write_images
from tests.builder.test_tasks import task

LABELS = list(range(10)) * 20  # 200 images: one of them may be damaged
CPU = torch.device("cpu")


def write(folder, damaged=(), size=32, column="img"):
    data = noise(200, size)
    for index in damaged:
        data[index] = b"not an image"
    write_images(folder / "train.parquet", data, LABELS, image=column)
    write_images(folder / "test.parquet", noise(10, size, seed=1), list(range(10)), image=column)
    return folder


def cifar(folder, cached, *overrides):
    return Task(task("task=cifar10", f"task.path={folder}", *overrides).settings, cached)


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "images")


@pytest.fixture
def cached(tmp_path):
    return tmp_path / "root" / "cache"


@pytest.fixture
def decodings(monkeypatch):
    """How many images were decoded."""
    counted = []
    decode = Task._decode

    def count(self, name, indices):
        counted.extend(indices)
        return decode(self, name, indices)

    monkeypatch.setattr(Task, "_decode", count)
    return counted


def copies(folder):
    return sorted(path for path in folder.iterdir() if path.suffix == ".npy")


def test_a_copy_is_built_once_and_holds_the_same_pixels(source, cached, decodings):
    pixels = cifar(source, cached).pixels("train")
    assert len(decodings) == 200
    assert torch.equal(cifar(source, cached).pixels("train"), pixels)
    assert torch.equal(cifar(source, cached).pixels("train", [5, 3]), pixels[[5, 3]])
    assert len(decodings) == 200
    assert torch.equal(cifar(source, None).pixels("train"), pixels)
    (copy,) = copies(cached)
    assert np.load(copy, mmap_mode="r").shape == (200, 3, 32, 32)
    assert {path.suffix for path in cached.iterdir()} == {".npy", ".json"}


def test_labels_are_not_kept_and_settings_that_show_the_same_pixels_share_a_copy(source, cached, decodings):
    for overrides in ([], ["task.split_seed=1"], ["task.flip=false", "task.mean=[0,0,0]"]):
        cifar(source, cached, *overrides).pixels("train")
    assert len(copies(cached)) == 1 and len(decodings) == 200


@pytest.mark.parametrize(
    "change", [{"image_size": 16}, {"channels": 1}, {"spherical": SphericalSettings(16)}]
)
def test_what_decides_the_pixels_makes_another_copy(source, cached, change):
    first = cifar(source, cached)
    grey = {"mean": [0.5], "std": [0.5]} if "channels" in change else {}
    other = Task(dataclasses.replace(first.settings, **change, **grey), cached)
    pixels = first.pixels("train"), other.pixels("train")
    assert len(copies(cached)) == 2
    assert pixels[0].shape != pixels[1].shape or not torch.equal(*pixels)


def test_another_version_of_the_decoding_makes_another_copy(source, cached, monkeypatch):
    cifar(source, cached).pixels("train")
    monkeypatch.setattr("builder.tasks.VERSION", "another")
    cifar(source, cached).pixels("train")
    assert len(copies(cached)) == 2


def test_a_file_that_changed_makes_another_copy(source, cached):
    cifar(source, cached).pixels("train")
    write_images(source / "train.parquet", noise(200, seed=7), LABELS)
    assert torch.equal(cifar(source, cached).pixels("train"), cifar(source, None).pixels("train"))
    assert len(copies(cached)) == 2


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


@pytest.mark.parametrize("damage", [cut, flip_a_bit, lambda path: path.unlink()])
@pytest.mark.parametrize("which", [".npy", ".json"])
def test_a_damaged_copy_is_built_anew(source, cached, damage, which, capsys):
    pixels = cifar(source, cached).pixels("train")
    damage(next(path for path in cached.iterdir() if path.suffix == which))
    capsys.readouterr()
    assert torch.equal(cifar(source, cached).pixels("train"), pixels)
    said = capsys.readouterr().out
    assert said.count("is damaged and is built anew") == said.count("\n") <= 1
    cifar(source, cached).pixels("train")
    assert not capsys.readouterr().out


def test_a_copy_is_checked_once_a_process(source, cached):
    cache._sha256.cache_clear()
    for _ in range(3):
        cifar(source, cached).pixels("train")
    assert cache._sha256.cache_info().misses == 1


def test_a_build_that_is_interrupted_leaves_no_copy(source, cached, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Task, "_decode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cifar(source, cached).pixels("train")
    assert list(cached.iterdir()) == []
    assert len(cifar(source, cached).pixels("train")) == 180


def test_of_two_that_build_a_copy_at_once_the_first_to_end_leaves_its_own(cached, monkeypatch):
    path, shape = cached / "copy.npy", (4, 1, 2, 2)

    def fast(indices):
        return np.ones((len(indices), *shape[1:]), np.uint8), {2: "bad"}

    def slow(indices):
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: 1)  # another process, as far as names go
            cache.open_cache(path, shape, fast, "other")
        built.append(path.stat())
        return fast(indices)

    built = []
    found = cache.open_cache(path, shape, slow, "mine")
    assert found.damaged == {2: "bad"} and (found.pixels == 1).all()
    assert path.stat().st_ino == built[0].st_ino
    assert sorted(each.name for each in cached.iterdir()) == ["copy.json", "copy.npy"]


def test_a_copy_that_does_not_fit_on_the_disk_is_one_line(tmp_path):
    """A limit to the size of files is a disk that is full; in a process of its own, which it would kill."""
    folder = tmp_path / "cache"
    code = f"""
import resource
from pathlib import Path
import numpy as np
from builder import cache
from builder.errors import BuilderError
resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
try:
    decode = lambda indices: (np.ones((len(indices), 3, 32, 32), np.uint8), {{}})
    cache.open_cache(Path({str(folder)!r}) / "copy.npy", (200, 3, 32, 32), decode, "mine")
except BuilderError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.match("mine: the decoded copy .*copy.npy of 1 MiB cannot be written .*too large", done.stdout)
    assert list(folder.iterdir()) == []


def test_a_disk_that_fails_once_is_no_damaged_image(source, cached, monkeypatch):
    def failing(path, *_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "image.png")

    with monkeypatch.context() as patched:
        patched.setattr("datasets.Image.decode_example", failing)
        with pytest.raises(
            BuilderError, match="image 0 of 'train' cannot be read .*Input/output error.*again"
        ):
            cifar(source, cached).pixels("train")
    assert list(cached.iterdir()) == []
    assert len(cifar(source, cached).pixels("train")) == 180


@pytest.mark.parametrize("keep", [True, False])
def test_a_damaged_image_is_left_out_of_its_split_alone(tmp_path, source, cached, keep, capsys):
    """The first image of train is damaged; what goes to train and what to validation stays as it was."""
    folder = cached if keep else None
    whole = cifar(source, None)
    place = int(whole._split("train")[1][0])
    damaged = write(tmp_path / "damaged", [place])
    for _ in range(2):  # built, then found
        found = cifar(damaged, folder)
        assert torch.equal(found.pixels("validation"), whole.pixels("validation"))
        assert torch.equal(found.pixels("train"), whole.pixels("train")[1:])
        assert torch.equal(found.labels("train"), whole.labels("train")[1:])
        said = capsys.readouterr().out
        assert said.startswith(
            "cifar10 train: 1 of 200 images cannot be decoded and are left out; "
            f"the first is image {place}: cannot identify image file"
        )
        assert said.count("\n") == 1
    assert len(SplitImages.of(found, "train", CPU)) == 179


def test_more_than_one_in_a_hundred_is_refused(tmp_path, cached):
    write(tmp_path, [4, 9, 11])
    for _ in range(2):
        with pytest.raises(
            BuilderError,
            match="3 of 200 images of train cannot be decoded; the first is image 4: .*More than 1%",
        ):
            cifar(tmp_path, cached).labels("train")


def pets(folder, *overrides):
    """A task of images that are too large to keep."""
    return task(
        "task=pets", f"task.path={folder}", "task.classes=10", "task.validation_fraction=0.1", *overrides
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_large_images_are_read_in_order_by_any_number_of_workers(tmp_path, workers, monkeypatch):
    monkeypatch.setattr("builder.training.images._workers", lambda: workers)
    found = pets(write(tmp_path, size=24, column="image"))
    images = SplitImages.of(found, "train", CPU)
    assert isinstance(images, ReadImages) and len(images) == 180
    order = torch.randperm(180, generator=torch.Generator().manual_seed(0))[:22]
    state = torch.get_rng_state()
    batches = list(images.batches(order, 8))
    assert torch.equal(torch.get_rng_state(), state)
    assert [len(labels) for _, labels in batches] == [8, 8, 6]
    assert torch.equal(torch.cat([pixels for pixels, _ in batches]), found.pixels("train", order.tolist()))
    assert torch.equal(torch.cat([labels for _, labels in batches]), found.labels("train")[order])
    later = list(images.batches(order, 8, start=2))
    assert len(later) == 1 and torch.equal(later[0][0], batches[2][0])


def test_held_images_come_in_the_same_batches(source):
    found = cifar(source, None)
    images = SplitImages.of(found, "train", CPU)
    assert isinstance(images, HeldImages)
    order = torch.arange(19).flip(0)
    batches = list(images.batches(order, 8, start=1))
    assert [len(labels) for _, labels in batches] == [8, 3]
    assert torch.equal(torch.cat([pixels for pixels, _ in batches]), found.pixels("train")[order[8:]])
    assert torch.equal(torch.cat([labels for _, labels in batches]), found.labels("train")[order[8:]])


def test_a_damaged_large_image_is_missing_from_its_batch_and_counted_once(tmp_path, capsys):
    found = pets(write(tmp_path, [0], size=24, column="image"), "task.validation_fraction=0")
    images = SplitImages.of(found, "train", CPU)
    for said in (1, 0):
        batches = list(images.batches(torch.arange(6), 3))
        assert [labels.tolist() for _, labels in batches] == [[1, 2], [3, 4, 5]]
        assert capsys.readouterr().out.count("pets train: 1 of 200 images cannot be decoded") == said
    assert [len(labels) for _, labels in images.batches(torch.tensor([0, 1]), 1)] == [1]


def test_too_many_damaged_large_images_stop_the_pass(tmp_path):
    found = pets(write(tmp_path, range(5), size=24, column="image"), "task.validation_fraction=0")
    images = SplitImages.of(found, "train", CPU)
    with pytest.raises(
        BuilderError, match="3 of 200 images of train cannot be decoded; the first is image 0"
    ):
        list(images.batches(torch.arange(200), 3))


def test_probes_take_the_next_image_for_a_damaged_large_one(tmp_path, capsys):
    whole = pets(write(tmp_path / "whole", size=24, column="image"), "task.validation_fraction=0")
    images, labels = whole.batches(1, 9, seed=0)[0]
    first = int(labels[0])
    place = next(
        index
        for index in range(200)
        if torch.equal(whole.normalise(whole.pixels("train", [index]))[0], images[0])
    )
    damaged = pets(
        write(tmp_path / "damaged", [place], size=24, column="image"), "task.validation_fraction=0"
    )
    others, kept = damaged.batches(1, 8, seed=0)[0]
    assert torch.equal(others, images[1:]) and kept.tolist() == labels[1:].tolist() and place % 10 == first
    assert "1 of 200 images cannot be decoded" in capsys.readouterr().out


def test_accuracy_is_of_the_images_that_were_read(tmp_path):
    found = pets(write(tmp_path, [0], size=24, column="image"), "task.validation_fraction=0")
    images = ReadImages(found, "train", found.labels("train"))

    class First(torch.nn.Module):
        """Says class 0 of everything."""

        def forward(self, batch):
            return torch.eye(10)[torch.zeros(len(batch), dtype=torch.int64)]

    evaluation = Evaluation(found, images, 50, "float32")
    accuracy, _ = evaluation.measure(First())
    assert evaluation.measured == 199
    assert accuracy == pytest.approx(19 / 199)  # there are 20 of class 0, and one is damaged


def test_the_list_beside_a_copy_says_which_and_why(tmp_path, cached):
    write(tmp_path, [3])
    cifar(tmp_path, cached).labels("train")
    (beside,) = cached.glob("*.json")
    ((index, why),) = json.loads(beside.read_text())["damaged"]
    assert index == 3 and why.startswith("cannot identify image file")
