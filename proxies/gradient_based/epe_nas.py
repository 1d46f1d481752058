"""EPE-NAS: how far the input gradients of one class's images are correlated."""

import torch

from proxies.errors import NothingCollected
from proxies.gradient_based.jacov import correlation
from proxies.probe import Probe
from proxies.probe.layers import weighted_layers
from proxies.registry import proxy

_FLOOR = 1e-5
_MANY_CLASSES = 100


@proxy(
    "epe_nas",
    principle="expressivity",
    source="Lopes et al., ICANN 2021",
    data="labels",
    passes=("input_jacobian",),
)
def epe_nas(probe: Probe) -> float:
    """Score the correlations of input gradients between images of the same class.

    Formula: for each class c in the batch, s_c = sum over pairs of its images of log(|r| + 1e-5), r the
    correlation of their rows d(summed logits)/d(image). Up to 100 logits: sum over classes of |s_c|, of which
    a class with one image has 1e-5. More: s_c is divided by the number of its images, and the score is the
    sum over pairs of classes of |s_c - s_d|, over the number of classes; those with one image are left out.
    Range and direction: >= 0; higher is better.
    Source: Lopes, Alirezazadeh, Alexandre, "EPE-NAS: Efficient Performance Estimation Without Training for
    Neural Architecture Search", ICANN 2021, as NASLib computes it.
    Deviations: a batch in which no class has two images, or above 100 logits only one, has no score; the code
    gives it about 0. The number of logits is that of the last weighted layer.
    Raises NothingCollected when so few classes have two images; ProxyError without labels, and unless an
    image has one class.
    """
    labels = probe.labels
    correlations = (correlation(probe.input_jacobian()).abs() + _FLOOR).log()
    classes, counts = labels.unique(return_counts=True)
    if counts.max() < 2:
        raise NothingCollected("No class has two images in the batch: draw more images, or of fewer classes.")
    sums = torch.stack([correlations[labels == c][:, labels == c].sum() for c in classes])  # (classes,)
    *_, last = weighted_layers(probe.network).values()
    if last.weight.shape[0] <= _MANY_CLASSES:
        return sums.abs().sum().item()
    means = (sums / counts)[counts > 1]  # (classes with two images,)
    if len(means) < 2:
        raise NothingCollected(
            "Only one class has two images in the batch: above 100 logits two are compared."
        )
    return (means.unsqueeze(0) - means.unsqueeze(1)).abs().sum().item() / len(means)
