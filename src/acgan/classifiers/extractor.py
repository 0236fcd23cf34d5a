"""Feature extractors: fixed networks that turn images into logits and features.

The protocol, the registry of pretrained extractors, and what all of them share: forward passes of
one fixed batch size, safe reading of weights files, and a hash over weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, final

import numpy as np
import torch
from torch import Tensor, nn

from acgan.data.images import Images
from acgan.errors import DataError, counted
from acgan.execution.progress import Progress
from acgan.metrics.arrays import Float32Array
from acgan.registry import Registry


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """Outputs of a network for N images; metrics may rely on them being finite.

    Attributes:
        logits: float32 (N, K), unnormalized scores of the extractor's own K classes.
        features: float32 (N, F), the space in which distances are measured.

    Raises:
        DataError: a value is infinite or NaN.
    """

    logits: Float32Array
    features: Float32Array

    def __post_init__(self) -> None:
        for name, values in (("logits", self.logits), ("features", self.features)):
            if broken := int((~np.isfinite(values)).any(axis=1).sum()):
                raise DataError(
                    f"a network gave infinite or NaN {name} for {broken:,} of "
                    f"{counted(len(values), 'image')}; its weights are damaged: use another "
                    "checkpoint, or fit or download the network again"
                )


class Extractor(Protocol):
    """A fixed network that maps each image to logits and features.

    The outputs for an image depend on that image alone, not on the others or on their number.
    """

    @property
    def name(self) -> str:
        """Part of every metric's name, such as ``reference-classifier``."""

    @property
    def resize_rule(self) -> str:
        """Description of how images of another size are resized to the network's input size."""

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Return logits and features of uint8 images (N, C, H, W); C is 1 or 3.

        Raises:
            DataError: the extractor does not support this image size or number of channels.
        """

    def weights_hash(self) -> str:
        """Return the SHA-256 over the weights: equal networks, equal hash."""


ExtractorBuilder = Callable[[Path | None], Extractor]
"""From a file of weights for ``inception`` (None: the usual place) to an extractor."""

EXTRACTORS: Registry[ExtractorBuilder] = Registry(
    "extractor", ("acgan.classifiers.efficientnet_lite0", "acgan.classifiers.inception")
)


def build_extractor(name: str, *, inception_weights: Path | None = None) -> Extractor:
    """Build a pretrained extractor; a reference classifier is fitted to the data instead.

    Args:
        name: a name in `EXTRACTORS`: ``efficientnet-lite0`` or ``inception``.
        inception_weights: file of Inception's weights; None to search for it or download it.
            Other extractors ignore it.

    Raises:
        UsageError: there is no extractor of that name.
        DataError: the weights are missing or damaged.
    """
    return EXTRACTORS[name](inception_weights)


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
    """Apply ``forward`` to batches of exactly ``batch`` images.

    The last batch is padded with black images. Kernels are chosen by the shape of their input, so
    batches of one shape give an image the same bits at every position.

    Args:
        images: uint8 (N, C, H, W); C is 1 or 3, N may be 0.
        forward: called without gradients.
        batch: images per forward pass.
        classes: K, the number of logits.
        features: F, the number of features.
        progress: called after each batch.

    Raises:
        DataError: the array is not uint8 of this shape, or an output is not finite.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3):
        raise DataError(
            "an extractor takes uint8 images (N, C, H, W) with 1 channel (gray) or 3 (RGB), "
            f"but these are {images.dtype} {images.shape}; convert them first"
        )
    all_logits = np.empty((len(images), classes), np.float32)
    all_features = np.empty((len(images), features), np.float32)
    for start in range(0, len(images), batch):
        chunk = images[start : start + batch]
        padded = np.zeros((batch, *images.shape[1:]), np.uint8)
        padded[: len(chunk)] = chunk
        with torch.inference_mode():
            logits, pooled = forward(torch.from_numpy(padded))
        all_logits[start : start + batch] = logits[: len(chunk)].numpy()
        all_features[start : start + batch] = pooled[: len(chunk)].numpy()
        if progress is not None:
            progress(start + len(chunk), len(images))
    return Predictions(all_logits, all_features)


@final
@dataclass(frozen=True, eq=False)
class PretrainedExtractor:
    """A pretrained network, in float32 on the CPU, as an `Extractor`.

    Attributes:
        name: its name in `EXTRACTORS`.
        resize_rule: see `Extractor`.
        network: in eval mode.
        forward: from images to the outputs of ``network``.
        batch: images per forward pass.
        classes: K, the number of logits.
        features: F, the number of features.
    """

    name: str
    resize_rule: str
    network: nn.Module
    forward: Forward
    batch: int
    classes: int
    features: int

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """See `Extractor.predict`."""
        sizes = {"batch": self.batch, "classes": self.classes, "features": self.features}
        return predict_in_batches(images, self.forward, **sizes, progress=progress)

    def weights_hash(self) -> str:
        """See `Extractor.weights_hash`; computed once."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return hash_weights(self.network.state_dict())


def load_weights(path: Path) -> dict[str, Tensor]:
    """Return the named tensors of a ``torch.save`` file, on the CPU.

    The file is unpickled with ``weights_only=True``, so no code in it is executed.

    Raises:
        DataError: the file is missing, holds anything but named tensors, or holds a weight that
            is not finite.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"no weights file {path}; check the path") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(
            f"{path} is damaged or holds more than weights ({type(error).__name__}); "
            "download it again"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise DataError(f"{path} does not hold named weights; give a file with a state dict")
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise DataError(
            f"{path} is damaged: {broken[0]} has values that are not finite; download it again"
        )
    return dict(state)


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, dtypes, shapes and values: equal weights, equal hash."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
