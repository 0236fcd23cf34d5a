"""What the C library does with freed memory.

A training step frees and asks for the same large blocks again and again. glibc gives each back to
the system and pays for it anew, page by page: up to a fifth of a step. It can be told to keep them.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
_MOST = 2**31 - 1  # mallopt takes an int
_GROWTH_BYTES = 2**28


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for its own next requests, until it ends.

    Results do not depend on it, nor does peak memory to speak of; what is lost is that memory
    returns to the system after the peak. Blocks beyond 2 GiB are given back as before.

    Returns:
        Whether it could be set: the C library is glibc. Others (musl, macOS, Windows) stay as they
        are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (_MMAP_THRESHOLD, _MOST), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _GROWTH_BYTES)
    accepted = [bool(mallopt(name, value)) for name, value in settings]
    return all(accepted)
