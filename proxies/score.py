"""From names of proxies to their scores on one network: the row loop, where a failure becomes a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from torch import nn

from proxies.errors import Status
from proxies.probe import PASSES, WHOLE, Batch, Interval, Outcome, Probe, attempt
from proxies.registry import Proxy, get


@dataclass(frozen=True)
class Score:
    """One value of a proxy, or the reason why there is none.

    value:            the score; None unless status is "ok".
    status:           "ok", "nan" or "inf" (not finite), "empty" (nothing to measure), "oom", "error".
    message:          the reason, one line; None when ok.
    seconds:          price of this proxy: its own part and the passes it needs, with all that was collected
                      on them for all proxies of this run: an upper bound of what it takes by itself.
    marginal_seconds: what it added to this run: passes that an earlier proxy had asked for are free.
    peak_bytes:       most GPU memory in use at a time, beyond what was in use before; None on CPU (not
                      measured).
    """

    value: float | None
    status: Status
    message: str | None
    seconds: float
    marginal_seconds: float
    peak_bytes: int | None


def compute(
    names: Iterable[str],
    network: nn.Module,
    batches: Sequence[Batch],
    *,
    seed: int = 0,
    memory_gib: float | None = None,
) -> dict[str, Score]:
    """Score one network by several proxies, each pass over the network run once.

    names:      proxies to compute, see `proxies.names()`; with options in brackets, see `proxies.get`.
    network:    untrained network, called as network(images) -> logits (batch, classes). Left as it is:
                weights, buffers, gradients, mode, hooks. It runs in the mode it has, TF32 and autocast off.
                Drop rates should be 0.
    batches:    pairs of images (batch, channels, height, width), of the network's dtype and device, and
                labels, (batch,) int64 or what the network's loss expects, or None; the first one is the
                mini-batch of proxies that need one. See `batches_needed`, `proxies.probe.loss.summed_loss`.
    seed:       of everything random in a score.
    memory_gib: bound on what forward passes keep for backward passes; see `Probe`. Scores do not depend on it
                but for rounding.

    Returns a score for every name, in the order given, by the proxy's own name. A proxy that fails fails
    alone; so does a pass, with the proxies that need it. Scores do not depend on what other proxies are
    computed, but for rounding where memory_gib is too little for the whole batch. Raises ProxyError for an
    unknown name or batches that are malformed.
    """
    wanted = [get(name) for name in names]
    passes = {name for proxy in wanted for name in proxy.passes}
    probe = Probe(network, batches, seed, passes, _hull(wanted), memory_gib)
    paid: set[str] = set()
    scores = {}
    for place, proxy in enumerate(wanted):
        scores[proxy.name] = _score(proxy, probe, paid)
        probe.keep(name for later in wanted[place + 1 :] for name in later.passes)
    return scores


def _hull(wanted: Iterable[Proxy]) -> Interval:
    """The shortest interval that holds those of all proxies that read layers' gradients."""
    intervals = [proxy.interval for proxy in wanted if any(PASSES[name].labels for name in proxy.passes)]
    if not intervals:
        return WHOLE
    return min(first for first, _ in intervals), max(last for _, last in intervals)


def _score(proxy: Proxy, probe: Probe, paid: set[str]) -> Score:
    """Run a proxy; `paid` names the parts of the work that earlier ones have paid for."""
    prices = probe.prices(proxy.passes)
    own = _checked(attempt(lambda: float(proxy.function(probe)), probe.device), proxy.name)
    marginal = [price for part, price in prices.items() if part not in paid]
    paid.update(prices)
    total = sum(prices.values(), start=own.prices["own"])
    return Score(
        value=own.value,
        status=own.status,
        message=own.message,
        seconds=total.seconds,
        marginal_seconds=sum(marginal, start=own.prices["own"]).seconds,
        peak_bytes=total.peak_bytes,
    )


def _checked(outcome: Outcome[float], name: str) -> Outcome[float]:
    """A value that is not finite is not a score."""
    value = outcome.value
    if value is None or math.isfinite(value):
        return outcome
    status: Status = "nan" if math.isnan(value) else "inf"
    return replace(outcome, value=None, status=status, message=f"{name} is {value}")
