"""The width of the features that the head reads."""

from torch import nn

from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy


@proxy("width", principle="complexity", source="Counted", data="none", control=True)
def width(probe: Probe) -> float:
    """Count the features that the head reads, the embedding width of a ViT.

    Formula: input features of the last weighted layer of the role "head", or of the last weighted layer when
    the network names no roles.
    Range and direction: a whole number >= 1; higher is better.
    Source: none; it is counted.
    Deviations: none.
    """
    layers = weighted_layers(probe.network)
    roles: dict[str, str] = getattr(probe.network, "roles", {})
    heads = [module for name, module in layers.items() if roles.get(name) == "head"]
    head = (heads or list(layers.values()))[-1]
    return float(head.in_features if isinstance(head, nn.Linear) else head.in_channels)
