"""Gradients of every sample's loss, reduced layer by layer as they come: sums, signs, means and variances."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from proxies.errors import NotANumber, ProxyError
from proxies.probe.layers import WHOLE, Interval, WeightedLayer, depth_percentile, weighted_layers
from proxies.probe.walk import Calls, Collector, Walk

# Elements of per-sample gradients held at a time: what stays in a CPU's caches, what fills a GPU.
_HELD = {"cpu": 1 << 20, "cuda": 1 << 27}
# Samples reduced at a time: on a CPU one by one is several times faster than a sum over the first axis; on a
# GPU it would take a kernel a sample.
_REDUCED = {"cpu": 1, "cuda": 1 << 10}


@dataclass
class Moments:
    """Mean and population variance of a quantity over samples, one a weight, both (*weight) float64."""

    mean: Tensor
    variance: Tensor


class SampleGradients(Collector):
    """Statistics over samples i of g_i = dl_i/dw, l_i the cross-entropy of sample i alone.

    layers:     weighted layers by name, each with its place in forward order.
    samples:    number of samples in the batch.
    statistics: any of "sum", of g_i in the network's dtype; "signs", the sum of sign(g_i); "magnitudes", the
                `Moments` of |g_i|; "moments", those of g_i.

    The gradients of the samples are formed from a layer's input and output gradient, for some rows of the
    weight at a time, reduced and freed: no more than `_HELD` numbers are held. Into how many parts the
    samples are cut changes nothing but rounding.
    """

    stage = "loss"

    def __init__(
        self,
        layers: Mapping[str, tuple[int, nn.Conv2d | nn.Linear]],
        samples: int,
        statistics: frozenset[str],
        images: bool = True,
    ) -> None:
        super().__init__()
        self.modules = {name: module for name, (_, module) in layers.items()}
        self.layers = [
            WeightedLayer(name, index, module.weight.detach()) for name, (index, module) in layers.items()
        ]
        self.samples, self.statistics, self.images = samples, statistics, images
        self.sums: dict[str, Tensor] = {}
        self.moments: dict[str, dict[str, Moments]] = {"magnitudes": {}, "moments": {}}
        self.undivided: str | None = None
        self.nan = torch.zeros((), device=self.layers[0].weight.device if self.layers else None)

    def layer(self, calls: Calls, part: slice) -> None:
        """Reduce the gradients of one layer's weight for every sample of the part."""
        size = part.stop - part.start
        given = [len(inputs) for inputs, _ in calls.pairs()]
        wanted = set(self.statistics)
        if "sum" in wanted:
            # The layer alone decides how it is summed: whoever asks beside, it is the same sum. Of tokens a
            # sample's gradient is little more work than its share of one product, unless few rows of it fit
            # what is held.
            out, width = calls.module.weight.shape[:2]
            tokens = isinstance(calls.module, nn.Linear) and all(x.ndim > 2 for x, _ in calls.pairs())
            if not tokens or out < width or set(given) != {size}:
                self._sum("sum", calls).add_(summed_gradient(calls))
                wanted.remove("sum")
        other = next((rows for rows in given if rows != size), None)
        if wanted and other is not None:
            self.undivided = (
                f"Layer '{calls.name}' was given {other} rows for {size} images; "
                "its first axis must be the batch."
            )
        elif wanted:
            for rows, gradients in weight_gradients(calls, size):
                self._reduce(wanted, calls, rows, gradients, part.start)

    def _sum(self, statistic: str, calls: Calls) -> Tensor:
        """A layer's sum so far, (*weight)."""
        key = f"{statistic} {calls.name}"
        if key not in self.sums:
            self.sums[key] = torch.zeros_like(calls.module.weight, requires_grad=False)
        return self.sums[key]

    def _reduce(self, wanted: set[str], calls: Calls, rows: slice, gradients: Tensor, seen: int) -> None:
        """Add the gradients of some rows, (part, rows, ...), to what was reduced of `seen` samples before."""
        for statistic in ("magnitudes", "moments"):
            if statistic in wanted:
                moments = self.moments[statistic].setdefault(calls.name, _no_moments(calls.module.weight))
                _update(moments, rows, gradients, statistic == "magnitudes", seen)
        if "sum" in wanted:
            self._sum("sum", calls)[rows] += _over_samples(gradients)
        if "signs" in wanted:
            self.nan += gradients.sum() * 0  # the sign of NaN is 0
            self._sum("signs", calls)[rows] += _over_samples(gradients.sign_())  # last: they are lost

    def of(self, statistic: str) -> list[tuple[WeightedLayer, Any]]:
        """Return each layer with a statistic, of 0 where the loss does not depend on it.

        A Tensor (*weight) for "sum", over the samples' number: the gradient of the mean loss; and for
        "signs". `Moments` for the others, which raise ProxyError for a single sample. All but "sum" raise it
        for a layer whose first axis is not the batch.
        """
        if statistic != "sum" and self.undivided:
            raise ProxyError(self.undivided)
        if statistic in self.moments:
            if self.samples < 2:
                raise ProxyError("A variance over samples needs at least 2 images in the first batch; got 1.")
            found = self.moments[statistic]
            return [(layer, found.get(layer.name) or _no_moments(layer.weight)) for layer in self.layers]
        if statistic == "signs" and self.nan.isnan():
            raise NotANumber("The gradient of a sample is NaN.")
        share = self.samples if statistic == "sum" else 1
        return [
            (layer, self.sums.get(f"{statistic} {layer.name}", torch.zeros_like(layer.weight)) / share)
            for layer in self.layers
        ]


