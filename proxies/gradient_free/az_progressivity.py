"""AZ-NAS's progressivity: how much expressivity grows from stage to stage."""

import torch

from proxies.errors import NothingCollected
from proxies.gradient_free.az_expressivity import entropies
from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "az_progressivity",
    principle="expressivity",
    source="Lee and Ham, CVPR 2024",
    data="images",
    passes=("stage_variances",),
)
def az_progressivity(probe: Probe) -> float:
    """Return the smallest growth of the features' entropy from a stage to the next.

    Formula: min_i (e_i - e_(i-1)), e_i as in `az_expressivity`.
    Range and direction: real; higher is better.
    Source: Lee and Ham, "AZ-NAS", CVPR 2024.
    Deviations: as `az_expressivity`. AZ-NAS leaves it out on ViTs, whose stages all have the same width.
    Raises NothingCollected on a network with fewer than two stages.
    """
    found = entropies(probe)
    if len(found) < 2:
        raise NothingCollected("Fewer than two stages were called.")
    return torch.tensor(found, dtype=torch.float64).diff().min().item()  # NaN stays NaN
