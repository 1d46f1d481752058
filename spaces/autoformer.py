"""AutoFormer's search spaces: the three official ones, and a micro one that trains on a CPU.

Source: Chen, Peng, Fu, Ling, "AutoFormer", ICCV 2021, and the supernet files of its official code. One width
for the whole network; heads and MLP ratio for every block; depth. Genome:
`{"depth": 13, "embed_dim": 384, "mlp_ratio": [3.0, ...], "num_heads": [6, ...]}`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from spaces.architecture import Architecture, canonical
from spaces.errors import SpaceError
from spaces.space import Space, pick, register
from spaces.supernet import Supernet
from spaces.vit import Shape, VisionTransformer, initialise, relative_index

_FIELDS = ("depth", "embed_dim", "mlp_ratio", "num_heads")
_LAYER_MUTATION = 0.2  # for each block, its heads and its ratio
_NETWORK_MUTATION = 0.4  # for depth and width


@dataclass(frozen=True)
class AutoFormer(Space):
    """An AutoFormer space: the choices of every gene, and the supernet that holds them all.

    embed_dim, depth, num_heads, mlp_ratio: the choices, smallest first.
    supernet: width, heads, MLP ratio and depth of the network whose slices are the architectures.
    head_dim: width of one head.
    max_relative_position: clip of the relative offsets, in patches.
    default_shape: the shape at which `params` and `macs` count when none is given.
    """

    name: str
    embed_dim: tuple[int, ...]
    depth: tuple[int, ...]
    num_heads: tuple[int, ...]
    mlp_ratio: tuple[float, ...]
    supernet_embed_dim: int
    supernet_depth: int
    supernet_num_heads: int
    supernet_mlp_ratio: float
    head_dim: int = 64
    max_relative_position: int = 14
    default_shape: Shape = dataclasses.field(default_factory=Shape)

    @property
    def size(self) -> int:
        """|widths| x the sum over depths of (|ratios| x |heads|) ** depth."""
        per_block = len(self.mlp_ratio) * len(self.num_heads)
        return len(self.embed_dim) * sum(per_block**depth for depth in self.depth)

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture of these values, numbers in their one written form.

        values: depth and embed_dim as whole numbers; mlp_ratio and num_heads with one entry a block.

        Raises SpaceError when a field is missing, unknown, or not of that form.
        """
        if sorted(values) != sorted(_FIELDS):
            raise SpaceError(
                f"A genome of {self.name} has the fields {', '.join(_FIELDS)}; "
                f"got {', '.join(sorted(values))}."
            )
        try:
            genome = {
                "depth": _whole(values["depth"]),
                "embed_dim": _whole(values["embed_dim"]),
                "mlp_ratio": [float(ratio) for ratio in values["mlp_ratio"]],
                "num_heads": [_whole(heads) for heads in values["num_heads"]],
            }
        except (TypeError, ValueError, OverflowError) as error:
            raise SpaceError(f"Genome {dict(values)} of {self.name} is malformed: {error}.") from None
        for field in ("mlp_ratio", "num_heads"):
            if len(genome[field]) != genome["depth"]:  # type: ignore[arg-type]
                raise SpaceError(
                    f"Genome of {self.name}: {field} has {len(genome[field])} entries "  # type: ignore[arg-type]
                    f"for a depth of {genome['depth']}; expected one a block."
                )
        return Architecture(self.name, canonical(genome))

    def validate(self, architecture: Architecture) -> None:
        """Raise SpaceError, naming field and value, unless the architecture is a member of this space."""
        values = self._values(architecture)
        for field in _FIELDS:
            choices = getattr(self, field)
            genes = values[field] if isinstance(values[field], list) else [values[field]]
            for gene in genes:
                if gene not in choices:
                    raise SpaceError(
                        f"Genome outside {self.name}: {field} {gene} is not one of "
                        f"{', '.join(map(str, choices))}."
                    )

    def draw(self, generator: random.Random) -> Architecture:
        """Draw as the official code does: depth, ratios, heads and width, each uniformly."""
        depth = pick(generator, self.depth)
        ratios = [pick(generator, self.mlp_ratio) for _ in range(depth)]
        heads = [pick(generator, self.num_heads) for _ in range(depth)]
        return self._make(pick(generator, self.embed_dim), ratios, heads)

    def mutate(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """Redraw depth and width with probability 0.4 each and every block's genes with 0.2.

        A larger depth adds freshly drawn blocks at the end, a smaller one drops the last.
        """
        self.validate(architecture)
        values = architecture.values
        depth, embed_dim = values["depth"], values["embed_dim"]
        if generator.random() < _NETWORK_MUTATION:
            depth = pick(generator, self.depth)
        if generator.random() < _NETWORK_MUTATION:
            embed_dim = pick(generator, self.embed_dim)

        def redraw(genes: list[Any], choices: tuple[Any, ...]) -> list[Any]:
            return [
                pick(generator, choices)
                if block >= len(genes) or generator.random() < _LAYER_MUTATION
                else genes[block]
                for block in range(depth)
            ]

        return self._make(
            embed_dim,
            redraw(values["mlp_ratio"], self.mlp_ratio),
            redraw(values["num_heads"], self.num_heads),
        )

    def crossover(self, first: Architecture, second: Architecture, generator: random.Random) -> Architecture:
        """Take depth, width and every block's genes from either parent that has them.

        The official search only crosses parents of equal depth, for which this is the same rule.
        """
        self.validate(first)
        self.validate(second)
        parents = (first.values, second.values)
        depth = pick(generator, parents)["depth"]

        def mix(field: str) -> list[Any]:
            alive = [[p[field][block] for p in parents if block < p["depth"]] for block in range(depth)]
            return [pick(generator, tuple(genes)) for genes in alive]

        return self._make(pick(generator, parents)["embed_dim"], mix("mlp_ratio"), mix("num_heads"))

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        """Return depth, width, every block's ratio, then its heads; zeros for absent blocks."""
        values = self._values(architecture)
        absent = [0.0] * (max(self.depth) - values["depth"])
        ratios = values["mlp_ratio"] + absent
        heads = [float(h) for h in values["num_heads"]] + absent
        return (float(values["depth"]), float(values["embed_dim"]), *ratios, *heads)

    def params(self, architecture: Architecture, **shape: int) -> int:
        """Return the number of parameters of the stand-alone network, in closed form.

        shape: image_size, patch_size, channels, classes; default the space's own.
        """
        net, width, blocks = self._shape(shape), *self._blocks(architecture)
        tables = 4 * (2 * self.max_relative_position + 2) * self.head_dim
        patch = net.channels * net.patch_size**2 * width + width
        outside = patch + width * (2 + net.patches) + 2 * width + (width + 1) * net.classes
        return outside + sum(
            3 * (width + 1) * qkv
            + (qkv + 1) * width
            + (width + 1) * hidden
            + (hidden + 1) * width
            + 4 * width
            + tables
            for qkv, hidden in blocks
        )

    def macs(self, architecture: Architecture, **shape: int) -> int:
        """Return the multiply-accumulates of one image's forward pass, in closed form.

        Counted are the convolution, the linear layers and every product of matrices, those with the relative
        positions too; not norms, softmax, GELU and sums. shape: as in `params`.
        """
        net, width, blocks = self._shape(shape), *self._blocks(architecture)
        tokens = net.patches + 1
        outside = net.patches * net.channels * net.patch_size**2 * width + width * net.classes
        return outside + sum(
            4 * tokens * width * qkv + 4 * tokens**2 * qkv + 2 * tokens * width * hidden
            for qkv, hidden in blocks
        )

    def autoformer_complexity(self, architecture: Architecture, **shape: int) -> float:
        """Return what AutoFormer's own code reports as FLOPs, to compare with published tables.

        It counts multiply-accumulates and differs from `macs`: blocks are charged for one token too many, the
        head for every token, and the relative positions for a share of their products. shape: as in `params`.
        """
        net, width, blocks = self._shape(shape), *self._blocks(architecture)
        tokens, charged, clip = net.patches + 1, net.patches + 2, self.max_relative_position
        patch = net.patches * net.channels * net.patch_size**2 * width
        outside = width + patch + tokens * width / 2 + tokens * width * net.classes
        return outside + sum(
            4 * charged * width * qkv
            + 2 * charged**2 * qkv
            + (2 * clip + 0.5) * charged**2
            + charged * qkv / 2
            + 2 * charged * width * hidden
            + 2 * charged * width
            for qkv, hidden in blocks
        )

    def build(self, architecture: Architecture, *, seed: int = 0, **shape: int) -> VisionTransformer:
        """Build the stand-alone network with freshly drawn weights.

        seed:  of the generator that draws the weights; torch's global generator is not used.
        shape: image_size, patch_size, channels, classes; default the space's own.

        Raises SpaceError when the architecture does not fit into this space's supernet.
        """
        network = self.skeleton(architecture, **shape).to_empty(device="cpu")
        network.relative_index = relative_index(self._shape(shape).patches, self.max_relative_position)
        initialise(network, torch.Generator().manual_seed(seed))
        return network

    def skeleton(self, architecture: Architecture, **shape: int) -> VisionTransformer:
        """Build the network on the meta device: its modules and shapes without memory for weights."""
        self.fit(architecture)
        values = architecture.values
        with torch.device("meta"):
            return VisionTransformer(
                values["embed_dim"],
                values["num_heads"],
                values["mlp_ratio"],
                self.head_dim,
                self.max_relative_position,
                self._shape(shape),
            )

    def supernet(self, *, seed: int = 0, **shape: int) -> Supernet:
        """Build the supernet whose slices are this space's architectures. Arguments as in `build`."""
        return Supernet(self, self._shape(shape), seed)

    @property
    def largest(self) -> Architecture:
        """The supernet's own extent as an architecture; it need not be a member of the space."""
        depth = self.supernet_depth
        return self._make(
            self.supernet_embed_dim, [self.supernet_mlp_ratio] * depth, [self.supernet_num_heads] * depth
        )

    def _make(self, embed_dim: int, mlp_ratio: list[float], num_heads: list[int]) -> Architecture:
        return self.architecture(
            {"depth": len(mlp_ratio), "embed_dim": embed_dim, "mlp_ratio": mlp_ratio, "num_heads": num_heads}
        )

    def fit(self, architecture: Architecture) -> None:
        """Raise SpaceError, naming field and value, unless the architecture fits into the supernet."""
        values = self._values(architecture)
        extents = (
            ("depth", values["depth"], self.supernet_depth),
            ("embed_dim", values["embed_dim"], self.supernet_embed_dim),
            ("num_heads", max(values["num_heads"]), self.supernet_num_heads),
            ("mlp_ratio", max(values["mlp_ratio"]), self.supernet_mlp_ratio),
        )
        for field, value, largest in extents:
            if not 0 < value <= largest:
                raise SpaceError(
                    f"Genome does not fit {self.name}: {field} {value}, expected above 0 to {largest}."
                )

    def _blocks(self, architecture: Architecture) -> tuple[int, list[tuple[int, int]]]:
        """Return the width, and for every block the width of its queries and of its MLP's hidden layer."""
        values = self._values(architecture)
        width = values["embed_dim"]
        return width, [
            (self.head_dim * heads, int(width * ratio))
            for heads, ratio in zip(values["num_heads"], values["mlp_ratio"], strict=True)
        ]

    def _shape(self, shape: Mapping[str, int]) -> Shape:
        if "target" in shape:
            raise SpaceError(f"{self.name} makes classes, not '{shape['target']}'.")
        return Shape(**{**vars(self.default_shape), **shape})


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


register(
    AutoFormer(
        name="autoformer-tiny",
        embed_dim=(192, 216, 240),
        depth=(12, 13, 14),
        num_heads=(3, 4),
        mlp_ratio=(3.5, 4.0),
        supernet_embed_dim=256,
        supernet_depth=14,
        supernet_num_heads=4,
        supernet_mlp_ratio=4.0,
    )
)
register(
    AutoFormer(
        name="autoformer-small",
        embed_dim=(320, 384, 448),
        depth=(12, 13, 14),
        num_heads=(5, 6, 7),
        mlp_ratio=(3.0, 3.5, 4.0),
        supernet_embed_dim=448,
        supernet_depth=14,
        supernet_num_heads=7,
        supernet_mlp_ratio=4.0,
    )
)
register(
    AutoFormer(
        name="autoformer-base",
        embed_dim=(528, 576, 624),
        depth=(14, 15, 16),
        num_heads=(9, 10),
        mlp_ratio=(3.0, 3.5, 4.0),
        supernet_embed_dim=640,
        supernet_depth=16,
        supernet_num_heads=10,
        supernet_mlp_ratio=4.0,
    )
)
# Ours. Factors of four in width, five in depth: the accuracies of a small space differ by less than their
# noise.
register(
    AutoFormer(
        name="autoformer-micro",
        embed_dim=(16, 32, 48, 64),
        depth=(1, 2, 3, 4, 5),
        num_heads=(1, 2, 4),
        mlp_ratio=(1.0, 2.0, 4.0),
        supernet_embed_dim=64,
        supernet_depth=5,
        supernet_num_heads=4,
        supernet_mlp_ratio=4.0,
        head_dim=16,
        max_relative_position=7,
        default_shape=Shape(image_size=8, patch_size=2, channels=1, classes=10),
    )
)
