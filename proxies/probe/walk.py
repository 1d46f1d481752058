"""The walk: one forward pass over a batch, the backward passes from it, and the collectors that watch it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from proxies.errors import ProxyError
from proxies.probe.layers import call
from proxies.probe.loss import CLASS_LOSSES, loss_name, summed_loss
from proxies.probe.memory import TooMuchKept, keeping
from proxies.probe.outcome import Outcome, Price, failure, memory_before, metered

# What a walk does, in this order, each only where a collector asks for it.
Stage = Literal["forward", "stages", "logits", "classes", "loss"]
STAGES: tuple[Stage, ...] = ("forward", "stages", "logits", "classes", "loss")


@dataclass
class Calls:
    """The calls of one layer in the walk over one part of the batch.

    inputs:    what it was given, one tensor a call, detached.
    outputs:   where what it returned is in the graph; kept only where that does not begin at the images.
    versions:  of the inputs, which tell whether they were overwritten since.
    gradients: by number of the call, the gradient of what it returned.
    """

    name: str
    module: Any
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def check(self, samples: int) -> None:
        """Raise ProxyError unless the first axis of every input is the samples."""
        for before in self.inputs:
            if len(before) != samples:
                raise ProxyError(
                    f"Layer '{self.name}' was given {len(before)} rows for {samples} images; "
                    "its first axis must be the batch."
                )

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Input and output gradient of every call that the end depends on."""
        return [(self.inputs[index], gradient) for index, gradient in sorted(self.gradients.items())]


class Collector:
    """What one pass takes from a walk. The methods are called in the order in which they stand here.

    stage:   at which stage it gets what it collects.
    modules: layers by name whose inputs and output gradients it is given in a backward stage.
    images:  whether its backward stage must reach the images; if not, the first of `modules` is enough.
    """

    stage: Stage = "forward"
    images: bool = False

    def __init__(self) -> None:
        self.modules: Mapping[str, nn.Module] = {}

    def watch(self, network: nn.Module, part: slice) -> Iterable[Any]:
        """Register hooks for the forward pass over a part of the batch, and return their handles."""
        return ()

    def between(self) -> None:
        """Differentiate between tensors of the graph, in the stage "stages"."""

    def layer(self, calls: Calls, part: slice) -> None:
        """Take the inputs and output gradients of one layer of `modules`."""

    def gradient(self, images: Tensor) -> None:
        """Take the gradient by the images of the part, (part, channels, height, width)."""

    def release(self) -> None:
        """Let go of tensors in the graph of a part; called at its end, whatever happened."""

    def result(self) -> Any:
        """Return what was collected over all parts."""
        raise NotImplementedError


