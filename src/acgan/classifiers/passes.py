"""Answers in passes of one fixed size, so that an answer is a function of its image alone.

Which network answers, and how it wants its images, is for the extractors to say.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from acgan.classifiers.extractor import Answers, Progress
from acgan.data.images import Images
from acgan.errors import DataError

Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
"""uint8 (B, C, H, W) to float32 logits (B, K) and features (B, F)."""


def answers_in_passes(
    images: Images,
    forward: Forward,
    *,
    batch: int,
    classes: int,
    features: int,
    progress: Progress | None = None,
) -> Answers:
    """What ``forward`` says of images, asked about exactly ``batch`` of them at a time.

    The last pass is filled up with black images: kernels are chosen by the shape of their input,
    so passes of one shape give each image the same bits wherever it stands.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3; N may be 0.
        forward: called without gradients.
        batch: images a pass.
        classes: K, logits an image.
        features: F, features an image.
        progress: called after each pass.

    Raises:
        DataError: the images are neither grey nor RGB, or no uint8 array of this form.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3):
        raise DataError(
            "an extractor reads uint8 images (N, C, H, W) with one channel (grey) or three (RGB), "
            f"these are {images.dtype} {images.shape}; convert them first"
        )
    answers = Answers(
        np.empty((len(images), classes), np.float32), np.empty((len(images), features), np.float32)
    )
    for start in range(0, len(images), batch):
        chunk = images[start : start + batch]
        padded = np.zeros((batch, *images.shape[1:]), np.uint8)
        padded[: len(chunk)] = chunk
        with torch.inference_mode():
            logits, pooled = forward(torch.from_numpy(padded))
        answers.logits[start : start + batch] = logits[: len(chunk)].numpy()
        answers.features[start : start + batch] = pooled[: len(chunk)].numpy()
        if progress is not None:
            progress(start + len(chunk), len(images))
    return answers
