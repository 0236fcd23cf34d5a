"""Images from a generator, exactly: image (class, seed) has the same bytes alone or in any batch.

Three things make it so. Every latent is a function of its seed alone, so one seed across classes
shows one style. Every forward pass has the same batch size, padded where fewer images are asked
for, and runs on one thread, so that the same kernels run; more threads work on other batches. And
normalisation uses its stored statistics, never those of the batch.
"""

from __future__ import annotations

import copy
import math
import operator
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.errors import DataError, UsageError
from acgan.networks.interface import Generator
from acgan.philox import normals

BATCH = 32  # images in every forward pass; a part of the definition of an image, like the seed
SEEDS = 2**63  # seeds lie in [0, SEEDS)
SMALLEST_TRUNCATION = 0.01  # below, rejection takes forever and every image is the same anyway

Integers = Sequence[int] | npt.NDArray[np.integer]
Batch = tuple[Tensor, Tensor]  # latents and labels, at most BATCH

_STREAM = 2  # another number here would be another definition of every image
_DRAWN_AT_ONCE = 16 * BATCH  # latents; more would leave the processor's cache


def latents(seeds: Integers, size: int, *, truncation: float | None = None) -> Tensor:
    """One latent per seed, each a function of its seed (and the truncation) alone.

    With a truncation t, entries outside [-t, t] are drawn again until they lie inside (Brock,
    Donahue & Simonyan 2019, §3.1); entries already inside stay, so a seed keeps its style. A
    smaller t gives more typical and less varied images.

    The numbers are Philox's, keyed by the seed itself (`acgan.philox.normals`); torch's generator
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
    labels: Integers,
    seeds: Integers,
    truncation: float | None = None,
) -> npt.NDArray[np.uint8]:
    """Image i is that of class ``labels[i]`` and seed ``seeds[i]``.

    Args:
        generator: in any mode, on any device; its state is left as it was.
        labels: N class indices.
        seeds: N integers in [0, 2⁶³).
        truncation: see `latents`.

    Returns:
        uint8 (N, C, H, W), 0 to 255.

    Raises:
        UsageError: a label, a seed or the truncation lies outside its range; nothing is asked for.
        DataError: the generator draws non-finite values.
    """
    return np.concatenate(list(iterate_images(generator, labels, seeds, truncation)))


def iterate_images(
    generator: Generator,
    labels: Integers,
    seeds: Integers,
    truncation: float | None = None,
) -> Iterator[npt.NDArray[np.uint8]]:
    """As `sample_images`, in order, at most `BATCH` at a time: memory does not grow with N."""
    if len(labels) != len(seeds):
        raise ValueError(f"{len(labels)} labels and {len(seeds)} seeds; they must be as many")
    _check_truncation(truncation)  # before the first image, not at it
    count = _checked(generator, labels)

    def batches() -> Iterator[Batch]:
        for start in range(0, count, _DRAWN_AT_ONCE):
            part = slice(start, start + _DRAWN_AT_ONCE)
            noise = latents(seeds[part], generator.latent_size, truncation=truncation)
            yield from _split(noise, torch.from_numpy(np.array(labels[part], np.int64)))

    yield from _drawn(generator, batches())


def draw(generator: Generator, noise: Tensor, labels: Tensor) -> npt.NDArray[np.uint8]:
    """Images of given latents, in forward passes of exactly `BATCH` images in full precision.

    Args:
        generator: in any mode, on any device; its state is left as it was.
        noise: float32 (N, Z).
        labels: int64 (N,).

    Returns:
        uint8 (N, C, H, W), 0 to 255.

    Raises:
        DataError: the generator draws non-finite values.
    """
    return np.concatenate(list(_drawn(generator, _split(noise, labels))))


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] as 0 to 255: round((x + 1) · 127.5), clipped.

    Raises:
        DataError: a value is not finite.
    """
    # a sum of finite numbers may overflow, but that of others is never finite: one cheap look
    if not math.isfinite(images.sum()) and not bool(torch.isfinite(images).all()):
        raise DataError("the generator draws non-finite values; this model cannot be used")
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


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


def _split(noise: Tensor, labels: Tensor) -> Iterator[Batch]:
    for start in range(0, len(noise), BATCH):
        yield noise[start : start + BATCH], labels[start : start + BATCH]


def _drawn(generator: Generator, batches: Iterable[Batch]) -> Iterator[npt.NDArray[np.uint8]]:
    """Images of each batch, in order; on a processor, as many batches at once as torch has threads.

    Two passes of one thread each are faster than one of two threads after another, and the number
    of threads cannot matter to the bytes.
    """
    network = copy.deepcopy(generator).eval().to(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    workers = threads if next(network.parameters()).device.type == "cpu" else 1
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        coming: deque[Future[npt.NDArray[np.uint8]]] = deque()
        for batch in batches:
            coming.append(pool.submit(_forward, network, *batch))
            if len(coming) > 2 * workers:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # of threads yet to be born: the workers have set it to 1


def _forward(network: Generator, noise: Tensor, labels: Tensor) -> npt.NDArray[np.uint8]:
    """One pass, in a thread of its own: no autocast of the caller's reaches there."""
    count, device = len(noise), next(network.parameters()).device
    if count < BATCH:
        noise = torch.cat([noise, noise.new_zeros(BATCH - count, noise.shape[1])])
        labels = torch.cat([labels, labels.new_zeros(BATCH - count)])
    with torch.inference_mode():
        images = network(noise.to(device), labels.to(device))[:count]
        return to_uint8(images).contiguous().cpu().numpy()
