"""The entangled supernet: one network whose slices are the weights of every architecture of an AutoFormer
space.

Keys and shapes of its state dict are those of AutoFormer's official checkpoints.
"""

from __future__ import annotations

import argparse
import math
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
        self._made: dict[tuple[int, int, int, float], VisionTransformer] = {}
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
        skeleton = self._assembled(architecture)
        weights = {**self._slices(skeleton), "relative_index": self.relative_index}
        return torch.func.functional_call(skeleton, weights, (images,))

    def extract(self, architecture: Architecture) -> VisionTransformer:
        """Return the stand-alone network of an architecture, with a copy of the weights it inherits."""
        network = self.space.skeleton(architecture, **vars(self.shape))
        weights = self.weights(architecture)
        copies = {
            name: weight.detach().clone(memory_format=torch.contiguous_format)
            for name, weight in weights.items()
        }
        network.load_state_dict(copies, assign=True)
        network.relative_index = self.relative_index.clone()
        return network.train(self.training)

    def weights(self, architecture: Architecture) -> dict[str, Tensor]:
        """Return the architecture's weights by the stand-alone network's names: views of ours, but for qkv.

        A weight is the leading slice of ours along every axis. The rows of qkv's weight are interleaved
        (query, key, value, query, ...), so that of each the leading rows are taken; its bias is not
        interleaved, as in the official code.
        """
        return self._slices(self._assembled(architecture))

    def _assembled(self, architecture: Architecture) -> VisionTransformer:
        """Return the architecture's skeleton, put together of modules made before; good until the next call.

        A step of training takes less time than making one anew.
        """
        self.space.fit(architecture)
        values = architecture.values
        width = values["embed_dim"]
        genes = zip(values["num_heads"], values["mlp_ratio"], strict=True)
        blocks = [self._one_block(index, width, *gene).blocks[0] for index, gene in enumerate(genes)]
        skeleton = self._one_block(-1, width, values["num_heads"][0], values["mlp_ratio"][0])
        skeleton.blocks = nn.ModuleList(blocks)
        return skeleton

    def _one_block(self, index: int, embed_dim: int, num_heads: int, mlp_ratio: float) -> VisionTransformer:
        """Return a skeleton of one block, the same one each time; the place in the network tells it apart."""
        key = (index, embed_dim, num_heads, mlp_ratio)
        if key not in self._made:
            genome = {
                "depth": 1,
                "embed_dim": embed_dim,
                "mlp_ratio": [mlp_ratio],
                "num_heads": [num_heads],
            }
            self._made[key] = self.space.skeleton(self.space.architecture(genome), **vars(self.shape))
        return self._made[key]

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


def checkpoint_shape(path: str | Path) -> Shape:
    """Return the shape of the supernet in a checkpoint, as its weights tell it.

    path: as of `Supernet.load`. Raises SpaceError when there is no such file, or no supernet in it.
    """
    state = _read_state(Path(path))
    try:
        _, channels, patch, _ = state[f"{_SUPERNET_PATCH_EMBED}.proj.weight"].shape
        _, tokens, _ = state["pos_embed"].shape
        classes, _ = state["head.weight"].shape
    except (KeyError, ValueError):
        raise SpaceError(f"Checkpoint {path} is not one of a supernet: its keys are others.") from None
    return Shape(math.isqrt(tokens - 1) * patch, patch, channels, classes)


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
