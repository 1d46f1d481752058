"""Checkpoints that are whole or not there."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from builder.errors import BuilderError
from store.location import is_there
from store.write import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint to a temporary name, force it to disk, and give it its name; BuilderError if not."""
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's own for a full disk
        reason = str(error).splitlines()[0]
        raise BuilderError(f"Checkpoint {path} cannot be written ({reason}). Is the disk full?") from None


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint's content, None if there is none. Only tensors and plain values are unpickled."""
    if not is_there(path):
        return None
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise RuntimeError("not a file that torch.save wrote")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise BuilderError(f"Checkpoint {path} cannot be read ({reason}). Delete it to train anew.") from None
