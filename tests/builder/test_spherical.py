"""Images on the sphere: against a slow reading of the recipe, and by the laws of rotations."""

import math

import numpy as np
import pytest
import torch

from builder.seeds import generator
from builder.spherical import draw, project, rotation
from builder.tasks import Task
from tests.builder.conftest import noise, write_images
from tests.builder.test_tasks import task

STILL = torch.eye(3, dtype=torch.float64)


def images(count=1, side=32, channels=3, seed=0):
    draws = np.random.default_rng(seed)
    return torch.from_numpy(draws.integers(0, 256, (count, channels, side, side), dtype=np.uint8))


def rotations(count):
    return torch.stack([rotation(generator("test", number)) for number in range(count)])


def about_axis(angle):
    sine, cosine = math.sin(angle), math.cos(angle)
    return torch.tensor([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], dtype=torch.float64)


def slowly(image, matrix, bandwidth, joint):
    """The seven steps, one point at a time; image (channels, side, side)."""
    channels, side, _ = image.shape
    size = 2 * bandwidth
    seen = np.zeros((channels, size, size))
    for j in range(size):
        for k in range(size):
            theta, phi = math.pi * j / size, math.pi * k / bandwidth
            point = (math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta))
            x, y, z = (sum(m * p for m, p in zip(row, point, strict=True)) for row in matrix.tolist())
            s = -(z + 1) / ((z + 1) - 2.001)
            r, c = (((q * (1 + s)) + 1.5) / 3 * side for q in (x, y))
            for channel in range(channels):
                for row, row_weight in ((int(r) - 1, int(r) + 1 - r), (int(r) + 1, r - (int(r) - 1))):
                    for column, weight in ((int(c) - 1, int(c) + 1 - c), (int(c) + 1, c - (int(c) - 1))):
                        if 0 <= row < side and 0 <= column < side:
                            seen[channel, j, k] += row_weight * weight * float(image[channel, row, column])
    axes = None if joint else (1, 2)
    low, high = seen.min(axes, keepdims=True), seen.max(axes, keepdims=True)
    return ((seen - low) / (high - low) * 255).astype(np.uint8)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_it_is_the_recipe(joint, turned):
    """Where a coordinate falls on a whole pixel, the last bit of a sine decides which two are read."""
    image = images()
    matrix = rotations(1) if turned else STILL[None]
    ours = project(image, matrix, 30, joint)
    assert ours.shape == (1, 3, 60, 60) and ours.dtype == torch.uint8
    error = np.abs(ours[0].numpy().astype(int) - slowly(image[0], matrix[0], 30, joint).astype(int))
    assert (error > 1).mean() < (1e-4 if turned else 0.01)


def test_rotations_are_rotations():
    found = rotations(200)
    assert torch.allclose(found @ found.mT, STILL.expand(200, 3, 3), atol=1e-12)
    assert torch.allclose(torch.linalg.det(found), torch.ones(200, dtype=torch.float64))


def test_rotations_are_uniform():
    """Of a uniform rotation every entry is uniform in -1 .. 1, and the trace has mean 0 and variance 1."""
    found = rotations(4000)
    assert found.mean(0).abs().max() < 0.05
    assert (found.square().mean(0) - 1 / 3).abs().max() < 0.02
    trace = found.diagonal(dim1=1, dim2=2).sum(1)
    assert abs(trace.mean()) < 0.06 and abs(trace.var() - 1) < 0.08


@pytest.mark.parametrize("steps", [1, 17, 59])
def test_a_turn_about_the_axis_by_whole_columns_shifts_them(steps):
    image, matrix = images(side=20), rotations(1)
    turned = project(image, matrix @ about_axis(steps * math.pi / 30), 30, joint=False)
    assert torch.equal(turned, project(image, matrix, 30, joint=False).roll(-steps, dims=3))


def test_images_do_not_mix_and_need_no_company():
    image, matrix = images(5), rotations(5)
    together = project(image, matrix, 15, joint=False)
    for number in range(5):
        alone = project(image[number : number + 1], matrix[number : number + 1], 15, joint=False)
        assert torch.equal(together[number], alone[0])
    assert (
        len({row.numpy().tobytes() for row in project(image[:1].expand(5, -1, -1, -1), matrix, 15, True)})
        == 5
    )


def test_a_joint_range_keeps_colours_and_one_colour_is_dark():
    grey = images(channels=1).expand(-1, 3, -1, -1)
    reddish = (grey * torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1)).to(torch.uint8)
    joint, apart = (project(reddish, rotations(1), 30, joint=joint) for joint in (True, False))
    assert (joint.amax((2, 3))[0] - torch.tensor([255, 127, 63])).abs().max() < 4
    assert apart.amax((2, 3))[0].tolist() == [255] * 3
    assert project(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), rotations(1), 30, joint=False).max() == 0


@pytest.fixture
def files(tmp_path):
    """The same image ten times over, in train and in test."""
    for split in ("train", "test"):
        write_images(tmp_path / f"{split}.parquet", noise(1) * 10, list(range(10)), label="fine_label")
    return tmp_path


def spherical(files, *overrides):
    return task("task=spherical_cifar100", f"task.path={files}", "task.validation_fraction=0", *overrides)


def test_every_image_of_train_and_test_has_its_own_rotation(files):
    found = spherical(files)
    train, test = found.pixels("train"), found.pixels("test")
    assert train.shape == test.shape == (10, 3, 64, 64)
    assert len({image.numpy().tobytes() for image in (*train, *test)}) == 20
    again = Task(found.settings)
    assert torch.equal(again.pixels("train", [7, 2]), train[[7, 2]])


def test_options_of_the_sphere_change_the_images(files):
    shared = spherical(files, "task.spherical.images_per_rotation=5").pixels("train")
    assert len({image.numpy().tobytes() for image in shared}) == 2
    plain = spherical(files).pixels("train")
    for option in ("seed=1", "rescale=joint", "bandwidth=20", "source_side=16"):
        assert not torch.equal(plain, spherical(files, f"task.spherical.{option}").pixels("train"))


def test_the_picture_is_drawn(tmp_path):
    draw(tmp_path / "spherical.png")
    assert (tmp_path / "spherical.png").stat().st_size > 5000
