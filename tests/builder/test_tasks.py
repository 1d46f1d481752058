"""Tasks: three disjoint splits, images of any kind, and what a wrong source says."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from PIL import Image

from builder import pixels
from builder.errors import BuilderError
from builder.settings import Settings
from builder.tasks import Task
from tests.builder.conftest import encoded, noise, write_images
from tests.shared import IMAGES, needs_images


def task(*overrides):
    ConfigStore.instance().store("settings", Settings)
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("build", overrides=list(map(str, overrides)))
    return Task(OmegaConf.to_object(config.task))


def rows(pixels):
    return {image.numpy().tobytes() for image in pixels}


def test_digits_are_the_real_ones_in_disjoint_splits():
    digits = task("task=digits")
    counts = {split: len(digits.labels(split)) for split in ("train", "validation", "test")}
    assert sum(counts.values()) == 1797
    assert counts["test"] == pytest.approx(0.3 * 1797, abs=10)
    splits = {split: rows(digits.pixels(split)) for split in counts}
    assert not splits["train"] & splits["test"] and not splits["train"] & splits["validation"]
    for split, count in counts.items():
        shares = torch.bincount(digits.labels(split), minlength=10) / count
        assert (shares - 0.1).abs().max() < 0.02, split


def test_digits_normalisation_is_that_of_the_images():
    digits = task("task=digits")
    images = digits.normalise(digits.pixels("train"))
    assert images.dtype == torch.float32 and images.shape[1:] == (1, 8, 8)
    assert abs(images.mean()) < 0.01 and abs(images.std() - 1) < 0.01


def test_splits_depend_on_the_split_seed_alone():
    first, same, other = (task("task=digits", f"task.split_seed={seed}").pixels("test") for seed in (0, 0, 1))
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.fixture
def cifar_like(tmp_path):
    """Two Parquet files with the hub's names, columns and feature types of CIFAR-10."""
    labels = list(range(10)) * 10
    write_images(tmp_path / "train-00000-of-00001.parquet", noise(100, seed=1), labels)
    write_images(tmp_path / "test-00000-of-00001.parquet", noise(50, seed=2), labels[:50])
    return tmp_path


def test_validation_is_carved_from_train_and_never_from_test(cifar_like):
    cifar = task("task=cifar10", f"task.path={cifar_like}")
    assert [len(cifar.labels(split)) for split in ("train", "validation", "test")] == [90, 10, 50]
    test = rows(cifar.pixels("test"))
    assert len(test) == 50
    assert not test & (rows(cifar.pixels("train")) | rows(cifar.pixels("validation")))
    assert sorted(cifar.labels("validation").tolist()) == list(range(10))


def test_pixels_are_the_files_pixels(cifar_like):
    cifar = task("task=cifar10", f"task.path={cifar_like}/test-*.parquet")
    expected = np.asarray(Image.open(io.BytesIO(noise(50, seed=2)[0])))
    together = {image.permute(1, 2, 0).numpy().tobytes() for image in cifar.pixels("test")}
    assert expected.tobytes() in together


@pytest.mark.parametrize("where", ["", "/*/*.parquet", "/**/*.parquet"])
def test_a_split_may_be_named_by_its_folder(tmp_path, where):
    """As the hub lays its Parquet out; a folder above task.path says nothing."""
    folder = tmp_path / "train_and_test"
    write_images(folder / "train" / "0000.parquet", noise(4, seed=1), [0, 1, 2, 3])
    write_images(folder / "test" / "0000.parquet", noise(2, seed=2), [0, 1])
    cifar = task("task=cifar10", f"task.path='{folder}{where}'", "task.validation_fraction=0")
    assert (len(cifar.labels("train")), len(cifar.labels("test"))) == (4, 2)
    assert not rows(cifar.pixels("train")) & rows(cifar.pixels("test"))


