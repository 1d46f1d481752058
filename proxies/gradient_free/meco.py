"""MeCo: the smallest eigenvalue of the correlation between channels."""

import torch
from torch import Tensor

from proxies.errors import NotANumber, NothingCollected
from proxies.probe import Probe
from proxies.registry import proxy
from proxies.spectrum import eigenvalues


@proxy(
    "meco",
    principle="expressivity",
    source="Jiang et al., NeurIPS 2023",
    data="images",
    passes=("first_image",),
)
def meco(probe: Probe) -> float:
    """Sum over modules the smallest eigenvalue of the correlation of the rows that they return for one image.

    Formula: sum over the outputs of all modules, containers too, of the smallest eigenvalue of the
    correlation matrix of (channels, height * width) or (tokens, width), the first image's; correlations with
    a row of one value are 0.
    Range and direction: 0 to the number of modules; higher is better.
    Source: Jiang, Wang, Bie, "MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum
    Eigenvalue of Correlation", NeurIPS 2023, as its code computes it: an output counts once for every module
    that returns it, so that the score depends on how a network is cut into modules, and a ViT's rows are its
    tokens.
    Deviations: a symmetric eigensolver, in float64. Outputs of a single row, or a single column, are left
    out: their correlation is 1 or undefined.
    Raises NothingCollected when no module returns two rows and columns.
    """
    outputs = probe.first_image()
    found = [(matrix, count) for output, count in outputs if (matrix := _rows(output)) is not None]
    if not found:
        raise NothingCollected("No module returns two rows and two columns.")
    return sum(count * _smallest(matrix) for matrix, count in found)


def _rows(output: Tensor) -> Tensor | None:
    """One image's output as (channels, places) float64; None where there is no correlation to speak of."""
    if output.ndim < 2 or len(output) < 2 or output[0].numel() < 2:
        return None
    return output.flatten(1).double()


def _smallest(matrix: Tensor) -> float:
    if matrix.isnan().any():
        raise NotANumber("A module returned NaN.")
    rows, columns = matrix.shape
    if rows >= columns:  # centred rows of so few columns depend on one another
        return 0.0
    correlation = torch.corrcoef(matrix).nan_to_num(0.0, 0.0, 0.0)
    return eigenvalues(correlation)[0].item()
