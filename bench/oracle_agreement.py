"""Print how far our scores are from those of the authors' code: `python -m bench.oracle_agreement` (30 s)."""

import torch

from tests.proxies.oracle import counted, scored


def main() -> None:
    """Print one row a proxy, architecture and dtype."""
    torch.set_num_threads(1)
    print(f"{'proxy':<11}{'architecture':<17}{'dtype':<9}{'ours':>24}{'theirs':>24}{'difference':>12}")
    for c in (*scored(torch.float64), *scored(torch.float32), *counted()):
        dtype = str(c.dtype).removeprefix("torch.")
        print(
            f"{c.proxy:<11}{c.architecture:<17}{dtype:<9}{c.ours:>24.12g}{c.theirs:>24.12g}{c.difference:>12.1e}"
        )


if __name__ == "__main__":
    main()
