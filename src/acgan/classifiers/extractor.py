"""The seam of every measure: what a network says of images, as logits and as features.

Answers in passes of one fixed size, so that an answer is a function of its image alone.

Which network answers, and how it wants its images, is for the extractors to say.

Weights from files that a person can hand over: read without running what they hold, and hashed.

Networks and what their weights are called are described elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

import numpy as np
import torch
from torch import Tensor

from acgan.data.images import Images
from acgan.errors import DataError
from acgan.execution.progress import Progress
from acgan.metrics.arrays import Float32Array


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """What an extractor says of N images.

    Attributes:
        logits: float32 (N, K), unnormalized, over the classes that the extractor knows.
        features: float32 (N, F), in which distances are measured.
    """

    logits: Float32Array
    features: Float32Array


class Extractor(Protocol):
    """A fixed network that looks at images, each on its own.

    Answers are functions of the one image: neither the other images nor their number change them.
    """

    @property
    def name(self) -> str:
        """Part of every figure's name: ``reference-classifier``, ``efficientnet-lite0-128px``."""

    @property
    def resize_rule(self) -> str:
        """How images of another size are brought to the network's own, in words."""

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Logits and features of uint8 images (N, C, H, W), C 1 or 3.

        Raises:
            DataError: it cannot read images of this size or these channels.
        """

    def weights_hash(self) -> str:
        """SHA-256 over its weights: equal networks, equal hash."""


Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
"""uint8 (B, C, H, W) to float32 logits (B, K) and features (B, F)."""


def predict_in_batches(
    images: Images,
    forward: Forward,
    *,
    batch: int,
    classes: int,
    features: int,
    progress: Progress | None = None,
) -> Predictions:
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
        DataError: the images are neither gray nor RGB, or no uint8 array of this form.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3):
        raise DataError(
            "an extractor reads uint8 images (N, C, H, W) with one channel (gray) or three (RGB), "
            f"these are {images.dtype} {images.shape}; convert them first"
        )
    predictions = Predictions(
        np.empty((len(images), classes), np.float32), np.empty((len(images), features), np.float32)
    )
    for start in range(0, len(images), batch):
        chunk = images[start : start + batch]
        padded = np.zeros((batch, *images.shape[1:]), np.uint8)
        padded[: len(chunk)] = chunk
        with torch.inference_mode():
            logits, pooled = forward(torch.from_numpy(padded))
        predictions.logits[start : start + batch] = logits[: len(chunk)].numpy()
        predictions.features[start : start + batch] = pooled[: len(chunk)].numpy()
        if progress is not None:
            progress(start + len(chunk), len(images))
    return predictions


def load_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a ``torch.save`` file, on the CPU.

    The file is unpickled with ``weights_only=True``: nothing in it is executed.

    Raises:
        DataError: there is no such file, it holds anything but named tensors, or a weight is not
            a finite number.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"there is no weights file {path}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(
            f"{path} is damaged or holds more than weights ({type(error).__name__}); "
            "fetch it again from where it came from"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise DataError(f"{path} holds no weights by name; give a file of a state dict")
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise DataError(
            f"{path} is damaged: {broken[0]} holds values that are not finite; "
            "fetch it again from where it came from"
        )
    return dict(state)


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and values: equal weights, equal hash."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
