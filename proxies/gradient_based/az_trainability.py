"""AZ-NAS's trainability: how near the Jacobians between stages are to keeping lengths."""

import torch

from proxies.probe import Probe
from proxies.registry import proxy
from proxies.spectrum import eigenvalues


@proxy(
    "az_trainability",
    principle="trainability",
    source="Lee and Ham, CVPR 2024",
    data="images",
    passes=("stage_jacobians",),
)
def az_trainability(probe: Probe) -> float:
    """Score the spectral norms of the stages' Jacobians by how near they are to 1.

    Formula: mean over stages of 2 - s - 1 / (s + 1e-6), s the largest singular value of M = mean over images
    and places of g_in' g_out, g_out random signs at the stage's output, g_in their gradient at its input.
    Range and direction: at most about 0, when s = 1; -inf, so no score, with a stage that is the identity;
    higher is better.
    Source: Lee and Ham, "AZ-NAS", CVPR 2024.
    Deviations: as `az_expressivity`; the signs are drawn by the seed. On ViTs the code skips a stage that is
    the identity, as that of an MLP whose activations are all zero; here it leaves no score, as elsewhere.
    Raises NothingCollected on a network with fewer than two stages.
    """
    terms = []
    for alignment, identity in probe.stage_jacobians():
        norm = eigenvalues(alignment.T @ alignment)[-1].sqrt()  # the largest singular value
        terms.append(-torch.inf if identity else (2 - norm - 1 / (norm + 1e-6)).item())
    return sum(terms) / len(terms)
