"""What the C library does with freed memory, and how large the system's pages under it are.

A training step frees and asks for the same large blocks again and again. glibc gives each back to
the system and pays for it anew, page by page: up to a fifth of a step. It can be told to keep them.
With pages of 4 kB the processor then spends another twelfth on finding them; Linux takes pages of
2 MB where a program advises it to (transparent huge pages).
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
_MOST = 2**31 - 1  # mallopt takes an int
_GROWTH_BYTES = 2**28
_ADVISED_BYTES = 2**30  # more than a training step of the default networks has at once
_LARGE_PAGE = 2**21
_MADV_HUGEPAGE = 14  # Linux's mman.h


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
    library = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", None)
    if mallopt is None:
        return False
    settings = (_MMAP_THRESHOLD, _MOST), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _GROWTH_BYTES)
    accepted = [bool(mallopt(name, value)) for name, value in settings]
    if all(accepted):
        _advise_large_pages(library)
    return all(accepted)


def _advise_large_pages(library: ctypes.CDLL) -> None:
    """Advise large pages for the memory that the C library hands out next.

    A block is asked for and freed at once: no page of it is touched, so it costs addresses alone,
    and what follows is cut from it. Without such a block or such advice, nothing changes.
    """
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = library.malloc(_ADVISED_BYTES)
    if block is None:
        return
    start = -(-block // _LARGE_PAGE) * _LARGE_PAGE
    end = (block + _ADVISED_BYTES) // _LARGE_PAGE * _LARGE_PAGE
    library.madvise(start, end - start, _MADV_HUGEPAGE)
    library.free(block)