class Walk:
    """One walk over a batch.

    network:    left as it is; see `proxies.probe.layers.call`.
    images:     (batch, channels, height, width).
    labels:     of the loss, as `summed_loss` takes; None when no collector asks for it.
    collectors: by name of their pass.
    at_once:    images to walk with at a time, all by default. Several parts need a network whose samples do
                not depend on one another; the parts' sums are the whole's.
    draws:      (batch,) uniform in [0, 1), from which the classes of the stage "classes" are drawn.
    most:       bytes that a forward pass may keep for the backward passes; it is counted if given.

    After `run`: `prices` of the stages, and `failures` of collectors; each fails alone. What the forward pass
    itself raises is raised. If `most` is given, `kept` is what a forward pass kept, bytes, or None where that
    is more: then the walk ended there, and nothing was collected.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor | None,
        collectors: Mapping[str, Collector],
        at_once: int | None = None,
        draws: Tensor | None = None,
        most: float | None = None,
    ) -> None:
        self.network, self.images, self.labels, self.draws = network, images, labels, draws
        self.collectors = dict(collectors)
        count = -(-len(images) // (at_once or len(images)))
        size = -(-len(images) // count)
        self.parts = [slice(start, min(start + size, len(images))) for start in range(0, len(images), size)]
        self.most, self.kept = most, None if most is None else 0
        self.prices: dict[str, Price] = {}
        self.failures: dict[str, Outcome[Any]] = {}
        self._calls: dict[str, Calls] = {}
        self._before = 0
        self._stage: Stage = "forward"
        self._part = slice(0)
        # Else the graph begins at the first layer of those asked for.
        self._from_images = any(c.images for c in self.collectors.values() if c.stage != "forward")

    def run(self) -> None:
        """Walk over every part of the batch, part by part."""
        self._before = memory_before(self.images.device)
        for part in self.parts:
            self._part = part
            try:
                self._walk()
            except TooMuchKept:
                self.kept = None
                return
            finally:
                self._release()

    def _walk(self) -> None:
        with ExitStack() as hooks, torch.set_grad_enabled(any(map(self._of, STAGES[1:]))):
            with self._metered("forward"):
                leaf, logits = self._forward(hooks)
            stages = [stage for stage in STAGES[1:] if self._of(stage)]
            for stage in stages:
                try:
                    self._forget_gradients()
                    with self._metered(stage):
                        self._backward(leaf, logits, stage == stages[-1])
                except Exception as error:  # the other stages go back over the graph on their own
                    for name in self._of(stage):
                        self._fail(name, error)

    def _forget_gradients(self) -> None:
        for calls in self._calls.values():
            calls.gradients = {}

    def _release(self) -> None:
        """Let the graph go: its hooks hold what is kept of it, a circle that no collector of garbage sees."""
        for calls in self._calls.values():
            calls.inputs, calls.outputs, calls.versions, calls.gradients = [], [], [], {}
        self._calls = {}
        for collector in self.collectors.values():
            collector.release()

    def _of(self, stage: Stage) -> dict[str, Collector]:
        """The collectors of a stage that have not failed."""
        return {
            name: collector
            for name, collector in self.collectors.items()
            if collector.stage == stage and name not in self.failures
        }

    def _each(self, stage: Stage | None, action: Callable[[Collector], None]) -> None:
        """Let every collector of a stage, or of all, act; one that fails fails alone."""
        for one in (stage,) if stage else STAGES:
            for name, collector in self._of(one).items():
                try:
                    action(collector)
                except Exception as error:  # a hook's exception would end the pass for all the others
                    self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> None:
        """Keep why a collector failed, not the exception: its frames hold the graph."""
        self.failures[name] = failure(error, {})

    def _guard(self, name: str, handle: Any) -> None:
        """Let a registered hook fail its own collector, not the forward pass of all."""
        hooks = handle.hooks_dict_ref()
        hook = hooks[handle.id]

        def guarded(*arguments: Any) -> Any:
            if name in self.failures:
                return None
            try:
                return hook(*arguments)
            except Exception as error:  # as above
                return self._fail(name, error)

        hooks[handle.id] = guarded

    def _metered(self, stage: Stage) -> AbstractContextManager[None]:
        self._stage = stage
        return metered(self.images.device, self.prices, stage, self._before)

    def _forward(self, hooks: ExitStack) -> tuple[Tensor, Tensor]:
        """Call the network; return the images, a leaf of the graph, and the logits."""

        names = {id(collector): name for name, collector in self.collectors.items()}

        def watch(collector: Collector) -> None:
            for handle in collector.watch(self.network, self._part):
                hooks.enter_context(handle)
                self._guard(names[id(collector)], handle)

        self._each(None, watch)
        going_back = [collector for stage in STAGES[1:] for collector in self._of(stage).values()]
        for name, module in {n: m for collector in going_back for n, m in collector.modules.items()}.items():
            self._calls[name] = Calls(name, module)
            hooks.enter_context(module.register_forward_hook(self._tape(self._calls[name])))
        frozen = {name: parameter.detach() for name, parameter in self.network.named_parameters()}
        leaf = self.images[self._part].detach()
        if self._from_images:
            leaf.requires_grad_()
        else:
            for name, parameter in frozen.items():
                parameter.requires_grad_(name.rpartition(".")[0] in self._calls)
        counted = nullcontext(None) if self.most is None else keeping(self.network, self.most)
        with counted as kept:
            # A copy: a network may begin with an operation in place, which a leaf refuses.
            logits = call(self.network, leaf.clone(), frozen)
        if kept is not None:
            self.kept = max(kept.bytes, self.kept or 0)
        return leaf, logits

    def _tape(self, calls: Calls) -> Callable[[nn.Module, Any, Tensor], None]:
        """The forward hook of a layer: keeps its input, and waits for the gradient of its output."""

        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            number, before = len(calls.inputs), inputs[0].detach()
            calls.inputs.append(before)
            calls.versions.append(before._version)
            if not output.requires_grad:
                return
            if not self._from_images:
                # The edge, not the tensor: what follows may work on it in place.
                calls.outputs.append(get_gradient_edge(output))

            def take(gradient: Tensor) -> None:
                calls.gradients[number] = gradient
                if len(calls.gradients) == len(calls.inputs):
                    self._hand_out(calls)

            output.register_hook(take)

        return keep

    def _hand_out(self, calls: Calls) -> None:
        """Give a layer's gradients to the collectors of this stage, and forget them."""
        overwritten = any(
            before._version != version for before, version in zip(calls.inputs, calls.versions, strict=True)
        )

        def hand(collector: Collector) -> None:
            if calls.name not in collector.modules:
                return
            if overwritten:
                raise ProxyError(
                    f"The input of layer '{calls.name}' was overwritten in place after its call."
                )
            collector.layer(calls, self._part)

        self._each(self._stage, hand)
        calls.gradients = {}

    def _backward(self, leaf: Tensor, logits: Tensor, last: bool) -> None:
        if self._stage == "stages":
            self._each("stages", lambda collector: collector.between())
            return
        ends = [edge for calls in self._calls.values() for edge in calls.outputs]
        if self._from_images:
            ends = [leaf]
        if not ends:
            return  # no layer that is asked for leads to the logits
        seed = self._seed(logits)
        found = torch.autograd.grad(logits, ends, seed, retain_graph=not last, allow_unused=True)
        for calls in self._calls.values():  # a call that the logits do not depend on has no gradient
            if calls.gradients:
                self._hand_out(calls)
        if self._from_images:
            gradient = torch.zeros_like(leaf) if found[0] is None else found[0]
            self._each(self._stage, lambda collector: collector.gradient(gradient))

    def _seed(self, logits: Tensor) -> Tensor:
        """The gradient of the logits from which a stage goes back."""
        values = logits.detach()
        if self._stage == "logits":
            return torch.ones_like(values)
        if self._stage == "loss":
            if self.labels is None:
                raise ProxyError("This needs labels, and a batch has none.")
            leaf = values.requires_grad_()
            # The losses are summed, so that no 1 / batch enters a sample's gradient.
            loss = summed_loss(self.network, leaf, self.labels[self._part])
            return torch.autograd.grad(loss, leaf)[0]
        if self.draws is None:
            raise ProxyError("This needs draws of classes.")
        if values.ndim != 2 or loss_name(self.network) not in CLASS_LOSSES:
            raise ProxyError(
                f"This draws one class an image; outputs {tuple(values.shape)} of loss "
                f"{loss_name(self.network)} are not logits of classes."
            )
        share = values.softmax(dim=1)
        below = share.double().cumsum(dim=1)
        drawn = (self.draws[self._part].unsqueeze(1) >= below).sum(dim=1).clamp(max=values.shape[1] - 1)
        # Of -log p(drawn class). one_hot would look at the values, and wait for a GPU to have them.
        return share.scatter_add(1, drawn.unsqueeze(1), -torch.ones_like(share[:, :1]))
