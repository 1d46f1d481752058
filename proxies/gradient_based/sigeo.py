"""SiGeo: after a short warm-up, ZiCo's ratio, the Fisher-Rao norm and the loss."""

from collections.abc import Mapping

import torch
from torch import Tensor

from proxies.errors import NothingCollected, ProxyError
from proxies.gradient_based.zico import log_ratio
from proxies.probe import Probe
from proxies.probe.at_weights import loss_and_gradients
from proxies.probe.layers import weight_key
from proxies.registry import proxy


@proxy(
    "sigeo",
    principle="trainability",
    source="Zheng et al., 2023",
    data="labels",
    passes=("gradients",),
    reads=2,
)
def sigeo(
    probe: Probe,
    *,
    learning_rate: float = 0.01,
    ratio_factor: float = 1.0,
    norm_factor: float = 1.0,
    loss_factor: float = 1.0,
) -> float:
    """Weigh the gradients' ratio of magnitude to spread, the Fisher-Rao norm and the loss, once warmed up.

    Formula: ratio_factor * R + norm_factor * F - loss_factor * L at the weights w = w0 - learning_rate * g0,
    w0 the given ones and g0 the gradient of the first batch's mean cross-entropy. With g1 and g2 the
    gradients of the two halves of the second batch and L1, L2 their losses: R = sum over convolution and
    linear layers of log(sum over weights of mean |g_n| / std g_n), F = sqrt(mean of (sum over all these
    weights of w g_n)^2), L = (L1 + L2) / 2. Weights of zero spread are dropped, and layers that keep none.
    Range and direction: real; higher is better.
    Source: Zheng et al., "SiGeo: Sub-One-Shot NAS via Information Theory and Geometry of Loss Landscape",
    2023.
    Deviations: there the warm-up trains a supernet on a share of the data; here it is one step of plain
    gradient descent on the network itself. R, F and L are of two halves of one batch, so that they cost one
    pass over it; R hangs on the smallest differences, as `zico` of two batches. F is the length of w in the
    metric of the empirical Fisher information of the two halves, the whole matrix, not its diagonal. The
    factors and the learning rate are ours: all three factors are 1, so that R, of many layers, outweighs the
    rest. Biases and norms are neither warmed up nor counted. Statistics in float64.
    Raises NothingCollected when no weight of any layer varies; ProxyError for a second batch of one image.
    """
    images, labels = probe.labelled(2)[1]
    if len(images) < 2:
        raise ProxyError("Two halves need at least 2 images in the second batch; got 1.")
    warmed = {
        weight_key(layer.name): layer.weight - learning_rate * gradient
        for layer, gradient in probe.gradients()
    }
    (first_loss, first), (second_loss, second) = (
        loss_and_gradients(probe.network, half, answers, warmed, probe.images_at_once)
        for half, answers in zip(images.tensor_split(2), labels.tensor_split(2), strict=True)
    )
    logs = [log for key in warmed if (log := log_ratio((first[key], second[key]))) is not None]
    if not logs:
        raise NothingCollected("The gradient of every weight is the same for both halves of the batch.")
    norm = torch.stack([_slope(warmed, first), _slope(warmed, second)]).square().mean().sqrt().item()
    loss = (first_loss + second_loss).item() / 2
    return ratio_factor * sum(logs) + norm_factor * norm - loss_factor * loss


def _slope(weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> Tensor:
    """The sum over all weights of w g, how fast the loss grows as they do, float64."""
    products = [(weight.double() * gradients[key].double()).sum() for key, weight in weights.items()]
    return torch.stack(products).sum()
