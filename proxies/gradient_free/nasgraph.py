"""NASGraph: the average degree of the graph of the network's channels."""

import torch

from proxies.errors import NotANumber
from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy


@proxy("nasgraph", principle="complexity", source="Huang et al., 2024", data="none")
def nasgraph(probe: Probe) -> float:
    """Return the average degree of the graph whose nodes are channels, joined where one drives the other.

    Formula: 2 * edges / nodes. Every convolution and linear layer has a node for each of its input and of its
    output channels, and an edge from input channel c to output channel d where the weights from c to d sum
    to more than 0 over the kernel: then an input that is one in channel c everywhere and zero elsewhere gives
    a positive response in channel d, which the ReLU or GELU behind it lets through as positive.
    Range and direction: 0 to the largest width of a layer; higher is better.
    Source: Huang et al., "Graph is all you need? Lightweight data-agnostic neural architecture search without
    training", 2024 (NASGraph), published for convolutional cells alone.
    Deviations: this is our mapping to any network. The paper's graph blocks, whose one-hot inputs are
    forwarded, are single layers here, whose response to such an input is in their weights: biases, norms and
    padding are left out, and nothing is forwarded. Its surrogate of fewer cells and channels is left out too:
    the graph is that of the network itself. The wiring between layers is not traced, so that an output
    channel and the input channel which reads it are two nodes, and neither softmax nor residuals add edges.
    At symmetric random weights half of all pairs are edges: the degree then tells a mean width, nearly the
    same whatever the draw.
    Raises NothingCollected without weighted layers; NotANumber for a weight that is NaN, which would pass for
    no edge.
    """
    edges = torch.zeros((), dtype=torch.int64, device=probe.device)
    undefined = torch.zeros((), dtype=torch.bool, device=probe.device)
    nodes = 0
    for module in weighted_layers(probe.network).values():
        weight = module.weight.detach()
        response = weight if weight.ndim == 2 else weight.sum(dim=(2, 3), dtype=torch.float64)  # (out, in)
        edges += (response > 0).sum()
        undefined |= response.isnan().any()
        groups = getattr(module, "groups", 1)
        nodes += weight.shape[0] + groups * weight.shape[1]
    if undefined:
        raise NotANumber("A weight is NaN.")
    return 2 * edges.item() / nodes
