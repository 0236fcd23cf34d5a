"""Philox4x32-10: random words as a pure function of a key and a counter, for many keys at once.

Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3". There is no state,
so number i of stream k is computed alone or among a million others, and the same everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]  # 32 bits each, in 64 so that a product of two fits

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]) -> list[Words]:
    """Four random words for each counter and key.

    Args:
        counter: four words, arrays of shapes that broadcast.
        key: two words, likewise.

    Returns:
        Four arrays of the common shape; every entry is below 2³².
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1 = (second >> _HALF) ^ c1 ^ k0, second & _LOW
        c2, c3 = (first >> _HALF) ^ c3 ^ k1, first & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW, (k1 + _KEY_STEPS[1]) & _LOW
    return [c0, c1, c2, c3]


def normals(
    seeds: npt.NDArray[np.uint64], blocks: npt.NDArray[np.uint64], draw: int, stream: int
) -> npt.NDArray[np.float32]:
    """Four standard normal numbers for each seed and block.

    The words are the same on every machine. The normals are computed from them in float64 (Box &
    Muller 1958) and rounded to float32, so two mathematical libraries that differ in a float64's
    last bit give the same number but for about one in a hundred million.

    Args:
        seeds: the 64-bit keys.
        blocks: which four numbers of the seed's stream; a shape that broadcasts with the seeds'.
        draw: another number here gives other numbers for the same block.
        stream: likewise; keeps different uses of one seed apart.

    Returns:
        float32 (…, 4), contiguous, … being the common shape; at most 6.8 in size.
    """
    counter = blocks, np.uint64(draw), np.uint64(0), np.uint64(stream)
    words = philox(counter, (seeds & _LOW, seeds >> _HALF))  # type: ignore[arg-type]
    result = np.empty((*words[0].shape, 4), np.float32)
    for pair in (0, 2):
        radius = np.sqrt(-2 * np.log((words[pair] + 0.5) * 2.0**-32))
        angle = (words[pair + 1] + 0.5) * (2 * np.pi * 2.0**-32)
        result[..., pair] = radius * np.cos(angle)
        result[..., pair + 1] = radius * np.sin(angle)
    return result
