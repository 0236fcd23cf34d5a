"""What the judge is and how it is fitted, chosen from the data's kind and size."""

from __future__ import annotations

from acgan.backbones.judge_network import JudgeNetworkConfig, PooledNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.config import Config
from acgan.data.images import LabelledImages


class JudgeConfig(Config):
    """What the judge is and how it is fitted; with a seed and data it determines the judge."""

    network: JudgeNetworkConfig | PooledNetworkConfig
    fit: FitConfig


def judge_config(train: LabelledImages, *, flip: bool, images: int | None = None) -> JudgeConfig:
    """The judge's configuration for some data.

    Three kinds of image are told apart: glyphs (grey, not to be mirrored), grey pictures of
    things, and colour pictures, which take larger networks and longer fits in this order.

    Args:
        train: the training part.
        flip: whether a mirrored image is of the same class: yes for photographs and clothes, no
            for digits and letters.
        images: the budget; None for 20 rounds of the training part, but at least 60 000 images
            and at most 300 000 glyphs, 400 000 grey or 450 000 colour pictures.
    """
    grey = train.shape.channels == 1
    glyphs = grey and not flip
    most = 300_000 if glyphs else 400_000 if grey else 450_000
    return JudgeConfig(
        network=JudgeNetworkConfig(stem=32, stages=(32, 64, 128) if glyphs else (64, 128, 256))
        if grey
        else PooledNetworkConfig(components=12, stages=(64, 256, 256)),
        fit=FitConfig(
            flip=flip,
            images=min(max(20 * len(train), 60_000), most) if images is None else images,
            optimizer="sgd-nesterov",
            peak_rate=0.1,
            weight_decay=5e-4,
            label_smoothing=0.1,
            shift_pixels=2,
        ),
    )
