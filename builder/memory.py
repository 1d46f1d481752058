"""Memory that a process frees and soon wants again."""

from __future__ import annotations

import ctypes
import sys

# Options of glibc's mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Tell the allocator to keep what is freed; return whether it does so.

    One network after another wants the same gigabytes. By default glibc gives them back to the system each
    time, and every page that comes anew is zeroed: up to a tenth of a job's time on a CPU. Other allocators
    are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    largest = 2**31 - 1
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, largest))
