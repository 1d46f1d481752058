"""A stand-alone Vision Transformer of exact shapes, as AutoFormer's sub-networks are.

Source: Chen, Peng, Fu, Ling, "AutoFormer: Searching Transformers for Visual Recognition", ICCV 2021, with the
options of its published commands: global pooling, relative positions on keys and values, and a query, key and
value width of heads x head dimension whatever the embedding width. Dropout and drop-path are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spaces.errors import SpaceError


@dataclass(frozen=True)
class Shape:
    """What surrounds the blocks: image and patch side in pixels, image channels, head classes."""

    image_size: int = 224
    patch_size: int = 16
    channels: int = 3
    classes: int = 1000

    def __post_init__(self) -> None:
        """Refuse what no patch grid can be laid on."""
        if min(self.image_size, self.patch_size, self.channels, self.classes) < 1:
            raise SpaceError(f"Image size, patch size, channels and classes must be at least 1, got {self}.")
        if self.image_size % self.patch_size:
            raise SpaceError(
                f"A patch of {self.patch_size} pixels does not divide an image of {self.image_size}. "
                "Choose a patch_size that does."
            )

    @property
    def patches(self) -> int:
        """Number of patches, all tokens but the class token."""
        return (self.image_size // self.patch_size) ** 2


class PatchEmbed(nn.Module):
    """Cut the image into patches and project each to the embedding."""

    def __init__(self, shape: Shape, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(shape.channels, embed_dim, shape.patch_size, stride=shape.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, side, side) to patches (batch, patches, embed)."""
        return self.proj(images).flatten(2).transpose(1, 2)


class RelativePosition(nn.Module):
    """One vector for every pair of tokens: a row offset's plus a column offset's, learned, clipped."""

    def __init__(self, head_dim: int, max_relative_position: int) -> None:
        super().__init__()
        rows = 2 * max_relative_position + 2  # every clipped offset, and row 0 for pairs with the class token
        self.embeddings_table_v = nn.Parameter(torch.empty(rows, head_dim))
        self.embeddings_table_h = nn.Parameter(torch.empty(rows, head_dim))

    def forward(self, index: Tensor) -> Tensor:
        """Table rows (2, tokens, tokens) to vectors (tokens, tokens, head_dim)."""
        vertical, horizontal = index
        rows = len(self.embeddings_table_h)
        # The few hundred sums there are, each once; then one lookup for the tens of thousands of pairs.
        sums = self.embeddings_table_v.unsqueeze(1) + self.embeddings_table_h  # (rows, rows, head_dim)
        return nn.functional.embedding(vertical * rows + horizontal, sums.flatten(0, 1))


