"""One network with its mini-batches, and the passes over them that proxies share, one pass a file."""

from proxies.probe.layers import WeightedLayer, depth_percentile
from proxies.probe.outcome import Outcome, attempt
from proxies.probe.probe import PASSES, Batch, Probe

__all__ = ["PASSES", "Batch", "Outcome", "Probe", "WeightedLayer", "attempt", "depth_percentile"]
