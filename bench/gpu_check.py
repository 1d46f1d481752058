"""Every proxy on the CPU against the GPU, on the same networks and batches: `make gpu-check`.

Prints each proxy's largest relative difference; exit code 1 when one is beyond its tolerance, failed on one
side only, or has no score at all, 2 without a CUDA device.
"""

from __future__ import annotations

import copy
import sys

import torch

import proxies
from bench.measure import network_and_batches

ARCHITECTURES = 8
# Float32 sums in another order. A zico of few batches hangs on the smallest of differences between gradients,
# a pattern count on the signs of pre-activations that are nearly 0, and v_pca counts too.
TOLERANCES = {
    "zico": 2e-2,
    "sigeo": 2e-2,
    "l_swag_batch": 2e-2,
    "l_swag_lambda_batch": 2e-2,
    "l_swag": 1e-3,
    "ntk_cond": 1e-2,
    "zen": 1e-2,
    **dict.fromkeys(("swap", "swap_reg", "l_swag_psi", "linear_regions", "nwot", "t_cet", "v_pca"), 2e-3),
}
TOLERANCE = 1e-4
NO_SCORE = ("nan", "inf", "empty")


def main() -> None:
    """Compare on architectures of autoformer-tiny at 64 pixels."""
    if not torch.cuda.is_available():
        print("gpu-check: torch sees no CUDA device.", file=sys.stderr)
        sys.exit(2)
    worst: dict[str, float] = {}
    for index in range(ARCHITECTURES):
        network, batches = network_and_batches(
            "autoformer-tiny", index, 16, torch.device("cpu"), batches=4, image_size=64
        )
        here = proxies.compute(proxies.names(), network, batches, seed=index)
        moved = [(images.cuda(), labels.cuda()) for images, labels in batches]
        there = proxies.compute(proxies.names(), copy.deepcopy(network).cuda(), moved, seed=index)
        for name in here:
            if here[name].status == there[name].status in NO_SCORE:
                continue  # neither has one, for the same reason
            found = difference(here[name].value, there[name].value)
            worst[name] = max(worst.get(name, 0.0), found)
    device = torch.cuda.get_device_name()
    print(f"CPU against {device}, torch {torch.__version__}, {ARCHITECTURES} architectures")
    print(f"{'proxy':<16}{'difference':>12}{'tolerance':>12}")
    beyond = False
    for name in proxies.names():
        found = worst.get(name, float("inf"))  # without a score nothing was compared
        allowed = TOLERANCES.get(name, TOLERANCE)
        beyond |= not found <= allowed
        print(f"{name:<16}{found:>12.1e}{allowed:>12.0e}{'' if found <= allowed else '  BEYOND'}")
    sys.exit(int(beyond))


def difference(here: float | None, there: float | None) -> float:
    """Return the relative difference of two scores, infinite when either failed."""
    if here is None or there is None:
        return float("inf")
    return abs(here - there) / max(abs(here), abs(there), 1e-300)


if __name__ == "__main__":
    main()