def relative_index(patches: int, max_relative_position: int) -> Tensor:
    """Return the table rows of every (query, key) pair, (2, tokens, tokens) int64: vertical, horizontal.

    Row 0 is a pair with the class token; the others are the clipped offset key - query plus the clip plus
    one.
    """
    side = math.isqrt(patches)
    position = torch.arange(patches, device="cpu")
    axes = torch.stack((position // side, position % side))  # (2, patches)
    offset = axes[:, None, :] - axes[:, :, None]  # (2, patches, patches)
    clipped = offset.clamp(-max_relative_position, max_relative_position) + max_relative_position + 1
    return nn.functional.pad(clipped, (1, 0, 1, 0))  # (2, tokens, tokens)


class Attention(nn.Module):
    """Multi-head self-attention with relative positions on keys and values."""

    def __init__(self, embed_dim: int, num_heads: int, head_dim: int, max_relative_position: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = head_dim**-0.5
        self.qkv = nn.Linear(embed_dim, 3 * num_heads * head_dim)
        self.rel_pos_embed_k = RelativePosition(head_dim, max_relative_position)
        self.rel_pos_embed_v = RelativePosition(head_dim, max_relative_position)
        self.softmax = nn.Softmax(dim=-1)
        self.proj = nn.Linear(num_heads * head_dim, embed_dim)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """Tokens (batch, tokens, embed) to tokens of the same shape; index as `relative_index` makes it."""
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, head_dim)
        keys = self.rel_pos_embed_k(index).transpose(1, 2)  # (tokens, head_dim, tokens)
        scores = (q @ k.transpose(2, 3) + _by_query(q, keys)) * self.scale  # (batch, heads, tokens, tokens)
        weights = self.softmax(scores)
        out = weights @ v + _by_query(
            weights, self.rel_pos_embed_v(index)
        )  # (batch, heads, tokens, head_dim)
        return self.proj(out.transpose(1, 2).flatten(2))


def _by_query(x: Tensor, matrices: Tensor) -> Tensor:
    """Multiply each query token's rows of x by that token's own matrix.

    x: (batch, heads, tokens, k); matrices: (tokens, k, m). Returns (batch, heads, tokens, m).
    """
    batch, heads, tokens, _ = x.shape
    rows = x.permute(2, 0, 1, 3).reshape(tokens, batch * heads, -1)  # (tokens, batch * heads, k)
    return (rows @ matrices).reshape(tokens, batch, heads, -1).permute(1, 2, 0, 3)


class Block(nn.Module):
    """A pre-norm Transformer block: attention, then an MLP with GELU, each with its residual."""

    def __init__(
        self, embed_dim: int, num_heads: int, mlp_ratio: float, head_dim: int, max_relative_position: int
    ) -> None:
        super().__init__()
        self.attn_layer_norm = nn.LayerNorm(embed_dim)
        self.attn = Attention(embed_dim, num_heads, head_dim, max_relative_position)
        self.attended = nn.Identity()  # gives the residual stream after the attention a name
        self.ffn_layer_norm = nn.LayerNorm(embed_dim)
        self.fc1 = nn.Linear(embed_dim, int(embed_dim * mlp_ratio))
        self.act = nn.GELU()
        self.fc2 = nn.Linear(int(embed_dim * mlp_ratio), embed_dim)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """Tokens (batch, tokens, embed) to tokens of the same shape."""
        x = self.attended(x + self.attn(self.attn_layer_norm(x), index))
        return x + self.fc2(self.act(self.fc1(self.ffn_layer_norm(x))))


class VisionTransformer(nn.Module):
    """A Vision Transformer with a width for every block.

    embed_dim:  width of the residual stream.
    num_heads:  heads of each block, one entry a block.
    mlp_ratio:  hidden width of each block's MLP over embed_dim, rounded down, one entry a block.
    head_dim:   width of one head's query, key and value.
    max_relative_position: offset in patches at which relative positions are clipped.
    shape:      images, patches and classes.

    The weights are whatever the constructor's device gives; `initialise` draws them.
    """

    relative_index: Tensor

    def __init__(
        self,
        embed_dim: int,
        num_heads: Sequence[int],
        mlp_ratio: Sequence[float],
        head_dim: int,
        max_relative_position: int,
        shape: Shape,
    ) -> None:
        super().__init__()
        self.input_shape = (shape.channels, shape.image_size, shape.image_size)
        self.patch_embed = PatchEmbed(shape, embed_dim)
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.empty(1, shape.patches + 1, embed_dim))
        self.blocks = nn.ModuleList(
            Block(embed_dim, heads, ratio, head_dim, max_relative_position)
            for heads, ratio in zip(num_heads, mlp_ratio, strict=True)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, shape.classes)
        self.register_buffer(
            "relative_index", relative_index(shape.patches, max_relative_position), persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, side, side) to logits (batch, classes)."""
        x = self.patch_embed(images)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x, self.relative_index)
        return self.head(self.norm(x)[:, 1:].mean(dim=1))  # the class token is not pooled

    @property
    def stages(self) -> list[str]:
        """The modules that return the residual stream, in forward order: after attention, after the MLP."""
        return [name for i in range(len(self.blocks)) for name in (f"blocks.{i}.attended", f"blocks.{i}")]

    @property
    def feature_map(self) -> str:
        """The module that returns the features before global pooling, (batch, tokens, embed)."""
        return "norm"

    @property
    def roles(self) -> dict[str, str]:
        """What each leaf module is for: embed, attention, mlp, norm or head."""
        return {
            name: _role(name, module)
            for name, module in self.named_modules()
            if not any(True for _ in module.children()) and not isinstance(module, nn.Identity)
        }


def _role(name: str, module: nn.Module) -> str:
    if isinstance(module, nn.LayerNorm):
        return "norm"
    first, *_ = name.split(".")
    if first == "blocks":
        return "attention" if ".attn." in name else "mlp"
    return "head" if first == "head" else "embed"


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew, as AutoFormer does.

    Linear weights, tokens, positions and tables: normal, standard deviation 0.02, cut at +-2. Biases: 0.
    LayerNorm: 1 and 0. The patch projection keeps the default of torch's convolutions, which AutoFormer
    leaves in place: uniform within 1 / sqrt(fan in), bias too.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.fill_(1.0)
                module.bias.zero_()
            elif isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
                module.bias.zero_()
            elif isinstance(module, nn.Conv2d):
                bound = module.weight[0].numel() ** -0.5
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)
            else:
                for parameter in module.parameters(recurse=False):
                    nn.init.trunc_normal_(parameter, std=0.02, generator=generator)
