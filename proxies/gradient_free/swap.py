"""SWAP: the number of sample-wise activation patterns."""

from proxies.probe import Probe
from proxies.probe.activations import distinct
from proxies.registry import proxy


@proxy(
    "swap",
    principle="expressivity",
    source="Peng et al., ICLR 2024",
    data="images",
    passes=("activations",),
)
def swap(probe: Probe) -> float:
    """Count the distinct patterns that neurons show over the samples.

    Formula: number of distinct columns of the samples x neurons matrix of (activation > 0), over all
    activation modules.
    Range and direction: 1 to the number of neurons, or 2^samples; higher is better.
    Source: Peng et al., "SWAP-NAS: Sample-wise Activation Patterns for Ultra-fast NAS", ICLR 2024.
    Deviations: one count on the given weights, where the authors' scripts average 32 draws from N(0, 1) on 16
    images. GELU and other activations of any rank count, as in the method's extension (TPAMI 2026), binarised
    at 0: in float32 GELU underflows to -0 below about -5.5, which a three-valued sign would count apart.
    Raises ProxyError for a batch of one image; NothingCollected when no activation is above zero.
    """
    probe.need_two_images()
    return distinct(probe.activations())
