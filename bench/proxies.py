"""Seconds of every proxy, alone and together, beside one forward and backward pass of the same network.

`python -m bench.proxies [--space autoformer-small] [--batch 8] [--image 224] [--architectures 3]`; on a GPU
if there is one. The machine should be idle: ratios move less than seconds.
"""

from __future__ import annotations

import argparse
import statistics

import torch

import proxies
from bench.measure import forward_backward_seconds, network_and_batches


def main() -> None:
    """Measure and print the table: medians over architectures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="autoformer-small")
    parser.add_argument("--batch", type=int, help="default 64 on a GPU, 8 on a CPU")
    parser.add_argument("--image", type=int, default=224)
    parser.add_argument("--architectures", type=int, default=3)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = options.batch or (64 if device.type == "cuda" else 8)

    passes, rows = [], []
    for index in range(options.architectures + 1):
        network, batches = network_and_batches(options.space, index, batch, device, image_size=options.image)
        reference = forward_backward_seconds(network, *batches[0])
        scores = proxies.compute(proxies.names(), network, batches)
        if index:  # the first pays for imports and warm-up
            passes.append(reference)
            rows.append(scores)
    print(
        f"{options.space}, {options.image} pixels, batch {batch}, {_device_name(device)}, torch "
        f"{torch.__version__}, medians of {len(rows)} architectures"
    )
    print_table(passes, rows)


def print_table(passes: list[float], rows: list[dict[str, proxies.Score]]) -> None:
    """Print one line a proxy: its price alone and what it adds when all run together."""
    print(f"{'':<16}{'alone s':>10}{'x fwd+bwd':>11}{'added s':>10}{'x fwd+bwd':>11}{'peak MiB':>10}  passes")
    for name in rows[0]:
        alone = statistics.median(scores[name].seconds for scores in rows)
        added = statistics.median(scores[name].marginal_seconds for scores in rows)
        peaks = [scores[name].peak_bytes for scores in rows]
        peak = "-" if None in peaks else f"{max(p for p in peaks if p is not None) / 2**20:.0f}"
        failed = {scores[name].status for scores in rows} - {"ok"}
        note = ", ".join(proxies.get(name).passes) + (f"  {', '.join(sorted(failed))}" if failed else "")
        ratios = [
            statistics.median(
                getattr(scores[name], column) / reference
                for scores, reference in zip(rows, passes, strict=True)
            )
            for column in ("seconds", "marginal_seconds")
        ]
        print(f"{name:<16}{alone:>10.3f}{ratios[0]:>11.2f}{added:>10.3f}{ratios[1]:>11.2f}{peak:>10}  {note}")
    together = [sum(score.marginal_seconds for score in scores.values()) for scores in rows]
    ratio = statistics.median(total / reference for total, reference in zip(together, passes, strict=True))
    print(f"{'all together':<16}{'':>10}{'':>11}{statistics.median(together):>10.3f}{ratio:>11.2f}")
    print(f"{'forward+backward':<16}{statistics.median(passes):>10.3f}{1:>11.2f}")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU with {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
