from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.interface import Heads

Config = DeconvConfig | UpsampleConvConfig | ConvStackConfig

DEEP = ConvStackConfig(layers=tuple(ConvLayerConfig(width=4, kernel=4, stride=2) for _ in range(4)))


@pytest.mark.parametrize(
    ("config", "side", "sentence"),
    [
        (
            UpsampleConvConfig(),
            (30, 30),
            "30×30 cannot be built by 2 doublings; 28×28 and 32×32 can: choose such a size "
            "with --image-size, or a generator with fewer stages",
        ),
        (DeconvConfig(), (30, 28), "28×28 and 32×28 can"),
        (DeconvConfig(), (3, 28), "3×28 cannot be built by 2 doublings; 4×28 can"),
        (
            DeconvConfig(to_image="deconv"),
            (28, 28),
            "cannot be built by 3 doublings; 24×24 and 32×32 can",
        ),
        (UpsampleConvConfig(widths=(8, 8)), (7, 7), "by 1 doubling; 6×6 and 8×8 can"),
        (
            DEEP,
            (15, 64),
            "15×64 is too small for the discriminator's convolutions; images of 16×16",
        ),
        (
            ConvStackConfig(unshuffle=4, layers=(ConvLayerConfig(width=4),)),
            (30, 28),
            "30×28 cannot be cut into squares of 4×4 pixels; 28×28 and 32×28 can",
        ),
        (
            DeconvConfig(to_image="shuffle"),
            (28, 28),
            "cannot be built by 3 doublings; 24×24 and 32×32 can",
        ),
        (
            ConvStackConfig(layers=(ConvLayerConfig(width=4, kernel=2),)),
            (1, 1),
            "images of 2×2 or larger work",
        ),
    ],
)
def test_the_refusal_names_the_sizes_that_work(
    config: Config, side: tuple[int, int], sentence: str
) -> None:
    shape = ImageShape(1, *side)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        config.check_shape(shape)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        _build(config, shape)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4))
def test_sizes_named_in_a_refusal_can_be_built(height: int, width: int, stages: int) -> None:
    config = DeconvConfig(widths=(2,) * stages, to_image="deconv")
    try:
        config.check_shape(ImageShape(1, height, width))
    except UsageError as error:
        named = re.findall(r"(\d+)×(\d+)", str(error).partition(";")[2])
        assert named
        for a, b in named:
            config.check_shape(ImageShape(1, int(a), int(b)))


def test_the_smallest_size_named_for_a_discriminator_works_and_one_less_does_not() -> None:
    torch.manual_seed(0)
    DEEP.build(ImageShape(1, 16, 16), 2, Heads()).eval()(torch.zeros(1, 1, 16, 16))
    with pytest.raises(UsageError):
        DEEP.check_shape(ImageShape(1, 16, 15))


def test_no_class_is_refused_and_one_class_is_not() -> None:
    shape = ImageShape(1, 8, 8)
    for classes, refused in ((0, True), (1, False)):
        for build in (
            lambda k: DeconvConfig(widths=(4, 4)).build(shape, k),
            lambda k: ConvStackConfig().build(shape, k, Heads()),
        ):
            if refused:
                with pytest.raises(UsageError, match="at least one"):
                    build(classes)
            else:
                build(classes)


def _build(config: Config, shape: ImageShape) -> nn.Module:
    if isinstance(config, ConvStackConfig):
        return config.build(shape, 2, Heads())
    return config.build(shape, 2)
