"""L-SWAG: the inverse spread of the gradients over samples, times the number of activation patterns."""

from proxies.gradient_based.l_swag_lambda import lambda_of_samples
from proxies.gradient_free.l_swag_psi import psi
from proxies.probe import WHOLE, Interval, Probe
from proxies.registry import proxy


@proxy(
    "l_swag",
    principle="trainability",
    source="Casarin et al., CVPR 2025",
    data="labels",
    passes=("gradient_magnitudes", "activations"),
)
def l_swag(probe: Probe, *, mean: bool = False, interval: Interval = WHOLE) -> float:
    """Multiply the log inverse spread of per-sample gradients, Lambda, by the number of patterns, Psi.

    Formula: Lambda * Psi. Lambda = sum over layers of log(sum over weights of 1 / sqrt(Var_i |dl_i/dw|)), i
    the samples of the first batch, l_i the cross-entropy of sample i, Var the population's; Psi = number of
    distinct columns of the samples x neurons matrix of (activation > 0). mean=true puts mean_i |dl_i/dw| for
    the 1. interval=3-7 takes the layers in those tenths of the depth for Lambda, and those up to the last for
    Psi.
    Range and direction: real; higher is better. Lambda falls by log c a layer when the loss is multiplied by
    c. Where gradients are so large that Lambda < 0, a larger Psi lowers the score; it is reported as printed.
    Source: Casarin et al., "L-SWAG", CVPR 2025, eq. 1 and 7. No code was released.
    Deviations: the paper leaves open whether i is a sample or a batch; this is a sample, `l_swag_batch` is
    the other. It finds an interval for each benchmark; all layers are used unless one is given. Tenths of the
    depth are counted from the first layer as 0, where eq. 6 leaves an eleventh bin to the last layer. Weights
    of zero variance are dropped, and layers that keep none, as in ZiCo. Psi pools one pattern a neuron, as in
    SWAP, on which it is built. Statistics in float64.
    Raises NothingCollected when no weight of any layer varies, or no activation is above zero; ProxyError for
    a batch of one image.
    """
    return lambda_of_samples(probe, mean, interval) * psi(probe, interval)
