"""Random orders that are the same on every platform and with every version of numpy.

They are sorted from the raw 64-bit stream of PCG64, which numpy guarantees never to change; the
streams of ``Generator.permutation`` carry no such promise.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def random_order(count: int, *key: int | str) -> npt.NDArray[np.int64]:
    """A permutation of ``range(count)``, int64 (count,), a function of ``count`` and ``key``."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    stream = np.random.PCG64(int.from_bytes(digest, "little"))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64, copy=False)
