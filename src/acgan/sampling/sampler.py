"""Images from a generator, exactly: image (class, seed) has the same bytes alone or in any batch.

Three things make it so. Every latent is a function of its seed alone, so one seed across classes
shows one style. Every forward pass has the same batch size and runs on one thread (`passes`). And
normalization uses its stored statistics, never those of the batch.

Between machines the bytes agree but for round-off, closest in fp32: processors sum in other orders,
and bf16, the default where it is fast, rounds to 8 bits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.errors import UsageError
from acgan.networks.interface import Generator
from acgan.sampling.forward import BATCH, Batch, Precision, drawn
from acgan.sampling.philox import normals

SEEDS = 2**63  # seeds lie in [0, SEEDS)
SMALLEST_TRUNCATION = 0.01  # below, rejection takes forever and every image is the same anyway

Integers = Sequence[int] | npt.NDArray[np.integer]

_STREAM = 2  # another number here would be another definition of every image
_DRAWN_AT_ONCE = 8 * BATCH  # latents; more would leave the processor's cache


def latents(seeds: Integers, size: int, *, truncation: float | None = None) -> Tensor:
    """One latent per seed, each a function of its seed (and the truncation) alone.

    With a truncation t, entries outside [-t, t] are drawn again until they lie inside (Brock,
    Donahue & Simonyan 2019, §3.1); entries already inside stay, so a seed keeps its style. A
    smaller t gives more typical and less varied images.

    The numbers are Philox's, keyed by the seed itself (`acgan.sampling.philox.normals`); torch's
    generator
    for the CPU has 32 bits of seed and would draw some image twice among a hundred thousand.

    Args:
        seeds: N integers in [0, 2⁶³).
        size: entries of a latent.
        truncation: t, at least 0.01, or None for the whole normal distribution.

    Returns:
        float32 (N, size) on the CPU, standard normal.

    Raises:
        UsageError: a seed or the truncation lies outside its range.
    """
    _check_truncation(truncation)
    keys = _keys(seeds)
    blocks = np.arange(-(-size // 4), dtype=np.uint64)  # of four entries
    drawn = np.empty((len(keys), len(blocks), 4), np.float32)
    for start in range(0, len(keys), _DRAWN_AT_ONCE):
        part = slice(start, start + _DRAWN_AT_ONCE)
        drawn[part] = normals(keys[part, None], blocks, 0, _STREAM)
        if truncation is not None:
            _draw_again(drawn[part], keys[part], truncation)
    whole = drawn.reshape(len(keys), 4 * len(blocks))
    return torch.from_numpy(np.ascontiguousarray(whole[:, :size]))


def sample_images(
    generator: Generator,
    labels: Integers | None,
    seeds: Integers,
    truncation: float | None = None,
    *,
    precision: Precision = "auto",
) -> npt.NDArray[np.uint8]:
    """Image i is that of class ``labels[i]`` and seed ``seeds[i]``.

    Args:
        generator: in any mode, on any device; its state is left as it was.
        labels: N class indices; None, or ignored, with a generator without classes.
        seeds: N integers in [0, 2⁶³).
        truncation: see `latents`.
        precision: see `acgan.sampling.forward.precision_on`.

    Returns:
        uint8 (N, C, H, W), 0 to 255.

    Raises:
        UsageError: a label, a seed or the truncation lies outside its range; nothing is asked for.
        DataError: the generator draws non-finite values.
    """
    batches = iterate_images(generator, labels, seeds, truncation, precision=precision)
    return _joined(batches, len(seeds))


def iterate_images(
    generator: Generator,
    labels: Integers | None,
    seeds: Integers,
    truncation: float | None = None,
    *,
    precision: Precision = "auto",
) -> Iterator[npt.NDArray[np.uint8]]:
    """As `sample_images`, in order, at most `BATCH` at a time: memory does not grow with N."""
    if labels is None:
        if generator.conditional:
            raise ValueError("this generator draws images of given classes; give it labels")
        labels = np.broadcast_to(np.int64(0), len(seeds))  # never looked at
    if len(labels) != len(seeds):
        raise ValueError(f"{len(labels)} labels and {len(seeds)} seeds; they must be as many")
    _check_truncation(truncation)  # before the first image, not at it
    count = _checked(generator, labels)

    def batches() -> Iterator[Batch]:
        for start in range(0, count, _DRAWN_AT_ONCE):
            part = slice(start, start + _DRAWN_AT_ONCE)
            noise = latents(seeds[part], generator.latent_size, truncation=truncation)
            yield from _split(noise, torch.from_numpy(np.array(labels[part], np.int64)))

    yield from drawn(generator, batches(), precision)


def draw(
    generator: Generator, noise: Tensor, labels: Tensor, *, precision: Precision = "auto"
) -> npt.NDArray[np.uint8]:
    """Images of given latents, in forward passes of exactly `BATCH` images.

    Args:
        generator: in any mode, on any device; its state is left as it was.
        noise: float32 (N, Z).
        labels: int64 (N,).
        precision: see `acgan.sampling.forward.precision_on`.

    Returns:
        uint8 (N, C, H, W), 0 to 255.

    Raises:
        DataError: the generator draws non-finite values.
    """
    return _joined(drawn(generator, _split(noise, labels), precision), len(labels))


def from_uint8(images: npt.NDArray[np.uint8]) -> Tensor:
    """0 to 255 as [-1, 1]: x / 127.5 − 1, float32 of the same shape; undone by `to_uint8`."""
    return torch.from_numpy(images.astype(np.float32)).div_(127.5).sub_(1)


def check_seeds(first: int, count: int) -> range:
    """The seeds ``first`` to ``first + count - 1``.

    Raises:
        UsageError: nothing is asked for, or a seed lies outside [0, 2⁶³).
    """
    if count < 1:
        raise UsageError(f"the count must be at least 1, not {count}")
    if not 0 <= first <= SEEDS - count:
        raise UsageError(f"the seed must be a whole number from 0 to 2^63 - 1, not {first}")
    return range(first, first + count)


def _check_truncation(truncation: float | None) -> None:
    if truncation is None:
        return
    if not (math.isfinite(truncation) and truncation >= SMALLEST_TRUNCATION):
        raise UsageError(
            f"the truncation must be at least {SMALLEST_TRUNCATION} (0.5 to 2 is usual), "
            f"not {truncation:g}; leave it out for the whole distribution"
        )


def _checked(generator: Generator, labels: Integers) -> int:
    if not len(labels):
        raise UsageError("no image is asked for; ask for at least one")
    if not 0 <= np.min(labels) <= np.max(labels) < generator.classes:
        raise UsageError(f"class indices must lie in 0 to {generator.classes - 1}")
    return len(labels)


def _keys(seeds: Integers) -> npt.NDArray[np.uint64]:
    whole = [operator.index(seed) for seed in seeds]
    for seed in whole:
        if not 0 <= seed < SEEDS:
            raise UsageError(f"the seed must be a whole number from 0 to 2^63 - 1, not {seed}")
    return np.array(whole, np.uint64)


def _draw_again(
    drawn: npt.NDArray[np.float32], keys: npt.NDArray[np.uint64], truncation: float
) -> None:
    """In place, what lies outside, until nothing does; (n, blocks, 4) and (n,)."""
    rows, blocks = np.nonzero((np.abs(drawn) > truncation).any(axis=-1))
    attempt = 0
    while len(rows):
        attempt += 1
        old = drawn[rows, blocks]
        again = normals(keys[rows], blocks.astype(np.uint64), attempt, _STREAM)
        new = np.where(np.abs(old) > truncation, again, old)
        drawn[rows, blocks] = new
        outside = (np.abs(new) > truncation).any(axis=-1)
        rows, blocks = rows[outside], blocks[outside]


def _joined(batches: Iterator[npt.NDArray[np.uint8]], count: int) -> npt.NDArray[np.uint8]:
    """All batches as one array, without a second copy of everything at the end."""
    first = next(batches)
    images = np.empty((count, *first.shape[1:]), np.uint8)
    done = len(first)
    images[:done] = first
    for batch in batches:
        images[done : done + len(batch)] = batch
        done += len(batch)
    return images


def _split(noise: Tensor, labels: Tensor) -> Iterator[Batch]:
    for start in range(0, len(noise), BATCH):
        yield noise[start : start + BATCH], labels[start : start + BATCH]
