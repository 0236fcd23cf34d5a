"""Latents as pure functions of their seeds: Philox4x32-10 words, turned into normal numbers.

Philox (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") has no
state: number i of stream k is the same computed alone or among a million others, on any machine.
Torch's CPU generator has 32 bits of seed and would repeat some image among a hundred thousand.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.errors import UsageError

SEEDS = 2**63  # seeds lie in [0, SEEDS)
_SMALLEST_TRUNCATION = 0.01  # below, rejection takes very long and all images look the same

Integers = Sequence[int] | npt.NDArray[np.integer]

_STREAM = 2  # another value would change every image
_CHUNK = 1024  # latents computed at a time; more would not fit into the processor's cache


def latents(seeds: Integers, size: int, *, truncation: float | None = None) -> Tensor:
    """Return one latent per seed, each a function of its seed (and the truncation) alone.

    With a truncation t, entries outside [-t, t] are sampled again until they lie inside (Brock,
    Donahue & Simonyan 2019, §3.1). Entries already inside stay, so a seed keeps its style. A
    smaller t gives more typical and less diverse images.

    Args:
        seeds: N integers in [0, 2⁶³).
        size: entries of a latent.
        truncation: t, at least 0.01, or None for the whole normal distribution.

    Returns:
        float32 (N, size) on the CPU, standard normal.

    Raises:
        UsageError: a seed or the truncation lies outside its range.
    """
    check_truncation(truncation)
    keys = _keys(seeds)
    blocks = np.arange(-(-size // 4), dtype=np.uint64)  # of four entries
    entries = np.empty((len(keys), len(blocks), 4), np.float32)
    for start in range(0, len(keys), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        entries[chunk] = normals(keys[chunk, None], blocks, 0, _STREAM)
        if truncation is not None:
            _resample(entries[chunk], keys[chunk], truncation)
    whole = entries.reshape(len(keys), 4 * len(blocks))
    return torch.from_numpy(np.ascontiguousarray(whole[:, :size]))


def check_seeds(first: int, count: int) -> range:
    """Return the seeds ``first`` to ``first + count - 1``.

    Raises:
        UsageError: the count is below 1, or a seed lies outside [0, 2⁶³).
    """
    if count < 1:
        raise UsageError(f"the count must be at least 1, not {count}")
    if not 0 <= first <= SEEDS - count:
        raise UsageError(f"the seed must be a whole number from 0 to 2^63 - 1, not {first}")
    return range(first, first + count)


def check_truncation(truncation: float | None) -> None:
    """Refuse a truncation below 0.01 or not finite with a `UsageError`."""
    if truncation is not None and not _SMALLEST_TRUNCATION <= truncation < math.inf:
        raise UsageError(
            f"the truncation must be at least {_SMALLEST_TRUNCATION} (0.5 to 2 is usual), "
            f"not {truncation:g}; leave it out for the whole distribution"
        )


def _keys(seeds: Integers) -> npt.NDArray[np.uint64]:
    whole = [operator.index(seed) for seed in seeds]
    for seed in whole:
        if not 0 <= seed < SEEDS:
            raise UsageError(f"the seed must be a whole number from 0 to 2^63 - 1, not {seed}")
    return np.array(whole, np.uint64)


def _resample(
    entries: npt.NDArray[np.float32], keys: npt.NDArray[np.uint64], truncation: float
) -> None:
    """Replace entries outside the truncation in place; entries (n, blocks, 4), keys (n,)."""
    rows, blocks = np.nonzero((np.abs(entries) > truncation).any(axis=-1))
    attempt = 0
    while len(rows):
        attempt += 1
        old = entries[rows, blocks]
        again = normals(keys[rows], blocks.astype(np.uint64), attempt, _STREAM)
        new = np.where(np.abs(old) > truncation, again, old)
        entries[rows, blocks] = new
        outside = (np.abs(new) > truncation).any(axis=-1)
        rows, blocks = rows[outside], blocks[outside]


Words = npt.NDArray[np.uint64]  # 32 bits each, in 64 so that a product of two fits

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS, _LOW, _HALF = 10, np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]) -> list[Words]:
    """Return four random words below 2³² for each counter and key; their arrays broadcast."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1 = (second >> _HALF) ^ c1 ^ k0, second & _LOW
        c2, c3 = (first >> _HALF) ^ c3 ^ k1, first & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW, (k1 + _KEY_STEPS[1]) & _LOW
    return [c0, c1, c2, c3]


def normals(
    seeds: npt.NDArray[np.uint64], blocks: npt.NDArray[np.uint64], draw: int, stream: int
) -> npt.NDArray[np.float32]:
    """Return four standard normal numbers for each seed and block.

    The words are the same on every machine. The normals are computed from them in float64 (Box &
    Muller 1958) and rounded to float32, so mathematical libraries that differ in the last bit of a
    float64 give another number only about once in a hundred million.

    Args:
        seeds: the 64-bit keys.
        blocks: indices of groups of four numbers; broadcast with the seeds.
        draw: another value gives other numbers for the same block.
        stream: likewise; separates different uses of one seed.

    Returns:
        float32 (…, 4), contiguous; … is the common shape; absolute values of at most 6.8.
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
