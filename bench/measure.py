"""What the benchmarks share: a network with its batches, and the seconds of a forward and backward pass."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

import proxies
import spaces

Batches = list[tuple[Tensor, Tensor]]


def network_and_batches(
    space: str, index: int, batch_size: int, device: torch.device, batches: int = 2, **shape: int
) -> tuple[nn.Module, Batches]:
    """Return the index-th sampled architecture's network and mini-batches of noise with random labels.

    Labels are of so few classes that some have two images, which a proxy within classes asks for.
    """
    found = spaces.get(space)
    network = found.build(found.sample(index + 1, seed=0)[index], seed=index, **shape)
    draws = torch.Generator().manual_seed(index)
    logits = network(torch.zeros(1, *network.input_shape))
    classes = min(logits.shape[1], max(1, batch_size // 2))
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


def measured_seconds(
    names: Sequence[str], network: nn.Module, batches: Batches, memory_gib: float | None = None
) -> tuple[float, dict[str, proxies.Score]]:
    """Return the seconds that all these proxies take together, and their scores."""
    _wait(batches[0][0].device)
    started = time.perf_counter()
    scores = proxies.compute(names, network, batches, memory_gib=memory_gib)
    _wait(batches[0][0].device)
    return time.perf_counter() - started, scores


def peak_flops(
    device: torch.device, side: int = 4096, repeats: int = 3, dtype: torch.dtype = torch.float32
) -> float:
    """Return the floating-point operations a second of a large matrix product, the best of some."""
    left, right = (torch.ones(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(repeats + 1):
        _wait(device)
        started = time.perf_counter()
        left @ right
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
