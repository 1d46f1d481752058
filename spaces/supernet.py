"""The entangled supernet: one network whose slices are the weights of every architecture of an AutoFormer
space.

Keys and shapes of its state dict are those of AutoFormer's official checkpoints.
"""

from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.errors import SpaceError
from spaces.vit import Shape, VisionTransformer

if TYPE_CHECKING:
    from spaces.autoformer import AutoFormer

# The official name of the patch embedding; all other keys are those of the stand-alone network.
_SUPERNET_PATCH_EMBED = "patch_embed_super"


class Supernet(nn.Module):
    """A supernet of an AutoFormer space, called as `supernet(images, architecture)`.

    space: the space it holds.
    shape: images, patches and classes.
    seed:  of the generator that draws the weights.
    """

    relative_index: Tensor
    norm: nn.LayerNorm

    def __init__(self, space: AutoFormer, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.shape = shape
        full = space.build(space.largest, seed=seed, **vars(shape))
        for name, parameter in full.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, module in full.named_children():
            self.add_module(_SUPERNET_PATCH_EMBED if name == "patch_embed" else name, module)
        self.register_buffer("relative_index", full.relative_index, persistent=False)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Images (batch, channels, side, side) to logits (batch, classes), with the weights of one
        architecture.

        Gradients reach the slices of the supernet's parameters that the architecture uses.
        """
        skeleton = self.space.skeleton(architecture, **vars(self.shape))
        weights = {**self._slices(skeleton), "relative_index": self.relative_index}
        return torch.func.functional_call(skeleton, weights, (images,))

    def extract(self, architecture: Architecture) -> VisionTransformer:
        """Return the stand-alone network of an architecture, with a copy of the weights it inherits."""
        like = self.norm.weight
        network = self.space.build(architecture, **vars(self.shape)).to(like.device, like.dtype)
        network.load_state_dict(
            {name: weight.detach() for name, weight in self.weights(architecture).items()}
        )
        return network.train(self.training)

    def weights(self, architecture: Architecture) -> dict[str, Tensor]:
        """Return the architecture's weights by the stand-alone network's names: views of ours, but for qkv.

        A weight is the leading slice of ours along every axis. The rows of qkv's weight are interleaved
        (query, key, value, query, ...), so that of each the leading rows are taken; its bias is not
        interleaved, as in the official code.
        """
        return self._slices(self.space.skeleton(architecture, **vars(self.shape)))

    def _slices(self, skeleton: VisionTransformer) -> dict[str, Tensor]:
        ours = dict(self.named_parameters())
        found = {}
        for name, target in skeleton.named_parameters():
            weight = ours[name.replace("patch_embed", _SUPERNET_PATCH_EMBED)]
            if name.endswith("qkv.weight"):
                rows, columns = target.shape
                found[name] = torch.cat([weight[part:rows:3, :columns] for part in range(3)])
            else:
                found[name] = weight[tuple(slice(length) for length in target.shape)]
        return found

    def load(self, path: str | Path) -> Supernet:
        """Load an official checkpoint (`supernet-small.pth`) or one of ours, and return this supernet.

        path: a file of `torch.save`: a state dict, or a dict that holds one under "model". Only tensors and
              plain values are unpickled.

        Raises SpaceError when there is no such file, it holds no state dict, or keys or shapes are not ours.
        """
        state = _read_state(Path(path))
        ours = self.state_dict()
        problems = [f"{key} is missing" for key in ours if key not in state]
        problems += [f"{key} is not a key of it" for key in state if key not in ours]
        problems += [
            f"{key} is {tuple(state[key].shape)}, expected {tuple(ours[key].shape)}"
            for key in ours
            if key in state and state[key].shape != ours[key].shape
        ]
        if problems:
            more = f" (and {len(problems) - 1} more differences)" if len(problems) > 1 else ""
            raise SpaceError(
                f"Checkpoint {path} is not one of {self.space.name} for {self.shape.image_size} pixel "
                f"images and {self.shape.classes} classes: {problems[0]}{more}."
            )
        self.load_state_dict(state)
        return self


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise SpaceError(f"Checkpoint {path} does not exist.")
    if not zipfile.is_zipfile(path):
        raise SpaceError(f"Checkpoint {path} cannot be read as weights: not a file that torch.save wrote.")
    try:
        # The official training script stores its parsed arguments beside the weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise SpaceError(f"Checkpoint {path} cannot be read as weights: {reason}") from None
    state = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise SpaceError(
            f"Checkpoint {path} holds no state dict. Expected tensors by name, or those under 'model'."
        )
    return state
