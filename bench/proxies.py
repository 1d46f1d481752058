"""What every proxy costs, alone and together, beside one forward and backward pass of the same network.

`python -m bench.proxies [--space autoformer-small] [--batch 8] [--image 224] [--architectures 3]`; on a GPU
if there is one. The machine should be idle: ratios move less than seconds. Some ten minutes on two cores.
The operations of `macs` and `az_complexity` are counted on shapes, not computed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

import proxies
from bench.measure import (
    Batches,
    forward_backward_seconds,
    measured_seconds,
    network_and_batches,
    peak_flops,
)
from builder.memory import keep_freed_memory

# Those that the authors' own codes were timed on, each by itself: 31.3 forward and backward passes in all.
EIGHTEEN = (
    "grad_norm",
    "snip",
    "plain",
    "jacov",
    "epe_nas",
    "fisher",
    "grasp",
    "synflow",
    "l2_norm",
    "nwot",
    "zen",
    "zico",
    "gradsign",
    "meco",
    "ntk_cond",
    "swap",
    "az_expressivity",
    "az_trainability",
    "az_complexity",
    "dss",
)

REPEATS = 3  # of a set of one proxy on each architecture: one so short may meet a slow moment


@dataclass
class Run:
    """One architecture scored by a set of proxies, and the seconds of a forward and backward pass."""

    seconds: float
    scores: dict[str, proxies.Score]
    unit: float

    @property
    def peak_bytes(self) -> int | None:
        """Most GPU memory in use at a time; None on a CPU, where it is not measured."""
        return _most(score.peak_bytes for score in self.scores.values())


def main() -> None:
    """Measure and print the tables: medians over architectures, and REPEATS runs where one proxy is a set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="autoformer-small")
    parser.add_argument("--batch", type=int, help="default 64 on a GPU, 8 on a CPU")
    parser.add_argument("--image", type=int, default=224)
    parser.add_argument("--architectures", type=int, default=3)
    parser.add_argument("--interval", default="3-7", help="tenths of the depth of the L-SWAG that is timed")
    parser.add_argument("--memory-gib", type=float, default=6.0, help="as score.memory_gib")
    options = parser.parse_args()
    keep_freed_memory()  # as every job does
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options.batch = options.batch or (64 if device.type == "cuda" else 8)
    swag = proxies.get(f"l_swag_batch[interval={options.interval}]").name
    sets = {"all": proxies.names(), "the eighteen": EIGHTEEN, swag: [swag]}

    runs: dict[str, list[Run]] = {title: [] for title in sets}
    for index in tqdm(range(options.architectures + 1), desc="architectures", unit="arch"):
        network, batches = network_and_batches(
            options.space, index, options.batch, device, image_size=options.image
        )
        for title, names in sets.items():
            times = REPEATS if index and len(names) == 1 else 1
            found = [_run(names, network, batches, options.memory_gib) for _ in range(times)]
            # The first architecture pays for imports and warm-up.
            runs[title] += found if index else []
    print_tables(runs, options, network, batches)


def _run(names: list[str], network: nn.Module, batches: Batches, memory_gib: float) -> Run:
    """Score one architecture; the unit is taken before and after, for machines whose speed drifts."""
    before = forward_backward_seconds(network, *batches[0])
    seconds, scores = measured_seconds(names, network, batches, memory_gib)
    after = forward_backward_seconds(network, *batches[0])
    return Run(seconds, scores, (before + after) / 2)


def print_tables(
    runs: dict[str, list[Run]], options: argparse.Namespace, network: nn.Module, batches: Batches
) -> None:
    """Print what each proxy costs, what the sets cost, and the memory."""
    device = batches[0][0].device
    peak = peak_flops(device)
    unit = statistics.median(run.unit for found in runs.values() for run in found)
    print(
        f"{options.space}, {options.image} pixels, batch {options.batch}, {_device_name(device)}, torch "
        f"{torch.__version__}, medians of {len(runs['all'])} architectures"
    )
    print(f"forward+backward {unit:.3f} s; machine's peak {peak / 1e9:.0f} GFLOP/s")
    memory = _process_memory()  # before more than the budget is used, by counting
    alone = {
        name: Run(*measured_seconds([name], network, batches, options.memory_gib), unit)
        for name in tqdm(proxies.names(), desc="each alone")
    }
    flops = {
        name: _flops([name], network, batches, options.memory_gib)
        for name in tqdm(proxies.names(), desc="FLOPs")
    }
    print_table(runs["all"], alone, flops, peak)
    head = f"{'s':>8}{'x fwd+bwd':>11}{'arch/s':>8}{'GFLOP':>9}{'of peak':>9}{'peak MiB':>10}"
    print(f"\n{'together':<28}{head}")
    for title, found in runs.items():
        seconds = statistics.median(run.seconds for run in found)
        ratio = statistics.median(run.seconds / run.unit for run in found)
        counted = _flops(list(found[0].scores), network, batches, options.memory_gib)
        print(
            f"{title:<28}{seconds:>8.3f}{ratio:>11.2f}{1 / seconds:>8.2f}{counted / 1e9:>9.0f}"
            f"{counted / seconds / peak:>9.0%}{_mebibytes(_most(run.peak_bytes for run in found)):>10}"
        )
    if device.type == "cpu":
        print(f"\npeak memory: {memory:.2f} GiB, the whole process")


def print_table(runs: list[Run], alone: dict[str, Run], flops: dict[str, float], peak: float) -> None:
    """Print one line a proxy: its price by itself, and what it adds when all run together in this order."""
    head = f"{'':<22}{'alone s':>9}{'x fwd+bwd':>11}{'GFLOP':>8}{'of peak':>9}{'added s':>9}{'x fwd+bwd':>11}"
    print(f"{head}{'peak MiB':>10}  passes")
    for name, own in alone.items():
        scores = [run.scores[name] for run in runs]
        added = statistics.median(score.marginal_seconds for score in scores)
        extra = statistics.median(
            score.marginal_seconds / run.unit for score, run in zip(scores, runs, strict=True)
        )
        failed = sorted({score.status for score in scores} - {"ok"})
        print(
            f"{name:<22}{own.seconds:>9.3f}{own.seconds / own.unit:>11.2f}{flops[name] / 1e9:>8.0f}"
            f"{flops[name] / own.seconds / peak:>9.0%}{added:>9.3f}{extra:>11.2f}"
            f"{_mebibytes(own.peak_bytes):>10}  {', '.join([*proxies.get(name).passes, *failed])}"
        )


def _flops(names: list[str], network: nn.Module, batches: Batches, memory_gib: float) -> float:
    """Return the floating-point operations of convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        proxies.compute(names, network, batches, memory_gib=memory_gib)
    return counter.get_total_flops()


def _most(counts: Iterable[int | None]) -> int | None:
    return max((count for count in counts if count is not None), default=None)


def _mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:.0f}"


def _process_memory() -> float:
    """Return the most memory that the process has held so far, GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU with {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
