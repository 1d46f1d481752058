"""What convolutional spaces share: shapes, costs of layers, initial weights, genomes made of choices."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.errors import SpaceError, unknown
from spaces.space import Space, pick


@dataclass(frozen=True)
class ImageShape:
    """What a convolutional network is built for.

    image_size: pixels a side. channels: of an image. classes: numbers that come out, of an image or a pixel.
    patch_size: of the task's transformers; a convolutional network has none.
    target:     what comes out, as a task calls it; all but TransNAS-Bench-101's networks make classes.
    """

    image_size: int = 32
    channels: int = 3
    classes: int = 10
    patch_size: int = 1
    target: str = "classes"

    def halved(self, times: int) -> int:
        """Return the side after so many halvings; SpaceError where it does not divide."""
        if self.image_size % 2**times:
            raise SpaceError(
                f"Image side {self.image_size} does not divide by {2**times}, as the network needs."
            )
        return self.image_size // 2**times


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-accumulates of one image."""

    params: int = 0
    macs: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.macs + other.macs)

    def __mul__(self, times: int) -> Cost:
        return Cost(self.params * times, self.macs * times)


def convolution(
    width: int, wider: int, kernel: int, side: int, *, groups: int = 1, bias: bool = False
) -> Cost:
    """Return the cost of a square convolution from `width` to `wider` channels whose output has this side."""
    weights = width // groups * wider * kernel**2
    return Cost(weights + wider * bias, weights * side**2)


def batch_norm(width: int) -> Cost:
    """Return the cost of a BatchNorm with weight and bias; its products are not counted."""
    return Cost(2 * width)


def linear(width: int, classes: int) -> Cost:
    """Return the cost of a linear layer with bias."""
    return Cost((width + 1) * classes, width * classes)


