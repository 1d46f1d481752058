"""An attempt at a pass or a proxy: what came of it, how long it took, how much memory it held."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

from proxies.errors import ProxyError, Status

T = TypeVar("T")

_MESSAGE_LENGTH = 300  # messages stand in a table: the first line, cut here


class Failed(ProxyError):
    """An outcome that is not ok was asked for its value."""

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Price:
    """What an attempt, or a stage of one, took.

    seconds:    wall time, the device's queue drained.
    peak_bytes: most GPU memory in use at a time beyond what was in use before; None on CPU (not measured).
    """

    seconds: float = 0.0
    peak_bytes: int | None = None

    def __add__(self, other: Price) -> Price:
        """Return the price of both, one after the other."""
        peaks = [price.peak_bytes for price in (self, other) if price.peak_bytes is not None]
        return Price(self.seconds + other.seconds, max(peaks, default=None))


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of an attempt.

    value:   what was returned; None unless status is "ok".
    status:  "ok", or how it failed.
    message: why it failed, one line; None when ok.
    prices:  what was paid for it, by the name of the part of the work; parts may serve other attempts too.
    """

    value: T | None
    status: Status
    message: str | None
    prices: dict[str, Price]

    def unwrap(self) -> T:
        """Return the value, or raise the failure."""
        if self.status != "ok" or self.value is None:
            raise Failed(self.message or self.status, self.status)
        return self.value


def attempt(function: Callable[[], T], device: torch.device, name: str = "own") -> Outcome[T]:
    """Call the function in exact arithmetic and measure it; a failure is an outcome, not an exception."""
    prices: dict[str, Price] = {}
    with _exact_arithmetic(device), _random_state_kept(device):
        # The one place where any exception is caught: one failure must not end a job of thousands.
        try:
            with metered(device, prices, name):
                value = function()
        except Exception as error:
            return failure(error, prices)
    return Outcome(value, "ok", None, prices)


def failure(error: Exception, prices: dict[str, Price]) -> Outcome[Any]:
    """Return the outcome of an attempt that ended in an exception."""
    return Outcome(None, _status(error), _line(error), prices)


@contextmanager
def metered(
    device: torch.device, prices: dict[str, Price], name: str, before: int | None = None
) -> Iterator[None]:
    """Add what the block takes to the price of this name, whether it fails or not.

    before: bytes of GPU memory in use from which the peak is counted; those at the block's start if not
    given.
    """
    started_with = memory_before(device)
    before = started_with if before is None else before
    started = _now(device)
    try:
        yield
    finally:
        seconds = _now(device) - started
        peak = torch.cuda.max_memory_allocated(device) - before if device.type == "cuda" else None
        prices[name] = prices.get(name, Price()) + Price(seconds, peak)


def _status(error: Exception) -> Status:
    if isinstance(error, ProxyError):
        return error.status
    return "oom" if is_out_of_memory(error) else "error"


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU allocator and some CUDA libraries only say it in words.
    words = ("out of memory", "DefaultCPUAllocator", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _line(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0][:_MESSAGE_LENGTH]
    return first if isinstance(error, ProxyError) else f"{type(error).__name__}: {first}"


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def memory_before(device: torch.device) -> int:
    """Return the bytes of GPU memory in use, 0 on a CPU, and start counting the peak."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


@contextmanager
def _exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Keep TF32 and autocast off: both lose the digits that variances over gradients live in."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    # Since torch 2.9 precision is a word per backend, and reading the older flags may raise.
    words = hasattr(matmul, "fp32_precision")
    flag, exact = ("fp32_precision", "ieee") if words else ("allow_tf32", False)
    backends = (matmul, cudnn.conv if words else cudnn)  # type: ignore[attr-defined]
    found = [getattr(backend, flag) for backend in backends]
    try:
        for backend in backends:
            setattr(backend, flag, exact)
        # The meta device, on which shapes alone can be counted, has no autocast to turn off.
        autocast = torch.amp.autocast_mode.is_autocast_available(device.type)
        with torch.autocast(device.type, enabled=False) if autocast else nullcontext():
            yield
    finally:
        for backend, value in zip(backends, found, strict=True):
            setattr(backend, flag, value)


@contextmanager
def _random_state_kept(device: torch.device) -> Iterator[None]:
    """Give the global generators back as they were, should the network draw from them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