def test_batches_share_no_image_and_depend_on_the_seed(cifar_like):
    cifar = task("task=cifar10", f"task.path={cifar_like}")
    batches = cifar.batches(2, 16, seed=0)
    assert [images.shape for images, _ in batches] == [(16, 3, 32, 32)] * 2
    assert [labels.dtype for _, labels in batches] == [torch.int64] * 2
    assert len(rows(torch.cat([images for images, _ in batches]))) == 32
    again, other = cifar.batches(2, 16, seed=0), cifar.batches(2, 16, seed=1)
    assert torch.equal(batches[0][0], again[0][0]) and not torch.equal(batches[0][0], other[0][0])
    with pytest.raises(BuilderError, match="90 training images, but 2 batches of 64 need 128"):
        cifar.batches(2, 64, seed=0)


def test_one_file_may_hold_every_split_in_a_column(tmp_path):
    names = ["train"] * 20 + ["test"] * 10
    path = write_images(tmp_path / "all.parquet", noise(30), [0, 1] * 15, image="image", split=names)
    options = ("task.columns.image=image", "task.columns.split=split", "task.validation_fraction=0")
    both = task("task=cifar10", f"task.path={path}", *options)
    assert (len(both.labels("train")), len(both.labels("test"))) == (20, 10)


def test_a_folder_of_images_is_a_task_too(tmp_path):
    for split, count in (("train", 4), ("test", 2)):
        for label in ("cat", "dog"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for number, data in enumerate(noise(count, seed=hash_of(split, label))):
                (folder / f"{number}.png").write_bytes(data)
    columns = ("task.columns.image=image", "task.columns.label=label", "task.validation_fraction=0")
    folders = task("task=cifar10", f"task.path={tmp_path}", *columns)
    assert (len(folders.labels("train")), len(folders.labels("test"))) == (8, 4)
    assert sorted(folders.labels("train").tolist()) == [0] * 4 + [1] * 4


def hash_of(*parts):
    return sum(map(ord, "".join(parts)))


@pytest.mark.parametrize(("mode", "size"), [("L", 32), ("RGBA", 32), ("CMYK", 32), ("RGB", 50), ("RGB", 20)])
def test_other_modes_and_sizes_are_converted(tmp_path, mode, size):
    write_images(tmp_path / "train.parquet", noise(4, size, mode), [0, 1, 2, 3])
    cifar = task("task=cifar10", f"task.path={tmp_path}", "task.validation_fraction=0")
    pixels = cifar.pixels("train")
    assert pixels.shape == (4, 3, 32, 32) and pixels.dtype == torch.uint8
    assert pixels.float().std() > 10


@pytest.mark.parametrize("mode", ["P", "LA", "1", "I;16", "I"])
def test_grey_of_any_depth_keeps_its_brightness(tmp_path, mode):
    """A ramp from dark to bright: 16 bits a pixel are not cut at 255."""
    ramp = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    deep = {"I;16": ramp.astype(np.uint16) * 257, "I": ramp.astype(np.int32) * 257}
    image = Image.fromarray(deep[mode]) if mode in deep else Image.fromarray(ramp).convert(mode)
    form = "TIFF" if mode == "I" else "PNG"
    write_images(tmp_path / "train.parquet", [encoded(image, form)], [0])
    pixels = task("task=cifar10", f"task.path={tmp_path}", "task.validation_fraction=0").pixels("train")
    assert (pixels[0, 0] == pixels[0, 2]).all()
    error = (pixels[0, 0].int() - torch.from_numpy(ramp).int()).abs()
    assert error.max() <= 1 if mode != "1" else pixels.unique().tolist() == [0, 255]


@pytest.mark.parametrize("most", [200, 51400, 13158400])
def test_grey_of_32_bits_is_as_deep_as_its_brightest_pixel(tmp_path, most):
    values = (np.arange(32 * 32, dtype=np.int32) * (most / 1023)).round().astype(np.int32).reshape(32, 32)
    write_images(tmp_path / "train.parquet", [encoded(Image.fromarray(values), "TIFF")], [0])
    pixels = task("task=cifar10", f"task.path={tmp_path}", "task.validation_fraction=0").pixels("train")
    expected = torch.from_numpy(values / (most / 200))
    assert (pixels[0, 0] - expected).abs().max() <= 1


def test_a_strip_is_cut_before_it_is_scaled(tmp_path):
    """Scaled whole, to 224 x 6,720,000 pixels, it would take gigabytes: more than may be had here."""
    strip = np.zeros((1, 30000, 3), dtype=np.uint8)
    strip[:, 14990:15010] = 200
    write_images(tmp_path / "train.parquet", [encoded(Image.fromarray(strip))], [0])
    code = f"""
import resource
from tests.builder.test_tasks import task
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
options = ("task.columns.image=img", "task.path={tmp_path}", "task.validation_fraction=0")
assert (task("task=pets", *options).pixels("train") == 200).all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", [(31, 32), (50, 33), (500, 333), (97, 640)])
def test_cut_before_scaled_is_what_scaled_before_cut_was(size):
    """But for the rounding of a grey level."""
    (data,) = noise(1, 8)
    image = Image.open(io.BytesIO(data)).resize(size, Image.Resampling.BICUBIC)
    scale = 32 / min(size)
    width, height = (max(32, round(side * scale)) for side in size)
    left, top = (width - 32) // 2, (height - 32) // 2
    whole = image.resize((width, height), Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, top, left + 32, top + 32))).transpose(2, 0, 1)
    assert np.abs(pixels._fit(image, 32, 3).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("error", [MemoryError, NotImplementedError("Unimplemented pixel format b'AB12'")])
def test_an_image_that_is_too_much_for_the_library_is_damaged(tmp_path, monkeypatch, error):
    def raising(*_, **__):
        raise error

    write_images(tmp_path / "train.parquet", noise(1), [0])
    monkeypatch.setattr("datasets.Image.decode_example", raising)
    with pytest.raises(BuilderError, match="1 of 1 images of train cannot be decoded"):
        task("task=cifar10", f"task.path={tmp_path}", "task.validation_fraction=0").pixels("train")


def test_a_wide_image_is_cut_at_its_centre(tmp_path):
    wide = np.zeros((32, 96, 3), dtype=np.uint8)
    wide[:, 32:64] = 200
    write_images(tmp_path / "train.parquet", [encoded(Image.fromarray(wide))], [0])
    pixels = task("task=cifar10", f"task.path={tmp_path}", "task.validation_fraction=0").pixels("train")
    assert (pixels == 200).all()


@needs_images
def test_real_cifar_files_give_the_official_count_and_statistics():
    cifar = task(
        "task=cifar10",
        f"task.path='{IMAGES}/cifar10_test*.parquet'",
        "task.columns.image=image",
        "task.columns.label=label",
    )
    assert len(cifar.labels("test")) == 10000
    images = cifar.normalise(cifar.pixels("test", range(500)))
    assert abs(images.mean()) < 0.1 and abs(images.std() - 1) < 0.1


def bad_image(tmp_path):
    write_images(tmp_path / "train.parquet", [b"not an image"] * 4, [0, 1, 2, 3])


def broken_png(tmp_path):
    data = bytearray(noise(1)[0])
    data[33:41] = b"\xff\xff\xff\xff\x01\x02\x03\x04"  # length and kind of the second chunk
    write_images(tmp_path / "train.parquet", [bytes(data)], [0])


def bomb(tmp_path):
    """The head of a PNG of 60,000 x 60,000."""
    data = bytearray(noise(1)[0])
    data[16:24] = struct.pack(">II", 60000, 60000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    write_images(tmp_path / "train.parquet", [bytes(data)], [0])


def truncated(tmp_path):
    path = write_images(tmp_path / "train.parquet", noise(4), [0, 1, 2, 3])
    path.write_bytes(path.read_bytes()[:-50])


def damaged_pages(tmp_path):
    path = write_images(tmp_path / "train.parquet", noise(40), [0, 1] * 20)
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(byte ^ 255 for byte in data[4:400])
    path.write_bytes(data)


def columns(**values):
    """Write four images and labels, with these columns instead or besides."""

    def make(tmp_path):
        images = [{"bytes": data, "path": None} for data in noise(4)]
        table = {"img": images, "label": [0, 1, 2, 3], **values}
        pq.write_table(pa.table(table), tmp_path / "train.parquet")

    return make


def image_folder(*classes):
    def make(tmp_path):
        for folder in (tmp_path / name for name in classes):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "0.png").write_bytes(noise(1)[0])

    return make


FOUR_BYTES = noise(4)


@pytest.mark.parametrize(
    ("make", "overrides", "message"),
    [
        (lambda folder: None, ["task.path=/no/such/place"], "task.path=/no/such/place does not exist"),
        (bad_image, [], "4 of 4 images of train cannot be decoded; the first is image 0: cannot identify"),
        (broken_png, [], "the first is image 0: .*More than 1% is too much: is the copy whole"),
        (bomb, [], "the first is image 0: .* exceeds limit"),
        (truncated, [], "is not a whole Parquet file"),
        (damaged_pages, [], r"no images could be read from .* \(Couldn't deserialize"),
        (lambda folder: None, [], r"no images could be read from .* doesn't contain any data files\)"),
        (lambda folder: (folder / "a.txt").write_text("x"), [], "no images could be read from"),
        (columns(img=[*FOUR_BYTES[:3], None]), [], "1 of 4 images .* the first is image 3: it is missing"),
        (columns(img=[{"bytes": None, "path": None}] * 4), [], "the first is image 0: An image should have"),
        (columns(img=[{"width": 3}] * 4), [], r"column 'img' of .* holds \{'width': .*, not images"),
        (columns(img=[{"bytes": 3}] * 4), [], r"column 'img' of .* holds \{'bytes': .*, not images"),
        (columns(label=[0, 1, None, 3]), [], "image 2 of .* has no label"),
        (columns(label=["a", "b", "c", "d"]), [], "column 'label' of .* holds string, not class numbers"),
        (columns(label=[[0], [1, 2], [2], [3]]), [], "column 'label' of .* holds List.*, not class numbers"),
        (
            columns(part=[0, 0, 1, None]),
            ["task.columns.split=part"],
            r"has no split 'train', but 0, 1, None\. Name yours",
        ),
        (
            lambda folder: write_images(folder / "train_test.parquet", noise(2), [0, 1]),
            [],
            "train_test.parquet speaks of both splits, 'train' and 'test'",
        ),
        (image_folder("cat"), ["task.columns.image=image"], "the images in .* are in no classes. Expected"),
        (image_folder("train", "test"), ["task.columns.image=image"], "image 0 of .* has no label"),
        (
            image_folder("cat", "dog"),
            ["task.columns.image=image", "task.splits.train=all"],
            "has no split 'all', but train",
        ),
        (lambda folder: None, ["task.path='~nobody-of-this-name/x'"], "task.path=~nobody.* cannot be opened"),
        (lambda folder: None, ["task.path="], "task.path= does not exist"),
        (
            lambda folder: write_images(folder / "train.parquet", noise(2), [0, 10]),
            [],
            r"label 10 in .* is outside 0\.\.9",
        ),
        (
            lambda folder: write_images(folder / "train.parquet", noise(2), [0, 1]),
            ["task.columns.image=picture"],
            "has no column 'picture', but img, label",
        ),
        (
            lambda folder: write_images(folder / "train.parquet", noise(2), [0, 1]),
            ["task.columns.image=label", "task.columns.label=label"],
            "column 'label' of .* holds int64, not images",
        ),
        (
            lambda folder: write_images(folder / "train.parquet", noise(2), [0, 1]),
            ["task.splits.train=all"],
            "has no split 'all', but train",
        ),
    ],
)
def test_a_wrong_source_is_one_line(tmp_path, make, overrides, message):
    make(tmp_path)
    with pytest.raises(BuilderError, match=message) as error:
        task("task=cifar10", f"task.path={tmp_path}", *overrides).pixels("train")
    assert str(error.value).isprintable() and " at 0x" not in str(error.value)


def test_an_empty_file_is_no_split_but_may_be_a_part_of_one(tmp_path):
    whole = pq.read_table(write_images(tmp_path / "train-1.parquet", noise(4), [0, 1, 2, 3]))
    for name in ("train-0", "test"):
        pq.write_table(whole.slice(0, 0), tmp_path / f"{name}.parquet")
    cifar = task("task=cifar10", f"task.path={tmp_path}")
    assert len(cifar.labels("train")) == 4
    with pytest.raises(BuilderError, match="split 'test' of .* holds no images"):
        cifar.labels("test")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task.classes=5"], r"label 5 in digits is outside 0\.\.4\. Is this another data set"),
        (["task.builtin=digitz"], r"Unknown builtin 'digitz'\. Known: digits\."),
        (["task.splits.train=train"], "digits has no split 'train', but all"),
        (["task.splits.test=all"], "train and test are the same split 'all'. Give another, or carve"),
    ],
)
def test_wrong_digits(overrides, message):
    with pytest.raises(BuilderError, match=message):
        task("task=digits", *overrides).labels("train")


def test_test_images_are_never_training_images_by_another_name(tmp_path):
    write_images(tmp_path / "train.parquet", noise(4), [0, 1, 2, 3])
    with pytest.raises(BuilderError, match="Task 'cifar10': train and test are the same split 'train'"):
        task("task=cifar10", f"task.path={tmp_path}", "task.splits.test=train")
    with pytest.raises(BuilderError, match="digits has no split 'other', but all"):
        task("task=digits", "task.splits.test=other").labels("test")


@pytest.mark.parametrize(
    ("overrides", "split", "remedy"),
    [
        (["task.validation_fraction=0"], "validation", "Set task.validation_fraction= above 0"),
        ([], "validation", r"Set task.validation_fraction= above 0\.1"),  # one image a class: rounds to none
        (["task.splits.test=null"], "test", "Set task.test_fraction= above 0"),
        (["task.validation_fraction=0.9"], "train", "Lower task.validation_fraction="),
    ],
)
def test_a_split_without_images_is_refused_once_asked_for(tmp_path, overrides, split, remedy):
    write_images(tmp_path / "train.parquet", noise(4), [0, 1, 2, 3])
    cifar = task("task=cifar10", f"task.path={tmp_path}", *overrides)
    assert len(cifar.labels("validation" if split == "train" else "train")) == 4
    for read in (cifar.labels, cifar.pixels):
        with pytest.raises(BuilderError, match=f"Task 'cifar10' has no {split} images. {remedy}"):
            read(split)


def test_a_file_replaced_within_a_second_is_read_anew(tmp_path):
    path = tmp_path / "train.parquet"
    for nanoseconds, labels in enumerate(([0, 1, 2, 3], [3, 2, 1, 0])):
        write_images(path, FOUR_BYTES, labels)
        os.utime(path, ns=(10**18, 10**18 + nanoseconds))
        found = task("task=cifar10", f"task.path={path}", "task.validation_fraction=0")
        assert found.labels("train").tolist() == labels


@pytest.mark.parametrize("path", ["data", "data/c*.parquet", "**/c*.parquet", "~/data", "~/data/c*.parquet"])
def test_a_path_may_be_relative_a_pattern_or_at_home(tmp_path, monkeypatch, path):
    write_images(tmp_path / "data" / "cifar_train.parquet", noise(4), [0, 1, 2, 3])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert len(task("task=cifar10", f"task.path='{path}'").pixels("train")) == 4


def test_a_path_may_hold_brackets(tmp_path):
    write_images(tmp_path / "files [1]" / "train.parquet", noise(4), [0, 1, 2, 3])
    assert len(task("task=cifar10", f"task.path='{tmp_path}/files [1]'").pixels("train")) == 4
    image_folder("train/cat", "train/dog")(tmp_path / "images [1]")
    images = task("task=cifar10", f"task.path='{tmp_path}/images [1]'", "task.columns.image=image")
    assert len(images.pixels("train")) == 2


def test_a_task_without_a_source_and_one_out_of_reach_say_what_to_do():
    with pytest.raises(
        BuilderError, match="Task 'flowers102' has no public source of images. Give a local copy"
    ):
        task("task=flowers102").labels("train")
    with pytest.raises(BuilderError, match=r"could not be loaded from the hub .* task\.path=\.$") as error:
        task("task=imagenet").labels("train")
    assert "\n" not in str(error.value)
