"""Some of the images of a data set as an array: in memory, or mapped from the cache if large."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from acgan.data.cache import IN_MEMORY_BYTES, Recipe, cached
from acgan.data.images import Images, LabelledImages
from acgan.data.places import cache_root
from acgan.data.resize import fit_array

_CHUNK = 2048


def take(
    everything: LabelledImages,
    rows: npt.NDArray[np.int64],
    size: tuple[int, int] | None = None,
    *,
    cache: str | None,
) -> Images:
    """The images of some rows, brought to a size.

    Args:
        everything: what to take them from.
        rows: int64 (n,), in the order wanted.
        size: height and width; None for as they are.
        cache: folder for what is too large for memory; None for the usual one.

    Returns:
        uint8 (n, C, H, W); a read-only memory map above a gigabyte.

    Raises:
        DiskError: images too many for memory could not be written to the cache.
    """
    images = everything.images
    size = size or everything.shape[1:]
    shape = (everything.shape.channels, *size)
    if len(rows) * int(np.prod(shape, dtype=np.int64)) <= IN_MEMORY_BYTES:
        return fit_array(images[rows], size)

    def chunks() -> Iterator[Images]:
        for start in range(0, len(rows), _CHUNK):
            yield fit_array(images[rows[start : start + _CHUNK]], size)

    digest = hashlib.sha256(everything.content_hash.encode())
    digest.update(repr(size).encode())
    digest.update(rows.tobytes())
    recipe = Recipe(len(rows), shape, chunks, details=list)
    return cached(cache_root(cache), digest.hexdigest()[:32], lambda: recipe).images
