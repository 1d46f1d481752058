"""One network with its mini-batches, and the passes over them that proxies share, one pass a file."""

from proxies.probe.layers import WHOLE, Interval, WeightedLayer, depth_percentile
from proxies.probe.outcome import Outcome, Price, attempt
from proxies.probe.passes import PASSES, Pass
from proxies.probe.probe import Batch, Probe

__all__ = [
    "PASSES",
    "WHOLE",
    "Batch",
    "Interval",
    "Outcome",
    "Pass",
    "Price",
    "Probe",
    "WeightedLayer",
    "attempt",
    "depth_percentile",
]
