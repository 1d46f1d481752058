"""DSS: the synaptic diversity of attention and the synaptic saliency of MLPs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from proxies.errors import NothingCollected
from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy

_TOLERANCE = 1e-6  # of a nuclear norm, relative; what is left to chance is a hundredth of it
_RANK = 96  # columns of the sketch of a gradient


@proxy("dss", principle="saliency", source="Zhou et al., CVPR 2022", data="shape", passes=("data_free",))
def dss(probe: Probe) -> float:
    """Sum attention's products of nuclear norms and the other layers' saliencies, without data.

    Formula: sum over attention's linear layers (query, key, value and output projections) of
    ||dR/dW||_* ||W||_*, plus sum over the weights of the MLPs and the head of |w dR/dw|; R the summed logits
    of an image of ones, every floating tensor of the state dict replaced by its absolute value; ||.||_* the
    nuclear norm, the sum of singular values.
    Range and direction: >= 0, no unit, nearly all of it attention's; higher is better.
    Source: Zhou et al., "Training-free Transformer Architecture Search", CVPR 2022, as AZ-NAS's code computes
    it.
    Deviations: the head counts once, where AZ-NAS counts one of 1000 classes twice, and layers are told apart
    by their roles, not by their shapes. TF-TAS's own code keeps the signs of the weights, and loses query,
    key and value. All in float64; nuclear norms are exact to 1e-6 at least.
    Raises NothingCollected when the network names no attention layer in its roles.
    """
    roles = roles_with_attention(probe.network, "dss")
    score = 0.0
    for layer, gradient in probe.data_free():
        role = roles.get(layer.name)
        if role == "attention":
            # Tokens of an image of ones differ little, and the rank of a gradient is small.
            diversity = nuclear_norm(gradient.flatten(1), low_rank=True)
            score += diversity * nuclear_norm(layer.weight.flatten(1))
        elif role in ("mlp", "head"):
            score += torch.dot(layer.weight.flatten(), gradient.abs().flatten()).item()
    return score


def roles_with_attention(network: nn.Module, proxy: str) -> Mapping[str, str]:
    """Return the network's roles by module; NothingCollected when no weighted layer's is attention."""
    roles: Mapping[str, str] = getattr(network, "roles", {})
    if not any(roles.get(name) == "attention" for name in weighted_layers(network)):
        raise NothingCollected(f"{proxy} needs attention layers; the network names none in its roles.")
    return roles


def nuclear_norm(matrix: Tensor, low_rank: bool = False) -> float:
    """Return the sum of the singular values of (rows, columns) float64, exact to 1e-6.

    low_rank: whether few of the singular values make up nearly all of the sum. If wrong, that costs time and
              no digits.

    NaN or infinity for a matrix that is not finite.
    """
    norm = torch.linalg.vector_norm(matrix).item()
    if norm - norm != 0:  # the decompositions refuse what is not finite
        return norm
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    total, error = (_from_sketch if low_rank else _from_gram)(tall)
    if error <= _TOLERANCE * total:
        return total
    return torch.linalg.svdvals(matrix).sum().item()


def _from_gram(tall: Tensor) -> tuple[float, float]:
    """The nuclear norm by the eigenvalues of the Gram matrix, and the largest error that squaring leaves.

    An eigenvalue is wrong by up to `rounding`: its root s by up to rounding / s, or sqrt(rounding) where s is
    smaller than that.
    """
    eigenvalues = torch.linalg.eigvalsh(tall.T @ tall).clamp(min=0)  # ascending
    values = eigenvalues.sqrt()
    rounding = sum(tall.shape) * torch.finfo(tall.dtype).eps * eigenvalues[-1]
    error = torch.minimum(rounding / values, rounding.sqrt()).sum()
    return values.sum().item(), error.item()


def _from_sketch(tall: Tensor) -> tuple[float, float]:
    """The nuclear norm of the matrix's projection on few directions, and the most that the rest can add.

    The directions Q span the matrix's image of random vectors. The rest A - A Q Q' adds at most its own
    nuclear norm, which is at most sqrt(columns) times its Frobenius norm. Source: Halko, Martinsson, Tropp,
    "Finding structure with randomness", SIAM Review 2011.
    """
    rows, columns = tall.shape
    # Not a draw of the score: whatever the directions are, the error is bounded.
    draws = torch.randn(rows, _RANK, generator=torch.Generator().manual_seed(0)).to(tall)
    directions = torch.linalg.qr(tall.T @ draws).Q  # (columns, rank)
    projected = tall @ directions  # (rows, rank)
    rest = torch.linalg.vector_norm(tall - projected @ directions.T)
    return torch.linalg.svdvals(projected).sum().item(), columns**0.5 * rest.item()
