"""Speed of training a supernet and of evaluation by inheritance: `python -m bench.training [key=value ...]`.

Any override of the builder's; without one, micro networks on a CPU, and on a GPU autoformer-small at 64
tokens in bfloat16. Images are random: shapes decide the speed, pixels do not. Prints images/s, TFLOP/s (two
for each multiply-accumulate of the drawn architectures; a backward pass is two forward ones) beside what a
large matrix product reaches on this machine, the share of time spent on waiting for batches, and the seconds
to inherit and evaluate an architecture on 10,000 images.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Iterator

import hydra
import torch
from hydra.core.config_store import ConfigStore
from torch import Tensor

import spaces
from bench.measure import peak_flops
from builder.command import checked
from builder.device import open_device
from builder.protocols.rows import precision_of, recipe_of
from builder.settings import Settings
from builder.tasks import Task
from builder.training.evaluate import Evaluation
from builder.training.images import HeldImages, SplitImages
from builder.training.train import Training

TEST_IMAGES, NETWORKS = 10_000, 2_000
CPU = ["protocol.recipe.batch_size=64", "accuracy.evaluation_batch_size=500"]
GPU = [
    "space=autoformer-small",
    "task=cifar10",
    "protocol.recipe.batch_size=1024",
    "protocol.recipe.precision=bfloat16",
    "accuracy.evaluation_batch_size=5000",
]


class Waits:
    """Batches of a split, with the seconds that were spent on getting them."""

    def __init__(self, images: SplitImages) -> None:
        self.images, self.seconds = images, 0.0

    def batches(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the batches of an order."""
        found = self.images.batches(order, batch_size)
        while True:
            started = time.perf_counter()
            batch = next(found, None)
            self.seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch


def main() -> None:
    """Measure and print."""
    gpu = torch.cuda.is_available()
    settings = _settings([*(GPU if gpu else CPU), *sys.argv[1:]])
    device, recipe, task = open_device(settings), recipe_of(settings), Task(settings.task)
    space, shape, steps = spaces.get(settings.space.name), task.shape, 200 if gpu else 20
    supernet = space.supernet(**shape).to(device)
    macs: list[int] = []

    def forward(images: Tensor, choices: random.Random) -> Tensor:
        architecture = space.draw(choices)
        macs.append(space.macs(architecture, **shape))
        return supernet(images, architecture)

    images = _random_images(shape, steps * recipe.batch_size if not gpu else 50_000, device)
    training = Training(supernet, forward, task, images, recipe, 0, "")
    _train(training, images, steps)  # steady from here on: every shape was seen, memory is taken
    macs.clear()
    waits = Waits(images)
    seconds = _train(training, waits, steps)
    rate = steps * recipe.batch_size / seconds
    flops = 3 * 2 * statistics.mean(macs) * rate
    dtype = torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32
    peak = peak_flops(device, side=8192 if gpu else 1024, dtype=dtype)
    name = torch.cuda.get_device_name(device) if gpu else f"CPU, {torch.get_num_threads()} threads"
    tokens = (shape["image_size"] // shape["patch_size"]) ** 2
    print(f"{space.name}, {tokens} patches, batch {recipe.batch_size}, {recipe.precision}, on {name}")
    share = f"{flops / peak:.0%} of {peak / 1e12:.2f}"
    print(f"  training    {rate:,.0f} images/s, {flops / 1e12:.3f} TFLOP/s, {share}")
    print(f"  waiting     {waits.seconds / seconds:.1%} of the time, for batches")
    if gpu:
        print(f"  GPU busy    {_busy(training, images):.0%} of the time")
    evaluation = _random_images(shape, TEST_IMAGES, device)
    each = _evaluation_seconds(settings, task, supernet, evaluation, 20 if gpu else 3)
    print(f"  evaluation  {each:.3f} seconds an architecture on {TEST_IMAGES:,} images")
    print(f"              {each * NETWORKS / 60:.1f} minutes for {NETWORKS:,} architectures")


def _settings(overrides: list[str]) -> Settings:
    ConfigStore.instance().store("settings", Settings)
    with hydra.initialize_config_module("conf", version_base="1.3"):
        return checked(hydra.compose("build", overrides=["job=accuracy", *overrides]))


def _random_images(shape: dict[str, int], count: int, device: torch.device) -> SplitImages:
    draws = torch.Generator().manual_seed(0)
    side = shape["image_size"]
    pixels = torch.randint(256, (count, shape["channels"], side, side), dtype=torch.uint8, generator=draws)
    return HeldImages(
        pixels.to(device), torch.randint(shape["classes"], (count,), generator=draws).to(device)
    )


def _train(training: Training, images: SplitImages | Waits, steps: int) -> float:
    """Take steps as `Training` does, and return their seconds."""
    size = training.recipe.batch_size
    order = torch.arange(steps * size) % len(training.images)
    _wait(training.device)
    started = time.perf_counter()
    for pixels, labels in images.batches(order, size):
        training.take_step(pixels, labels)
    _wait(training.device)
    return time.perf_counter() - started


def _busy(training: Training, images: SplitImages) -> float:
    """Return the share of some steps' time in which the GPU had a kernel at work."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        seconds = _train(training, images, 20)
    return sum(event.self_device_time_total for event in profile.key_averages()) / 1e6 / seconds


def _evaluation_seconds(
    settings: Settings, task: Task, supernet: spaces.Supernet, images: SplitImages, count: int
) -> float:
    """Return the median seconds to inherit the weights of an architecture and measure it on a split."""
    evaluation = Evaluation(task, images, settings.accuracy.evaluation_batch_size, precision_of(settings))
    seconds = []
    for architecture in spaces.get(settings.space.name).sample(count + 1, seed=0):
        started = time.perf_counter()
        evaluation.measure(supernet.extract(architecture))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