def moments_of(gradients: Sequence[Tensor], magnitudes: bool) -> Iterator[Moments]:
    """Yield the moments over some gradients of one weight, each (*weight), or of their sizes, for some rows.

    As many rows at a time as stay in a CPU's caches: what is made of the moments need not leave them.
    """
    weight = gradients[0]
    step = max(1, _HELD.get(weight.device.type, _HELD["cuda"]) // (4 * len(gradients) * weight[0].numel()))
    for start in range(0, len(weight), step):
        some = torch.stack([one[start : start + step] for one in gradients])
        if len(some) == 2:  # the same numbers with half the work
            first, second = (some.abs_() if magnitudes else some).double()
            variance = (first - second).div_(2).square_()
            variance.masked_fill_(variance.isinf(), torch.nan)  # as the mean of squares about a mean has it
            yield Moments(first.add_(second).div_(2), variance)
            continue
        moments = _no_moments(some[0])
        _update(moments, slice(None), some, magnitudes, seen=0)
        yield moments


def _blocks(gradients: Tensor) -> tuple[Tensor, ...]:
    """The gradients (samples, ...) in parts of as many samples as are reduced at a time."""
    return gradients.split(_REDUCED.get(gradients.device.type, _REDUCED["cuda"]))


def _over_samples(gradients: Tensor) -> Tensor:
    """The sum over the first axis: on a CPU one by one, see `_REDUCED`, and of one sample without a copy."""
    if gradients.device.type != "cpu" or not len(gradients):
        return gradients.sum(dim=0)
    first, *others = gradients
    for place, one in enumerate(others):
        first = first.add_(one) if place else first + one
    return first


def _no_moments(weight: Tensor) -> Moments:
    zeros = torch.zeros_like(weight, dtype=torch.float64, requires_grad=False)
    return Moments(zeros, zeros.clone())


def _update(moments: Moments, rows: slice, gradients: Tensor, magnitudes: bool, seen: int) -> None:
    """Merge the moments of `seen` samples with those of new ones: gradients (new, rows, ...) or their sizes.

    The new ones are shifted by their first: its square distance from the mean is at most `new` variances, so
    that sums in one pass lose next to no digits, and none where all samples are the same. Then Chan's update.
    """
    new, values = len(gradients), gradients.abs() if magnitudes else gradients
    first = values[0].double()
    apart, squares = torch.zeros_like(first), torch.zeros_like(first)
    for some in _blocks(values[1:]):
        shifted = some - first  # (some, rows, ...) float64
        apart += _over_samples(shifted)
        squares += _over_samples(shifted.square_())
    apart /= new
    variance = (squares / new - apart.square()).clamp_(min=0)
    mean = first + apart
    if seen:
        share = new / (seen + new)
        apart = mean - moments.mean[rows]
        variance = (
            (1 - share) * moments.variance[rows] + share * variance + share * (1 - share) * apart.square()
        )
        mean = moments.mean[rows] + share * apart
    moments.mean[rows], moments.variance[rows] = mean, variance


def layers_within(network: nn.Module, interval: Interval) -> dict[str, tuple[int, nn.Conv2d | nn.Linear]]:
    """Return the weighted layers in these tenths of the depth by name, each with its place."""
    modules = weighted_layers(network)
    first, last = interval
    return {
        name: (index, module)
        for index, (name, module) in enumerate(modules.items())
        if first <= depth_percentile(index, len(modules)) <= last
    }


def collect_gradients(
    network: nn.Module, images: Tensor, labels: Tensor, interval: Interval = WHOLE, at_once: int | None = None
) -> list[tuple[WeightedLayer, Tensor]]:
    """Return each weighted layer of the interval with its gradient of the mean cross-entropy, (*weight).

    images: (batch, channels, height, width); labels: as `summed_loss` takes; at_once: images to hold
            at a time.
    """
    layers = layers_within(network, interval)
    collector = SampleGradients(layers, len(images), frozenset({"sum"}), images=interval == WHOLE)
    walk = Walk(network, images, labels, {"gradients": collector}, at_once)
    walk.run()
    for failed in walk.failures.values():
        failed.unwrap()
    return collector.of("sum")


def summed_gradient(calls: Calls) -> Tensor:
    """Return the gradient of a layer's weight, summed over samples and calls, (*weight): a product a call."""
    weight: Tensor = calls.module.weight
    factors = (_factors(calls.module, inputs, gradients, 1) for inputs, gradients in calls.pairs())
    return _total(left @ right for left, right in factors).reshape(weight.shape)


def weight_gradients(calls: Calls, samples: int, row: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Yield the gradient of a layer's weight for each sample, some rows at a time, (samples, rows, ...).

    Summed over the layer's calls; of all rows, or of one.
    """
    weight: Tensor = calls.module.weight
    factors = [_factors(calls.module, inputs, gradients, samples) for inputs, gradients in calls.pairs()]
    held = _HELD.get(weight.device.type, _HELD["cuda"])
    groups, out = factors[0][0].shape[1:3]  # out: of one group
    if row is not None:
        group, place = divmod(row, out)
        one = _total(left[:, group, place : place + 1] @ right[:, group] for left, right in factors)
        yield slice(row, row + 1), one.unflatten(2, weight.shape[1:])
        return
    step = max(1, held // (samples * weight[0].numel()))
    for group in range(0, groups, max(1, step // out)):
        some = slice(group, min(group + max(1, step // out), groups))
        for start in range(0, out, step):
            part = slice(start, min(start + step, out))
            total = _total(left[:, some, part] @ right[:, some] for left, right in factors)
            rows = slice(some.start * out + part.start, (some.stop - 1) * out + part.stop)
            yield rows, total.flatten(1, 2).unflatten(2, weight.shape[1:])


def _total(tensors: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, tensors)


def _factors(
    module: nn.Conv2d | nn.Linear, inputs: Tensor, gradients: Tensor, samples: int
) -> tuple[Tensor, Tensor]:
    """Return two factors whose product is the gradient of each sample.

    (samples, groups, out / groups, places) and (samples, groups, places, in / groups * height * width).
    """
    if isinstance(module, nn.Linear):
        left = gradients.reshape(samples, 1, -1, gradients.shape[-1])  # (samples, 1, tokens, out)
        return left.transpose(2, 3), inputs.reshape(samples, 1, -1, inputs.shape[-1])
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = pad(inputs, module._reversed_padding_repeated_twice, mode=mode)
    patches = unfold(
        padded, module.kernel_size, module.dilation, 0, module.stride
    )  # (batch, in * h * w, places)
    left = gradients.flatten(2)  # (batch, out, places)
    if samples != len(left):  # all as one sample
        left, patches = (x.transpose(0, 1).flatten(1).unsqueeze(0) for x in (left, patches))
    return (
        left.unflatten(1, (module.groups, -1)),
        patches.unflatten(1, (module.groups, -1)).transpose(2, 3),
    )
