"""GSNR: the signal-to-noise ratio of the gradients over samples."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "gsnr",
    principle="trainability",
    source="Sun et al., ICCV 2023",
    data="labels",
    passes=("gradient_moments",),
)
def gsnr(probe: Probe, *, floor: float = 1e-8) -> float:
    """Sum over weights the squared mean of the samples' gradients over their variance.

    Formula: sum over convolution and linear weights of (mean_i g_i)^2 / (Var_i g_i + floor), g_i the gradient
    of the cross-entropy of sample i of the first batch, Var the population's.
    Range and direction: >= 0; where variances are far below the floor, grows with the square of the loss's
    scale; higher is better.
    Source: Sun et al., "Unleashing the Power of Gradient Signal-to-Noise Ratio for Zero-Shot NAS", ICCV 2023
    (xi-GSNR, xi = 1e-8).
    Deviations: over the samples of one batch, as its code has it on NAS-Bench-101; on NAS-Bench-201 it takes
    eight batches. Gradients are those of one sample each; the code adds each to the ones before, without
    clearing them. Raises ProxyError for a batch of one image.
    """
    return sum(
        (moments.mean.square() / (moments.variance + floor)).sum().item()
        for _, moments in probe.gradient_moments()
    )
