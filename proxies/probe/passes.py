"""The passes over a network: what each takes of it, and what collects it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from proxies.errors import NothingCollected, ProxyError
from proxies.probe.activations import Patterns, agreement
from proxies.probe.attention import HeadConfidence, HeadImportance, attention_layers
from proxies.probe.class_gradients import ClassGradients
from proxies.probe.data_free import collect_data_free
from proxies.probe.feed_forward import HiddenRows, HiddenVariances
from proxies.probe.first_image import FirstImage
from proxies.probe.fisher import ChannelSaliency
from proxies.probe.hessian import collect_hessian_gradient
from proxies.probe.jacobian import ImageGradient, TangentKernel, collect_tangent_kernel, kernel_modules
from proxies.probe.layers import WeightedLayer, activation_modules, weighted_layers
from proxies.probe.nuclear_norms import collect_nuclear_norms
from proxies.probe.operations import count_operations
from proxies.probe.per_sample import collect_gradients
from proxies.probe.stages import StageJacobians, StageVariances
from proxies.probe.walk import Collector, Stage

if TYPE_CHECKING:
    from proxies.probe.probe import Probe

HIDDEN_ROWS = 512


@dataclass(frozen=True)
class Pass:
    """A computation over the network that proxies share.

    batches:   smallest number of batches it needs.
    cost:      what it takes of the network, in words.
    collect:   computes it, of a probe: a pass of its own.
    stage:     of the walk, where it is collected on one; see `proxies.probe.walk`.
    collector: makes its collector on a walk.
    statistic: of the gradients of every sample, all of which one collector gathers.
    alone:     whether a sample's loss must be its own: where samples are coupled, each is walked with alone.
    needs:     passes that it reads.
    walks:     whether it is collected on a walk over this network; where not, `collect` computes it.
    graphs:    what it keeps for its backward passes, in what a forward pass keeps.
    """

    batches: int
    cost: str
    collect: Callable[[Probe], Any] | None = None
    stage: Stage | None = None
    collector: Callable[[Probe], Collector] | None = None
    statistic: str | None = None
    alone: bool = False
    needs: tuple[str, ...] = ()
    walks: Callable[[nn.Module], bool] = lambda network: True
    graphs: int = 1

    @property
    def labels(self) -> bool:
        """Whether it needs labels."""
        return self.stage == "loss" or any(PASSES[name].labels for name in self.needs)


def stage_names(probe: Probe) -> Sequence[str]:
    """Return the modules that the network names as its stages.

    Raises NothingCollected when it names none; ProxyError when it has no such module.
    """
    stages: Sequence[str] = getattr(probe.network, "stages", ())
    if not stages:
        raise NothingCollected(
            "The network names no stages: give it an attribute `stages`, the names of the modules whose "
            "outputs are its features, in forward order."
        )
    modules = dict(probe.network.named_modules())
    for name in stages:
        if name not in modules:
            raise ProxyError(f"The network has no module '{name}', which it names as a stage.")
    return stages


def _batch_gradients(probe: Probe) -> list[tuple[WeightedLayer, list[Tensor]]]:
    """Each weighted layer with its gradient of every batch's loss, each (*weight).

    They are kept, not summed up: proxies differ in the moments they want of them.
    """
    batches = probe.labelled(2)[1:]
    collected = [probe.gradients()]
    for images, labels in batches:
        collected.append(
            collect_gradients(probe.network, images, labels, probe.interval, probe.images_at_once)
        )
    return [(pairs[0][0], [gradient for _, gradient in pairs]) for pairs in zip(*collected, strict=True)]


def _hessian_gradient(probe: Probe) -> Tensor:
    """The product of all weights, the loss's Hessian by them, and its gradient."""
    images, labels = probe.labelled()[0]
    graphs = PASSES["hessian_gradient"].graphs
    at_once = None if probe.images_at_once is None else max(1, probe.images_at_once // graphs)
    return collect_hessian_gradient(probe.network, images, labels, probe.gradients(), at_once)


def _layers(probe: Probe) -> dict[str, tuple[int, nn.Module]]:
    return {name: (index, m) for index, (name, m) in enumerate(weighted_layers(probe.network).items())}


def _activations(probe: Probe) -> dict[str, nn.Module]:
    return {name: module for name, (_, module) in activation_modules(probe.network).items()}


def _walked(stage: Stage, collector: Callable[[Probe], Collector]) -> Pass:
    return Pass(1, _COSTS[stage], stage=stage, collector=collector)


def _of_samples(statistic: str) -> Pass:
    return Pass(1, _COSTS["loss"], stage="loss", statistic=statistic, alone=statistic != "sum")


_COSTS: dict[Stage, str] = {
    "forward": "forward",
    "stages": "forward, backward from stage to stage",
    "logits": "forward, backward of the summed logits",
    "classes": "forward, backward of a drawn class's log-likelihood",
    "loss": "forward, backward of the loss",
}

# By the name of the probe's method.
PASSES: dict[str, Pass] = {
    "activations": _walked(
        "forward", lambda probe: Patterns(activation_modules(probe.network), len(probe.images))
    ),
    "layer_patterns": _walked("forward", lambda probe: Patterns(_layers(probe), len(probe.images), "output")),
    "agreement": Pass(
        1,
        "no pass over the network, but a product of its patterns",
        collect=lambda probe: agreement(probe.activations()),
        needs=("activations",),
    ),
    "first_image": _walked("forward", lambda probe: FirstImage()),
    "head_confidence": _walked(
        "forward", lambda probe: HeadConfidence(attention_layers(probe.network), len(probe.images))
    ),
    "hidden_variances": _walked("forward", lambda probe: HiddenVariances(_activations(probe), probe.network)),
    "hidden_rows": _walked(
        "forward", lambda probe: HiddenRows(_activations(probe), len(probe.images), HIDDEN_ROWS)
    ),
    "stage_variances": _walked("forward", lambda probe: StageVariances(stage_names(probe))),
    "stage_jacobians": _walked(
        "stages",
        lambda probe: StageJacobians(stage_names(probe), len(probe.images), probe.generator("signs")),
    ),
    "head_importance": _walked(
        "logits",
        lambda probe: HeadImportance(attention_layers(probe.network), len(probe.images)),
    ),
    "input_jacobian": _walked("logits", lambda probe: ImageGradient("logits")),
    "tangent_kernel": Pass(
        1,
        _COSTS["logits"],
        collect=lambda probe: collect_tangent_kernel(probe.network, probe.images, probe.memory_gib),
        stage="logits",
        collector=lambda probe: TangentKernel(kernel_modules(probe.network) or {}, len(probe.images)),
        walks=lambda network: kernel_modules(network) is not None,
    ),
    "class_gradients": Pass(
        1,
        _COSTS["classes"],
        stage="classes",
        collector=lambda probe: ClassGradients(
            weighted_layers(probe.network), len(probe.images), probe.generator("weights")
        ),
        alone=True,
    ),
    "channel_saliency": _walked(
        "loss", lambda probe: ChannelSaliency(weighted_layers(probe.network), len(probe.images))
    ),
    "image_gradient": _walked("loss", lambda probe: ImageGradient("loss")),
    "gradients": _of_samples("sum"),
    "gradient_signs": _of_samples("signs"),
    "gradient_magnitudes": _of_samples("magnitudes"),
    "gradient_moments": _of_samples("moments"),
    "batch_gradients": Pass(
        2,
        "forward and backward of the loss for every batch",
        collect=_batch_gradients,
        needs=("gradients",),
    ),
    "hessian_gradient": Pass(
        1,
        "forward, three backwards by the activations",
        collect=_hessian_gradient,
        needs=("gradients",),
        graphs=3,  # back through a backward pass
    ),
    "operations": Pass(
        0,
        "forward of one image without values",
        collect=lambda probe: count_operations(probe.network, probe.input_shape, probe.dtype),
    ),
    "data_free": Pass(
        0,
        "forward and backward of one image of ones, in float64",
        collect=lambda probe: collect_data_free(probe.network, probe.input_shape, probe.device),
    ),
    "nuclear_norms": Pass(
        0,
        "no pass over the network, but decompositions of attention's matrices",
        collect=lambda probe: collect_nuclear_norms(probe.network, probe.data_free()),
        needs=("data_free",),
    ),
}
