"""The finetune protocol: every architecture begins with the weights it inherits from a supernet of another
task, and is trained on alone.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

import spaces
from builder.errors import BuilderError
from builder.plan import Work
from builder.protocols import alone
from builder.protocols.alone import Begin
from builder.provenance import Run
from builder.settings import Settings
from builder.tasks import Task
from spaces import Architecture
from spaces.supernet import checkpoint_shape


def run(settings: Settings, run: Run) -> None:
    """Tune every architecture that has no accuracy yet, seed by seed; each is written as it is done."""
    alone.run(settings, run, beginning)


def worker(settings: Settings, run: Run) -> Work:
    """Return what tunes a block's architectures."""
    return alone.worker(settings, run, beginning)


def beginning(settings: Settings, task: Task) -> Begin:
    """Return what gives an architecture the weights it inherits; the seed draws what is not inherited.

    Raises BuilderError when the checkpoint's patches are not the task's.
    """
    path, space = Path(str(settings.protocol.checkpoint)).expanduser(), spaces.get(settings.space.name)
    theirs, ours = checkpoint_shape(path), task.shape
    if (theirs.patch_size, theirs.channels) != (ours["patch_size"], ours["channels"]):
        raise BuilderError(
            f"Checkpoint {path} is for patches of {theirs.patch_size} pixels and {theirs.channels} channels; "
            f"task '{task.name}' has patches of {ours['patch_size']} and {ours['channels']} channels. "
            "Set task.patch_size and task.channels to the checkpoint's."
        )

    supernet = space.supernet(**vars(theirs)).load(path)

    def begin(architecture: Architecture, seed: int) -> nn.Module:
        network = space.build(architecture, seed=seed, **task.shape)
        inherited = supernet.extract(architecture).state_dict()
        if theirs.classes != ours["classes"]:
            inherited = {name: weight for name, weight in inherited.items() if not name.startswith("head.")}
        inherited["pos_embed"] = _stretched(
            inherited["pos_embed"], network.get_parameter("pos_embed").shape[1]
        )
        network.load_state_dict(inherited, strict=False)
        return network

    return begin


def _stretched(positions: Tensor, tokens: int) -> Tensor:
    """Return positions (1, tokens, embed) for another number of tokens: the grid's interpolated, bicubic.

    The class token's stays. Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, 3.2.
    """
    if positions.shape[1] == tokens:
        return positions
    side, wanted = math.isqrt(positions.shape[1] - 1), math.isqrt(tokens - 1)
    grid = positions[:, 1:].transpose(1, 2).unflatten(2, (side, side))  # (1, embed, side, side)
    grid = nn.functional.interpolate(grid, (wanted, wanted), mode="bicubic", antialias=True)
    return torch.cat((positions[:, :1], grid.flatten(2).transpose(1, 2)), dim=1)
