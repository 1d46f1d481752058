"""Auto-Prox: the proxy that a search over formulas found for AutoFormer."""

import torch

from proxies.probe import Probe
from proxies.probe.attention import roles_with_attention
from proxies.registry import proxy


@proxy(
    "auto_prox",
    principle="saliency",
    source="Wei et al., AAAI 2024",
    data="shape",
    passes=("data_free",),
    needs="attention",
)
def auto_prox(probe: Probe) -> float:
    """Sum attention's |dR/dW| and the other layers' mean sigmoid of dR/dW, without data.

    Formula: sum over attention's linear layers of sum |dR/dw|, plus sum over the MLPs' linear layers and the
    head of sum sigmoid(dR/dw) / (size + 1e-9); R the summed logits of an image of ones, every floating tensor
    of the state dict replaced by its absolute value.
    Range and direction: > 0; the second sum lies between 0 and the number of its layers, about half of it
    where gradients are small; higher is better.
    Source: Wei et al., "Auto-Prox: Training-free Vision Transformer Architecture Search via Automatic Proxy
    Discovery", AAAI 2024, the formula for AutoFormer, as OoD-ViT-NAS's code states it; the authors' own code
    leaves it out.
    Deviations: layers are told apart by their roles, not by their shapes and 1000 classes. All in float64.
    Raises NothingCollected when the network names no attention layer in its roles.
    """
    roles = roles_with_attention(probe.network)
    score = 0.0
    for layer, gradient in probe.data_free():
        role = roles.get(layer.name)
        if role == "attention":
            score += gradient.abs().sum().item()
        elif role in ("mlp", "head"):
            score += torch.sigmoid(gradient).sum().item() / (gradient.numel() + 1e-9)
    return score
