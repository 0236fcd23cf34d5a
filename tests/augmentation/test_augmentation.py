"""What is drawn for an image, and that nothing else changes it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from acgan.augmentation.augmentation import (
    TRANSFORMS,
    Augmentation,
    AugmentationConfig,
    Transform,
    TransformName,
)

N = 4000


def of(*names: TransformName, **values: object) -> Augmentation:
    return Augmentation(AugmentationConfig.model_validate({"policy": names, **values}))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=TRANSFORMS)
def name(request: pytest.FixtureRequest) -> TransformName:
    chosen: TransformName = request.param
    return chosen


@pytest.fixture
def family(name: TransformName) -> Transform:
    return TRANSFORMS[name]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_is_off_stays_bit_for_bit_and_what_is_on_changes(
    family: Transform, channels: int, layout: torch.memory_format
) -> None:
    images = torch.rand(64, channels, 12, 16).to(memory_format=layout) * 2 - 1
    on = torch.arange(64) % 2 == 0
    # 0.999: no number that happens to be neutral, not even a shift by none
    found = family.apply(images, torch.full((64, family.numbers), 0.999), on)
    assert torch.equal(found[~on], images[~on])
    assert all(not torch.equal(a, b) for a, b in zip(found[on], images[on], strict=True))
    assert found.is_contiguous(memory_format=layout)


def test_an_image_is_changed_with_the_probability_by_a_coin_of_its_own(name: TransformName) -> None:
    images = torch.rand(N, 1, 8, 8) + 1
    found = of(name, probability=0.3)(images, seeded())
    share = (found != images).flatten(1).any(1).double().mean().item()
    # a shift by at most one pixel each way is none in one case of nine
    neutral = 1 / 9 if name == "translation" else 0
    assert share == pytest.approx(0.3 * (1 - neutral), abs=0.03)


def test_every_family_tosses_its_own_coin() -> None:
    images = torch.zeros(N, 1, 8, 8)
    images[:] = torch.linspace(1, 2, 64).view(8, 8)
    found = of("color", "cutout", probability=0.5)(images, seeded())
    holed = (found == 0).flatten(1).any(1)
    recolored = (found.flatten(1) != images.flatten(1)).sum(1) > 20
    for first in (holed, ~holed):
        for second in (recolored, ~recolored):
            assert (first & second).double().mean().item() == pytest.approx(0.25, abs=0.04)


def test_all_are_changed_by_default_and_in_one_order(name: TransformName) -> None:
    assert torch.equal(
        of("cutout", "color")(torch.ones(9, 3, 8, 8), seeded()),
        of("color", "cutout")(torch.ones(9, 3, 8, 8), seeded()),
    )
    # The hole comes last, so it is not recolored.
    assert (of("color", "cutout")(torch.ones(99, 3, 8, 8), seeded()) == 0).any()


def test_shifts_reach_an_eighth_and_are_equally_likely() -> None:
    """One bright pixel in the middle of 16 × 24 shows where it went: 5 rows by 7 columns."""
    images = torch.zeros(35 * 400, 1, 16, 24)
    images[:, :, 8, 12] = 1
    found = of("translation")(images, seeded())
    places = found[:, 0].flatten(1).argmax(1)
    rows, columns = places // 24 - 8, places % 24 - 12
    assert (rows.min().item(), rows.max().item()) == (-2, 2)
    assert (columns.min().item(), columns.max().item()) == (-3, 3)
    counts = torch.bincount((rows + 2) * 7 + columns + 3, minlength=35)
    assert ((counts - 400).abs() < 5 * 400**0.5).all()


def test_a_border_is_obeyed() -> None:
    """Of images of ones only zeros that come in can change anything."""
    ones = torch.ones(99, 1, 16, 16)
    assert (of("translation")(ones, seeded()) == 0).any()
    config = AugmentationConfig(policy=("translation",), border="reflect")
    assert torch.equal(Augmentation(config)(ones, seeded()), ones)


def test_holes_are_half_the_sides_and_lie_anywhere() -> None:
    found = of("cutout")(torch.ones(N, 1, 8, 12), seeded())[:, 0] == 0
    rows, columns = found.any(2).sum(1), found.any(1).sum(1)
    # middles lie on every one of the 9 and of the 13 places between pixels: 2 … 4 rows, 3 … 6
    assert (rows.min().item(), rows.max().item()) == (2, 4)
    assert (columns.min().item(), columns.max().item()) == (3, 6)
    assert found.any(0).all()
    assert (rows == 4).double().mean().item() == pytest.approx(5 / 9, abs=0.04)


def test_colors_change_by_no_more_than_documented() -> None:
    """A white square on black: its mean tells the brightness, its range the contrast."""
    images = torch.zeros(N, 1, 8, 8)
    images[:, :, 2:6, 2:6] = 1
    found = of("color")(images, seeded())
    brightness = found.mean((1, 2, 3)) - 0.25
    contrast = found.amax((1, 2, 3)) - found.amin((1, 2, 3))
    for values, low, high in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5)):
        assert low - 1e-5 <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high + 1e-5
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.02)


def test_saturation_goes_from_none_to_twice() -> None:
    images = torch.zeros(N, 3, 4, 4)
    images[:, 0] = 0.75  # the channels differ by 3/4, times contrast times saturation
    found = of("color")(images, seeded())
    spread = (found[:, 0] - found[:, 1])[:, 0, 0] / 0.75
    assert 0 <= spread.min() < 0.01
    assert 2.5 < spread.max() <= 3
    assert spread.mean().item() == pytest.approx(1, abs=0.03)


def test_it_is_a_pure_function_of_images_and_generator() -> None:
    images, augmentation = torch.rand(8, 3, 8, 8), of("color", "translation", noise=0.1)
    torch.manual_seed(1)
    first = augmentation(images, seeded())
    state = torch.get_rng_state()
    assert torch.equal(augmentation(images, seeded()), first)
    assert torch.equal(torch.get_rng_state(), state), "torch's global generator is left alone"
    assert not torch.equal(augmentation(images, seeded(1)), first)


def test_noise_has_its_deviation() -> None:
    found = of(noise=0.2)(torch.full((500, 1, 8, 8), 0.5), seeded())
    assert found.mean().item() == pytest.approx(0.5, abs=0.01)
    assert found.std().item() == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_flow_to_the_images_whatever_they_are_computed_in(dtype: torch.dtype) -> None:
    images = torch.rand(16, 3, 8, 8).to(dtype).requires_grad_()
    found = of(*TRANSFORMS)(images, seeded())
    assert found.dtype == torch.float32
    found.square().sum().backward()
    gradient: Tensor | None = images.grad
    assert gradient is not None
    assert gradient.dtype == dtype
    assert (gradient.flatten(1) != 0).any(1).all(), "something of every image is still seen"


def test_a_fixed_probability_is_no_state_and_says_nothing() -> None:
    augmentation = of("color", probability=0.5)
    assert not augmentation.state_dict()
    augmentation.update(torch.ones(3), step=3)
    assert augmentation.statistics() == {}


def test_an_adaptive_one_starts_where_it_is_told_and_is_obeyed() -> None:
    images = torch.rand(64, 1, 8, 8)
    augmentation = of("color", adaptive=True, target=0.0, adjustment_images=4)
    assert torch.equal(augmentation(images, seeded()), images)
    for step in range(4):
        augmentation.update(torch.ones(1), step)
    assert augmentation.statistics() == {"probability": 1.0, "overfitting": 1.0}
    assert (augmentation(images, seeded()) != images).flatten(1).any(1).all()
    started = of("color", adaptive=True, probability=0.25)
    assert started.statistics()["probability"] == 0.25
