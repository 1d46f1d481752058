"""HyTAS's search space: small Vision Transformers for hyperspectral images.

Source: Zhou, Kilickaya, Vanschoren, Piao, "HyTAS: A Hyperspectral Image Transformer Architecture Search
Benchmark and Analysis", ECCV 2024, and its released code. One width for the whole network; heads and MLP
ratio for every block; depth. The genome is AutoFormer's, the network is not: a head is as wide as the width
over the heads, rounded down, and there are no relative positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.autoformer import AutoFormer
from spaces.space import register
from spaces.vit import Shape, VisionTransformer


class PlainAttention(nn.Module):
    """Multi-head self-attention whose heads share a width that they need not divide."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        head_dim = embed_dim // num_heads
        self.num_heads = num_heads
        self.scale = head_dim**-0.5
        self.qkv = nn.Linear(embed_dim, 3 * num_heads * head_dim)
        self.softmax = nn.Softmax(dim=-1)
        self.proj = nn.Linear(num_heads * head_dim, embed_dim)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """Tokens (batch, tokens, embed) to tokens of the same shape; the index of positions is not used."""
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, head_dim)
        weights = self.softmax(q @ k.transpose(2, 3) * self.scale)  # (batch, heads, tokens, tokens)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


@dataclass(frozen=True)
class HyTAS(AutoFormer):
    """HyTAS's space, with what its released training leaves on of AutoFormer's network.

    Ours differ from the published networks in what surrounds the blocks: theirs take one token for each
    spectral band (the 7 x 7 pixels of it and its neighbours), classify by the class token, and mix each
    block's input with that of two blocks before through a convolution over tokens. Blocks, patch projection
    and head have the parameters that the published figure counts; tokens lie on a square grid here, so that
    the position table has another length.
    """

    def params(self, architecture: Architecture, **shape: int) -> int:
        """Return the number of parameters of the stand-alone network, in closed form. As in `AutoFormer`."""
        tables = 4 * (2 * self.max_relative_position + 2) * self.head_dim
        return super().params(architecture, **shape) - tables * architecture.values["depth"]

    def macs(self, architecture: Architecture, **shape: int) -> int:
        """Return the multiply-accumulates of one image's forward pass, in closed form. As in `AutoFormer`."""
        tokens = self._shape(shape).patches + 1
        relative = sum(2 * tokens**2 * qkv for qkv, _ in self._blocks(architecture)[1])
        return super().macs(architecture, **shape) - relative

    def skeleton(self, architecture: Architecture, **shape: int) -> VisionTransformer:
        """Build the network on the meta device: its modules and shapes without memory for weights."""
        network = super().skeleton(architecture, **shape)
        with torch.device("meta"):
            for block, heads in zip(network.blocks, architecture.values["num_heads"], strict=True):
                block.attn = PlainAttention(architecture.values["embed_dim"], heads)
        return network

    def _blocks(self, architecture: Architecture) -> tuple[int, list[tuple[int, int]]]:
        width, blocks = super()._blocks(architecture)
        heads = architecture.values["num_heads"]
        return width, [(h * (width // h), hidden) for h, (_, hidden) in zip(heads, blocks, strict=True)]


register(
    HyTAS(
        name="hytas",
        embed_dim=(32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 240),
        depth=(4, 5, 6, 7, 8, 9, 10),
        num_heads=(3, 4, 5, 6),
        mlp_ratio=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
        supernet_embed_dim=360,
        supernet_depth=10,
        supernet_num_heads=6,
        supernet_mlp_ratio=6.0,
        # Nearest to Indian Pines' 200 tokens of 7 x 7 pixels in 3 bands: a grid of 14 x 14 such patches.
        default_shape=Shape(image_size=98, patch_size=7, channels=3, classes=16),
    )
)
