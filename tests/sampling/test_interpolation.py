from __future__ import annotations

import copy
import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.errors import UsageError
from acgan.networks.conditioning import ConditioningConfig
from acgan.networks.conv_generators import DeconvConfig, UpsampleConvConfig
from acgan.networks.interface import Generator
from acgan.sampling.interpolation import between_classes, interpolate, slerp
from acgan.sampling.latents import latents
from acgan.sampling.sampler import sample_images

Mode = Literal["batchnorm", "concatenate", "one-hot", "multiply"]
MODES: tuple[Mode, ...] = ("batchnorm", "concatenate", "one-hot", "multiply")


def build(mode: Mode, family: str = "deconv") -> Generator:
    torch.manual_seed(2)
    conditioning = ConditioningConfig(mode=mode)
    config = (
        DeconvConfig(latent_size=12, widths=(16, 8), conditioning=conditioning)
        if family == "deconv"
        else UpsampleConvConfig(latent_size=12, widths=(16, 8), conditioning=conditioning)
    )
    generator = config.build(ImageShape(1, 8, 8), 3).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(5)
    return generator


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", ["deconv", "upsample-conv"])
def test_the_ends_are_the_images_themselves(mode: Mode, family: str) -> None:
    generator = build(mode, family)
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    for classes, seeds in (((2, 2), (3, 4)), ((0, 2), (3, 3)), ((1, 0), (8, 9))):
        way = interpolate(generator, classes, seeds, 7)
        assert way.shape == (7, 1, 8, 8)
        ends = sample_images(generator, classes, seeds)
        assert way[0].tobytes() == ends[0].tobytes()
        assert way[-1].tobytes() == ends[1].tobytes()
        assert len({image.tobytes() for image in way}) == 7
    assert generator.classes == 3
    assert all(torch.equal(state[name], value) for name, value in generator.state_dict().items())


@pytest.mark.parametrize("mode", ["batchnorm", "concatenate", "multiply"])
def test_a_class_between_has_the_embedding_between(mode: Mode) -> None:
    generator = build(mode)
    noise = latents([0], 12)
    by_hand = copy.deepcopy(generator)
    with torch.no_grad():
        for module in by_hand.modules():
            if isinstance(module, nn.Embedding):
                module.weight[0] = 0.75 * module.weight[1] + 0.25 * module.weight[2]
        expected = by_hand(noise, torch.tensor([0]))
        blend = between_classes(generator, (1, 2), torch.tensor([0.25], dtype=torch.float64))
        torch.testing.assert_close(blend(noise, torch.tensor([0])), expected)


def test_a_class_between_has_the_one_hot_vector_between() -> None:
    generator = build("one-hot")
    seen: list[Tensor] = []
    shares = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    blend = between_classes(generator, (0, 2), shares)
    start = blend.get_submodule("start")
    start.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        blend(latents([0] * 3, 12), torch.arange(3))
    expected = torch.tensor([[1.0, 0, 0], [0.75, 0, 0.25], [0, 0, 1]])
    assert torch.equal(seen[0][:, 12:], expected)


def test_slerp_stays_on_the_sphere() -> None:
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    shares = torch.linspace(0, 1, 5, dtype=torch.float64)
    way = slerp(a, b, shares)
    assert torch.equal(way[0], a)
    assert torch.equal(way[-1], b)
    torch.testing.assert_close(way.norm(dim=1), torch.full((5,), 3.0))
    torch.testing.assert_close(way[2], torch.full((2,), 3 / math.sqrt(2)))
    torch.testing.assert_close(
        way[1], 3 * torch.tensor([math.cos(math.pi / 8), math.sin(math.pi / 8)])
    )


def test_a_straight_line_would_have_shown() -> None:
    ends = latents([0, 1], 100)
    shares = torch.tensor([0.5], dtype=torch.float64)
    on_sphere, straight = slerp(ends[0], ends[1], shares)[0], ends.mean(dim=0)
    assert on_sphere.norm() > 0.9 * ends.norm(dim=1).min()
    assert straight.norm() < 0.8 * ends.norm(dim=1).min()


@pytest.mark.parametrize(("first", "last"), [(2.0, 2.0), (1.0, 3.0), (-1.0, 1.0)])
def test_parallel_latents_go_straight(first: float, last: float) -> None:
    shares = torch.tensor([0, 0.5, 1], dtype=torch.float64)
    way = slerp(torch.tensor([first]), torch.tensor([last]), shares)
    assert way[:, 0].tolist() == pytest.approx([first, (first + last) / 2, last])


def test_truncation_reaches_both_ends() -> None:
    generator = build("batchnorm")
    way = interpolate(generator, (0, 0), (1, 2), 2, truncation=0.5)
    np.testing.assert_array_equal(way, sample_images(generator, [0, 0], [1, 2], 0.5))


@pytest.mark.parametrize(
    ("classes", "seeds", "steps", "sentence"),
    [
        ((0, 3), (0, 0), 5, "class indices must lie in 0 to 2"),
        ((-1, 0), (0, 0), 5, "class indices must lie in 0 to 2"),
        ((0, 1), (0, -2), 5, "seed must be"),
        ((0, 1), (0, 0), 1, "steps must be from 2"),
        ((0, 1), (0, 0), 1001, "steps must be from 2"),
    ],
)
def test_wrong_requests_are_refused(
    classes: tuple[int, int], seeds: tuple[int, int], steps: int, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        interpolate(build("batchnorm"), classes, seeds, steps)
