"""NASWOT: the log-determinant of the kernel of activation patterns."""

from proxies.probe import Probe
from proxies.probe.activations import log_determinant
from proxies.registry import proxy


@proxy(
    "nwot",
    principle="expressivity",
    source="Mellor et al., ICML 2021",
    data="images",
    passes=("agreement",),
)
def nwot(probe: Probe) -> float:
    """Return log det K, with K[p, q] the number of neurons in which images p and q agree to be active or not.

    Formula: K = sum over activation modules of x x' + (1 - x)(1 - x)', x = (input > 0) flattened, one row an
    image; score = sum of the logs of K's eigenvalues.
    Range and direction: real, near batch * log(neurons), which it is for one image; -inf, so no score, when K
    is singular to float64 (two images with one pattern, or fewer neurons than images); higher is better.
    Source: Mellor et al., "Neural Architecture Search without Training", ICML 2021.
    Deviations: GELU and other activation modules are binarised as ReLU is (a ViT's are its MLPs'), which is
    also the activation distance of Serianni and Kalita, ACL 2023. The weights are the given ones: AZ-NAS,
    TF-TAS and Auto-Prox draw them anew from N(0, 1). Real images, where ports feed noise.
    Raises NothingCollected when no activation is above zero.
    """
    return log_determinant(probe.agreement()).item()
