"""Print how far our scores are from the authors' code: `python -m bench.oracle_agreement` (2 minutes)."""

import itertools
from collections.abc import Iterable

import torch

from tests.proxies import oracle


def main() -> None:
    """Print, for each record of the oracle, its worst architecture in each dtype, or why it is left out."""
    torch.set_num_threads(1)
    print(
        f"{'proxy':<33}{'architecture':<15}{'dtype':<9}{'ours':>20}{'theirs':>20}{'difference':>12}"
        "  networks/peer/proxy/variant"
    )
    for networks in oracle.NETWORKS:
        for dtype in (torch.float64, torch.float32):
            for comparison in worst(oracle.scored(networks, dtype)):
                print(row(comparison))
    for comparison in oracle.counted():
        print(row(comparison))
    print("\nNot compared")
    for record, reason in oracle.reasons().items():
        print(f"{reason:<90}{record}")


def worst(comparisons: Iterable[oracle.Comparison]) -> list[oracle.Comparison]:
    """Return the comparison of the largest difference for each record and proxy."""

    def pair(comparison: oracle.Comparison) -> tuple[str, str]:
        return comparison.record, comparison.proxy

    ordered = sorted(comparisons, key=pair)
    return [max(group, key=lambda c: c.difference) for _, group in itertools.groupby(ordered, pair)]


def row(comparison: oracle.Comparison) -> str:
    """Return one line of the table, marked where the difference is larger than is allowed."""
    c = comparison
    dtype = str(c.dtype).removeprefix("torch.")
    return (
        f"{c.proxy:<33}{c.architecture:<15}{dtype:<9}{c.ours:>20.12g}{c.theirs:>20.12g}{c.difference:>12.1e}"
        f"  {c.record}{'' if c.agrees else '  DISAGREES'}"
    )


if __name__ == "__main__":
    main()
