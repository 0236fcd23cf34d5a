"""Exact sampling: the image of a class and a seed has the same bytes alone or in any batch.

Three rules ensure that. A latent is a function of its seed alone. Every forward pass has the same
batch size and runs on one thread (`acgan.sampling.forward`). Normalization uses stored statistics,
never those of the batch.

Between machines the bytes agree up to round-off, closest in fp32: processors sum in other orders,
and bf16, the default if it is fast, rounds to 8 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.errors import UsageError
from acgan.networks.interface import Generator
from acgan.sampling.forward import BATCH, Batch, Precision, batched_forward
from acgan.sampling.latents import Integers, check_truncation, latents

_CHUNK = 8 * BATCH  # latents in memory at a time


def sample_images(
    generator: Generator,
    labels: Integers | None,
    seeds: Integers,
    truncation: float | None = None,
    *,
    precision: Precision = "auto",
) -> npt.NDArray[np.uint8]:
    """Generate one image per pair of a class ``labels[i]`` and a seed ``seeds[i]``.

    Args:
        generator: in any mode, on any device; its state is left as it was.
        labels: N class indices; None, or ignored, for an unconditional generator.
        seeds: N integers in [0, 2⁶³).
        truncation: see `acgan.sampling.latents.latents`.
        precision: see `acgan.sampling.forward.precision_on`.

    Returns:
        uint8 (N, C, H, W), 0 to 255.

    Raises:
        UsageError: a label, a seed or the truncation lies outside its range, or N is 0.
        DataError: the generator gives non-finite values.
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
    """Generate as `sample_images` does, at most `BATCH` at a time: memory does not grow with N."""
    if labels is None:
        if generator.conditional:
            raise ValueError("a conditional generator needs labels")
        labels = np.broadcast_to(np.int64(0), len(seeds))  # ignored
    if len(labels) != len(seeds):
        raise ValueError(f"{len(labels)} labels and {len(seeds)} seeds; give equally many")
    check_truncation(truncation)  # now, not when the first image is requested
    if not len(labels):
        raise UsageError("no image was requested; request at least one")
    if not 0 <= np.min(labels) <= np.max(labels) < generator.classes:
        raise UsageError(f"class indices must lie in 0 to {generator.classes - 1}")

    def batches() -> Iterator[Batch]:
        for start in range(0, len(labels), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            noise = latents(seeds[chunk], generator.latent_size, truncation=truncation)
            yield from _split(noise, torch.from_numpy(np.array(labels[chunk], np.int64)))

    yield from batched_forward(generator, batches(), precision)


def images_of_latents(
    generator: Generator, noise: Tensor, labels: Tensor, *, precision: Precision = "auto"
) -> npt.NDArray[np.uint8]:
    """Generate as `sample_images` does, from latents float32 (N, Z) and labels int64 (N,)."""
    return _joined(batched_forward(generator, _split(noise, labels), precision), len(labels))


def from_uint8(images: npt.NDArray[np.uint8]) -> Tensor:
    """Map 0 to 255 to [-1, 1]: x / 127.5 − 1, float32 of the same shape; inverse of `to_uint8`."""
    return torch.from_numpy(images.astype(np.float32)).div_(127.5).sub_(1)


def _joined(batches: Iterator[npt.NDArray[np.uint8]], count: int) -> npt.NDArray[np.uint8]:
    """Concatenate batches without a second copy of all images."""
    first = next(batches)
    images, done = np.empty((count, *first.shape[1:]), np.uint8), 0
    for batch in chain([first], batches):
        images[done : done + len(batch)] = batch
        done += len(batch)
    return images


def _split(noise: Tensor, labels: Tensor) -> Iterator[Batch]:
    for start in range(0, len(noise), BATCH):
        yield noise[start : start + BATCH], labels[start : start + BATCH]
