"""TE-NAS's linear regions: how many samples the activation patterns tell apart."""

import torch

from proxies.probe import Probe
from proxies.registry import proxy


@proxy(
    "linear_regions",
    principle="expressivity",
    source="Chen et al., ICLR 2021",
    data="images",
    passes=("agreement",),
)
def linear_regions(probe: Probe) -> float:
    """Count the distinct activation patterns over all neurons that the samples have.

    Formula: number of distinct rows of the samples x neurons matrix of (activation > 0), over all activation
    modules.
    Range and direction: a whole number, 1 to the number of images; higher is better.
    Source: Chen, Gong, Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021.
    Deviations: on the network and the images as they are, where TE-NAS thins both until regions are few: on
    images of ordinary size every sample has a region of its own, and every network the same score.
    Activations of any rank count; TE-NAS's hook passes over a ViT's.
    Raises ProxyError for a batch of one image; NothingCollected when no activation is above zero.
    """
    probe.need_two_images()
    kernel = probe.agreement()
    same = kernel == kernel.diagonal()  # images that agree in every neuron
    first = same.int().argmax(dim=1)  # the first image of each one's region
    return len(torch.unique(first))