def torch_default(module: nn.Module, generator: torch.Generator) -> None:
    """Draw a layer's weights as its constructor would, but from a generator."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
        if module.bias is not None:
            bound = 1 / math.sqrt(module.weight[0].numel())  # of the weight's fan-in
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()  # ones and zeros: nothing is drawn


Initialiser = Callable[[nn.Module, torch.Generator], None]


class ConvolutionalSpace(Space):
    """A space of convolutional networks: one closed form of both costs, networks built without weights first.

    default_shape: the shape at which `params` and `macs` count when none is given.
    """

    default_shape: ImageShape
    targets: tuple[str, ...] = ("classes",)  # that its networks have heads for

    @abstractmethod
    def cost(self, architecture: Architecture, shape: ImageShape) -> Cost:
        """Return the cost of the network of this shape, in closed form."""

    @abstractmethod
    def network(self, architecture: Architecture, shape: ImageShape) -> nn.Module:
        """Make the network, whatever its weights."""

    def initialise(self, module: nn.Module, generator: torch.Generator) -> None:
        """Draw one layer's weights: torch's own way, unless a space has another."""
        torch_default(module, generator)

    def params(self, architecture: Architecture, **shape: Any) -> int:
        """Return the number of parameters, in closed form.

        shape: image_size, channels, classes, target; default the space's own. patch_size changes nothing.
        """
        return self.cost(architecture, self._shape(shape)).params

    def macs(self, architecture: Architecture, **shape: Any) -> int:
        """Return the multiply-accumulates of one image in the convolutions and linear layers, in closed form.

        shape: as in `params`.
        """
        return self.cost(architecture, self._shape(shape)).macs

    def build(self, architecture: Architecture, *, seed: int = 0, **shape: Any) -> nn.Module:
        """Build the network, in training mode, with freshly drawn weights.

        seed:  of the generator that draws the weights; torch's global generator is not used.
        shape: as in `params`.
        """
        network = self.skeleton(architecture, **shape).to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        for module in network.modules():
            self.initialise(module, generator)
        return network

    def skeleton(self, architecture: Architecture, **shape: Any) -> nn.Module:
        """Build the network on the meta device: its modules and shapes without memory for weights."""
        self.validate(architecture)
        with torch.device("meta"):
            return self.network(architecture, self._shape(shape))

    def _shape(self, shape: Mapping[str, Any]) -> ImageShape:
        found = ImageShape(**{**vars(self.default_shape), **shape})
        if len(self.targets) == 1 and found.target not in self.targets:
            raise SpaceError(f"{self.name} makes {self.targets[0]}, not '{found.target}'.")
        if found.target not in self.targets:
            raise unknown("target", found.target, self.targets)
        return found

    def _one_text(self, values: Mapping[str, Any], field: str) -> str:
        """Return the text that is the whole genome."""
        if list(values) != [field] or not isinstance(values[field], str):
            raise SpaceError(f"A genome of {self.name} has one field, {field}, a text; got {dict(values)}.")
        return str(values[field])


class ChoiceSpace(ConvolutionalSpace):
    """A space whose genome is a choice at each of some places, all independent."""

    @property
    @abstractmethod
    def choices(self) -> tuple[tuple[Any, ...], ...]:
        """What may stand at each place."""

    @abstractmethod
    def genes(self, architecture: Architecture) -> tuple[Any, ...]:
        """Return what stands at each place."""

    @abstractmethod
    def of_genes(self, genes: Sequence[Any]) -> Architecture:
        """Return the architecture that has this at each place."""

    @property
    def size(self) -> int:
        """The product of the numbers of choices."""
        return math.prod(map(len, self.choices))

    def validate(self, architecture: Architecture) -> None:
        """Raise SpaceError, naming place and value, unless every gene is one of the choices."""
        for place, (gene, choices) in enumerate(zip(self.genes(architecture), self.choices, strict=True)):
            if gene not in choices:
                raise SpaceError(
                    f"Genome outside {self.name}: {gene} at place {place} is not one of "
                    f"{', '.join(map(str, choices))}."
                )

    def draw(self, generator: random.Random) -> Architecture:
        """Draw every gene uniformly."""
        return self.of_genes([pick(generator, choices) for choices in self.choices])

    def mutate(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """Change one gene, drawn uniformly among those that can be, to another of its choices."""
        self.validate(architecture)
        genes = list(self.genes(architecture))
        place = pick(generator, tuple(i for i, choices in enumerate(self.choices) if len(choices) > 1))
        genes[place] = pick(generator, tuple(c for c in self.choices[place] if c != genes[place]))
        return self.of_genes(genes)

    def crossover(self, first: Architecture, second: Architecture, generator: random.Random) -> Architecture:
        """Take every gene from either parent."""
        self.validate(first)
        self.validate(second)
        pairs = zip(self.genes(first), self.genes(second), strict=True)
        return self.of_genes([pick(generator, pair) for pair in pairs])

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        """Return, place by place, 1 for the choice that stands there and 0 for the others."""
        self.validate(architecture)
        return tuple(
            float(gene == choice)
            for gene, choices in zip(self.genes(architecture), self.choices, strict=True)
            for choice in choices
        )


class ReLUConvBN(nn.Module):
    """ReLU, a convolution without bias, BatchNorm."""

    def __init__(self, width: int, wider: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, wider, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(wider),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, side, side) to (batch, wider, side / stride, side / stride)."""
        return self.op(x)


def relu_conv_bn(width: int, wider: int, kernel: int, side: int) -> Cost:
    """Return the cost of `ReLUConvBN`; side: of its output."""
    return convolution(width, wider, kernel, side) + batch_norm(wider)


class ConvolutionalNetwork(nn.Module):
    """A network that says what each of its leaf modules is for.

    embed_at, head_at: how the names of the stem's and the head's modules begin.
    """

    embed_at, head_at = "stem", "classifier"

    @property
    def roles(self) -> dict[str, str]:
        """What each leaf module is for: embed, convolution, norm or head."""
        return {
            name: self._role(name, module)
            for name, module in self.named_modules()
            if not list(module.children()) and not isinstance(module, nn.Identity)
        }

    def _role(self, name: str, module: nn.Module) -> str:
        for prefix, part in ((self.embed_at, "embed"), (self.head_at, "head")):
            if name == prefix or name.startswith(f"{prefix}."):
                return part
        return "norm" if isinstance(module, nn.BatchNorm2d) else "convolution"
