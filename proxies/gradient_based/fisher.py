"""Fisher: the loss's sensitivity to removing channels."""

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy


@proxy(
    "fisher",
    principle="saliency",
    source="Turner et al., ICLR 2020",
    data="labels",
    passes=("channel_saliency",),
)
def fisher(probe: Probe, *, tokens_as_channels: bool = False) -> float:
    """Sum the squared saliencies of every layer's output channels, each as often as the channel has weights.

    Formula: sum over convolution and linear layers, and their output channels k, of fan_in * mean over images
    b of c_bk^2 / 2, c_bk the sum over places (pixels or tokens) of output * dL/d output, L the first batch's
    mean cross-entropy.
    Range and direction: >= 0, grows with the square of the loss's scale; higher is better.
    Source: Turner et al., "BlockSwap: Fisher-guided Block Substitution for Network Compression on a Budget",
    ICLR 2020, with the fan-in of Abdelfattah et al., ICLR 2021.
    Deviations: a linear layer's channels are the last axis of (batch, tokens, channels). Published code takes
    axis 1, which is the tokens, for all layers: tokens_as_channels=true is that.
    Raises NothingCollected when the loss depends on no layer.
    """
    fan_in = {name: module.weight[0].numel() for name, module in weighted_layers(probe.network).items()}
    terms = [
        fan_in[name] * saliencies.sum().item()
        for (name, axis_1), saliencies in probe.channel_saliency().items()
        if axis_1 == tokens_as_channels
    ]
    if not terms:
        raise NothingCollected("The loss depends on no layer.")
    return sum(terms)
