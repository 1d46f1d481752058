"""What the benchmarks share: a network with its batches, and the seconds of a forward and backward pass."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor, nn

import spaces


def network_and_batches(
    space: str, index: int, batch_size: int, device: torch.device, batches: int = 2, **shape: int
) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """Return the index-th sampled architecture's network and mini-batches of noise with random labels."""
    found = spaces.get(space)
    network = found.build(found.sample(index + 1, seed=0)[index], seed=index, **shape)
    draws = torch.Generator().manual_seed(index)
    classes = network(torch.zeros(1, *network.input_shape)).shape[1]
    pairs = [
        (
            torch.randn(batch_size, *network.input_shape, generator=draws),
            torch.randint(classes, (batch_size,), generator=draws),
        )
        for _ in range(batches)
    ]
    return network.to(device), [(images.to(device), labels.to(device)) for images, labels in pairs]


def forward_backward_seconds(network: nn.Module, images: Tensor, labels: Tensor, repeats: int = 3) -> float:
    """Return the median seconds of one forward and backward pass, after one to warm up."""
    seconds = []
    for _ in range(repeats + 1):
        _wait(images.device)
        started = time.perf_counter()
        nn.functional.cross_entropy(network(images), labels).backward()
        _wait(images.device)
        seconds.append(time.perf_counter() - started)
        network.zero_grad()
    return statistics.median(seconds[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
