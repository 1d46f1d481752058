"""Zero-cost proxies: one file a proxy, each a function of a `Probe`.

Names are imported when they are first used, so that `proxies.combiners` works where torch is not installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxies.errors import ProxyError
    from proxies.probe import Probe
    from proxies.registry import Proxy, batches_needed, get, look_at_images, names, proxy, resolve
    from proxies.score import Score, compute

__all__ = [
    "Probe",
    "Proxy",
    "ProxyError",
    "Score",
    "batches_needed",
    "compute",
    "get",
    "look_at_images",
    "names",
    "proxy",
    "resolve",
]

_HOMES = {
    "errors": ("ProxyError",),
    "probe": ("Probe",),
    "registry": ("Proxy", "batches_needed", "get", "look_at_images", "names", "proxy", "resolve"),
    "score": ("Score", "compute"),
}


def __getattr__(name: str) -> Any:
    for home, exported in _HOMES.items():
        if name in exported:
            return getattr(importlib.import_module(f"proxies.{home}"), name)
    raise AttributeError(f"module 'proxies' has no attribute '{name}'")
