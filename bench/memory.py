"""The memory that every proxy takes, beside what the formula of `images_at_once` allows it.

`python -m bench.memory [--space autoformer-small] [--batch 16] [--image 224] [--memory-gib 1.0]`; on a GPU if
there is one. On a CPU the kernel is asked, by `/proc/self`, on Linux alone. Five minutes on two cores.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

import proxies
from bench.measure import network_and_batches
from proxies.probe.jacobian import kernel_modules
from proxies.probe.layers import weighted_layers

GIB = 2**30
BYTES_A_WEIGHT = 30  # most that the statistics of one proxy keep of a weight; `images_at_once`


def main() -> None:
    """Measure, and print a line a proxy; exit 1 where one took more than the formula allows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="autoformer-small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--image", type=int, default=224)
    parser.add_argument("--memory-gib", type=float, default=1.0, help="as score.memory_gib")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not Path("/proc/self/clear_refs").exists():
        sys.exit("Peak memory on a CPU is read from /proc/self, which this machine lacks.")
    network, batches = network_and_batches(options.space, 1, options.batch, device, image_size=options.image)
    weights = sum(module.weight.numel() for module in weighted_layers(network).values())
    proxies.compute(["snip"], network, batches, memory_gib=options.memory_gib)  # libraries' own memory
    print(
        f"{options.space}, {options.image} pixels, batch {options.batch}, {weights / 1e6:.1f} M weights, "
        f"{options.memory_gib} GiB asked for, torch {torch.__version__}\n"
        f"{'':<22}{'peak GiB':>9}{'allowed':>9}"
    )
    beyond = []
    for name in tqdm(proxies.names(), desc="proxies"):
        allowed = options.memory_gib + weights * BYTES_A_WEIGHT / GIB
        if "tangent_kernel" in proxies.get(name).passes:
            allowed += _given_and_gave(network, batches[0][0]) / GIB
        peak = _peak_gib(name, network, batches, options.memory_gib)
        beyond += [name] if peak > allowed else []
        tqdm.write(f"{name:<22}{peak:>9.2f}{allowed:>9.2f}{'  beyond' if peak > allowed else ''}")
    sys.exit(f"Beyond what the formula allows: {', '.join(beyond)}" if beyond else 0)


def _peak_gib(name: str, network: nn.Module, batches: list, memory_gib: float) -> float:
    """Return the most memory that one proxy held beyond what was held before."""
    before = _settled_gib()
    (score,) = proxies.compute([name], network, batches, memory_gib=memory_gib).values()
    if score.status != "ok":
        sys.exit(f"{name} failed: {score.message}")
    return (score.peak_bytes or 0) / GIB if batches[0][0].is_cuda else _resident_gib("VmHWM") - before


def _settled_gib() -> float:
    """Give freed memory back, begin the kernel's peak anew, and return what is held now; 0 on a GPU."""
    gc.collect()
    if torch.cuda.is_available():
        return 0.0
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what is held now
    return _resident_gib("VmRSS")


def _resident_gib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 2**20
    raise RuntimeError(f"/proc/self/status has no line {field}.")


def _given_and_gave(network: nn.Module, images: torch.Tensor) -> float:
    """Return the bytes that the tangent kernel keeps of a batch: layers' inputs, and gradients of outputs."""
    found = 0

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal found
        found += inputs[0].nbytes + output.nbytes

    hooks = [module.register_forward_hook(count) for module in (kernel_modules(network) or {}).values()]
    try:
        with torch.no_grad():
            network(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return found * len(images)


if __name__ == "__main__":
    main()
