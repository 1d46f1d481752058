"""Where networks run, and how exactly."""

from __future__ import annotations

import torch

from builder.errors import BuilderError
from builder.memory import keep_freed_memory
from builder.settings import Settings


def open_device(settings: Settings, workers: int = 1) -> torch.device:
    """Return the device of a run, torch told how to use it; BuilderError if there is no such device.

    workers: processes that share the threads.
    """
    if settings.threads is not None or workers > 1:
        torch.set_num_threads(max(1, (settings.threads or torch.get_num_threads()) // workers))
    keep_freed_memory()
    # Torch rounds the inputs of float32 convolutions to TF32 otherwise; those of matrix products it does not.
    torch.backends.cudnn.allow_tf32 = False
    device = _device(settings.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # else pinned memory opens the first one too
    return device


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BuilderError(f"Unknown device '{name}'. Expected auto, cpu, cuda or cuda:1.") from None
    if device.type not in ("cpu", "cuda"):
        raise BuilderError(f"Unknown device '{name}'. Expected auto, cpu, cuda or cuda:1.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise BuilderError(
            f"device={name}, but torch sees {count} CUDA devices. Use device=auto or device=cpu."
        )
    return device
