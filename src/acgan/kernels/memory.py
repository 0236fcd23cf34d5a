"""Settings of the C library's allocator: keep freed memory, in large pages.

A training step frees and allocates the same large blocks repeatedly. By default glibc returns each
block to the system and faults it in again page by page, which takes up to a fifth of a step.
Address translation of 4 kB pages takes another twelfth; Linux uses pages of 2 MB where a program
advises it to (transparent huge pages).
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
_MOST = 2**31 - 1  # mallopt takes an int
_GROWTH_BYTES = 2**28
_ADVISED_BYTES = 2**30  # more than a training step of the default networks allocates
_LARGE_PAGE = 2**21
_MADV_HUGEPAGE = 14  # Linux's mman.h


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocations, until it ends.

    Results and peak memory are the same, but memory does not return to the system after the peak.
    Blocks beyond 2 GiB are returned as before.

    Returns:
        Whether the C library is glibc and accepted the settings; others (musl, macOS, Windows) are
        left as they are.
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
    """Advise large pages for the memory that the C library allocates next.

    A block is allocated and freed at once. None of its pages is touched, so it costs only
    addresses, and later blocks are parts of it. If the allocation or the advice fails, nothing
    changes.
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
