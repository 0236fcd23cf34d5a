"""Images from a generator, exactly: image (class, seed) has the same bytes alone or in any batch.

Three things make it so. Every latent comes from a random generator of its own, keyed by the seed
alone, so one seed across classes shows one style. Every forward pass has the same batch size,
padded where fewer images are asked for, so that the same kernels run. And normalisation uses its
stored statistics, never those of the batch.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from acgan.errors import DataError, UsageError
from acgan.networks.interface import Generator

BATCH = 32  # images in every forward pass; a part of the definition of an image, like the seed
SEEDS = 2**63  # seeds lie in [0, SEEDS)
SMALLEST_TRUNCATION = 0.01  # below, rejection takes forever and every image is the same anyway

Integers = Sequence[int] | npt.NDArray[np.integer]

_STREAM = b"acgan latent 1"  # another number here would be another definition of every image


def latents(seeds: Integers, size: int, *, truncation: float | None = None) -> Tensor:
    """One latent per seed, each a function of its seed (and the truncation) alone.

    With a truncation t, entries outside [-t, t] are drawn again until they lie inside (Brock,
    Donahue & Simonyan 2019, §3.1); entries already inside stay, so a seed keeps its style. A
    smaller t gives more typical and less varied images.

    The numbers come from Philox (Salmon et al. 2011) keyed by a hash of the seed: 128 bits, where
    torch's generator for the CPU has 32 and would draw some image twice among a hundred thousand.

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
    drawn = np.empty((len(seeds), size), np.float32)
    for row, seed in zip(drawn, seeds, strict=True):
        random = _random(seed)
        row[:] = random.standard_normal(size, dtype=np.float32)
        if truncation is not None:
            outside = np.flatnonzero(np.abs(row) > truncation)
            while len(outside):
                row[outside] = random.standard_normal(len(outside), dtype=np.float32)
                outside = outside[np.abs(row[outside]) > truncation]
    return torch.from_numpy(drawn)


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
    for start in range(0, _checked(generator, labels), BATCH):
        part = slice(start, start + BATCH)
        noise = latents(seeds[part], generator.latent_size, truncation=truncation)
        yield draw(generator, noise, torch.from_numpy(np.array(labels[part], np.int64)))


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
    device = next(generator.parameters()).device
    parts = []
    with _evaluating(generator), torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for start in range(0, len(noise), BATCH):
            some_noise, some_labels = noise[start : start + BATCH], labels[start : start + BATCH]
            count = len(some_noise)
            padded_noise = some_noise.new_zeros(BATCH, noise.shape[1])
            padded_noise[:count] = some_noise
            padded_labels = some_labels.new_zeros(BATCH)
            padded_labels[:count] = some_labels
            images = generator(padded_noise.to(device), padded_labels.to(device))[:count]
            parts.append(to_uint8(images).cpu().numpy())
    return np.ascontiguousarray(np.concatenate(parts))


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] as 0 to 255: round((x + 1) · 127.5), clipped.

    Raises:
        DataError: a value is not finite.
    """
    if not bool(torch.isfinite(images).all()):
        raise DataError("the generator draws non-finite values; this model cannot be used")
    return ((images.float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)


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


def _random(seed: int) -> np.random.Generator:
    whole = operator.index(seed)
    if not 0 <= whole < SEEDS:
        raise UsageError(f"the seed must be a whole number from 0 to 2^63 - 1, not {whole}")
    digest = hashlib.sha256(_STREAM + whole.to_bytes(8, "little")).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest[:16], "<u8")))


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
