"""Seeds for everything random, derived from what is drawn, so that no draw depends on another."""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*parts: object) -> int:
    """Return a seed in 0 .. 2**63 - 1 from the parts that say what is drawn, equal on every machine."""
    text = "\n".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """Return a CPU generator seeded by what is drawn."""
    return torch.Generator().manual_seed(derive_seed(*parts))
