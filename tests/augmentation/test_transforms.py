"""Each change against a float64 reference written image by image, and its gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from acgan.augmentation import transforms
from acgan.augmentation.transforms import color, horizontally_flipped, shifted, with_hole

Array = npt.NDArray[np.float64]

N, H, W = 5, 6, 9
DOWN, RIGHT = torch.tensor([0, 2, -2, 1, -1]), torch.tensor([0, -3, 3, 1, -2])
REACH = (2, 3)
TOP, LEFT = torch.tensor([-2, 0, 4, 6, 1]), torch.tensor([-1, 3, 7, 0, 2])
HOLE = (3, 4)


@pytest.fixture(params=[1, 3], ids=["gray", "color"])
def images(request: pytest.FixtureRequest) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(N, request.param, H, W, dtype=torch.float64)


@pytest.fixture
def numbers() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    b, s, c = torch.rand(3, N, dtype=torch.float64).unbind()
    return b - 0.5, 2 * s, c + 0.5


def recolored(image: Array, b: float, s: float, c: float) -> Array:
    """The three of DiffAugment, one after the other, as its appendix has them."""
    image = image + b
    gray = image.mean(axis=0, keepdims=True)
    image = (image - gray) * s + gray
    mean = float(image.mean())
    return np.asarray((image - mean) * c + mean)


def moved(image: Array, down: int, right: int) -> Array:
    result = np.zeros_like(image)
    for y in range(H):
        for x in range(W):
            if 0 <= y - down < H and 0 <= x - right < W:
                result[:, y, x] = image[:, y - down, x - right]
    return result


def holed(image: Array, top: int, left: int) -> Array:
    result = image.copy()
    for y in range(H):
        for x in range(W):
            if top <= y < top + HOLE[0] and left <= x < left + HOLE[1]:
                result[:, y, x] = 0
    return result


def test_color_is_brightness_then_saturation_then_contrast(
    images: Tensor, numbers: tuple[Tensor, Tensor, Tensor]
) -> None:
    expected = [
        recolored(image, *(each[i].item() for each in numbers))
        for i, image in enumerate(images.numpy())
    ]
    np.testing.assert_allclose(color(images, *numbers), np.stack(expected), rtol=1e-12)


def test_the_order_of_the_three_matters_so_the_reference_can_tell() -> None:
    """Brightness after contrast is no brightness times contrast; saturation is seen in color."""
    image = np.random.default_rng(0).normal(size=(3, H, W))
    assert not np.allclose(recolored(image, 0.3, 1, 0.5), recolored(image, 0.3, 0.2, 0.5))
    assert not np.allclose(recolored(image, 0.3, 1, 0.5), recolored(image, 0.1, 1, 0.5))


def test_gray_images_have_nothing_to_saturate(numbers: tuple[Tensor, Tensor, Tensor]) -> None:
    b, s, c = numbers
    gray = torch.randn(N, 1, H, W, dtype=torch.float64)
    assert torch.equal(color(gray, b, s, c), color(gray, b, torch.zeros_like(s), c))
    in_color = torch.randn(N, 3, H, W, dtype=torch.float64)
    assert not torch.equal(color(in_color, b, s, c), color(in_color, b, torch.zeros_like(s), c))


def test_a_shift_moves_whole_pixels_and_the_middle_comes_in(images: Tensor) -> None:
    expected = [moved(image, int(DOWN[i]), int(RIGHT[i])) for i, image in enumerate(images.numpy())]
    assert np.array_equal(shifted(images, DOWN, RIGHT, REACH), np.stack(expected))


def test_a_mirrored_border_comes_in_where_that_is_asked_for(images: Tensor) -> None:
    expected = []
    for image, down, right in zip(images.numpy(), DOWN.tolist(), RIGHT.tolist(), strict=True):
        framed = np.pad(image, ((0, 0), (2, 2), (3, 3)), mode="reflect")
        expected.append(framed[:, 2 - down : 2 - down + H, 3 - right : 3 - right + W])
    assert np.array_equal(shifted(images, DOWN, RIGHT, REACH, "reflect"), np.stack(expected))


def test_a_shift_by_nothing_needs_no_border(images: Tensor) -> None:
    none = torch.zeros_like(DOWN)
    assert torch.equal(shifted(images, none, none, (0, 0), "reflect"), images)


def test_a_hole_is_cut_off_at_the_border(images: Tensor) -> None:
    expected = [holed(image, int(TOP[i]), int(LEFT[i])) for i, image in enumerate(images.numpy())]
    assert np.array_equal(with_hole(images, TOP, LEFT, HOLE), np.stack(expected))


def test_the_chosen_are_mirrored(images: Tensor) -> None:
    chosen = torch.tensor([True, False, True, True, False])
    found = horizontally_flipped(images, chosen)
    for i, image in enumerate(images):
        assert torch.equal(found[i], image[:, :, list(range(W))[::-1]] if chosen[i] else image)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "color": lambda x: color(
        x,
        *(torch.linspace(a, b, len(x), dtype=x.dtype) for a, b in ((-0.5, 0.5), (0, 2), (0.5, 1))),
    ),
    "shift": lambda x: shifted(x, DOWN, RIGHT, REACH),
    "shift, reflected": lambda x: shifted(x, DOWN, RIGHT, REACH, "reflect"),
    "hole": lambda x: with_hole(x, TOP, LEFT, HOLE),
    "mirror": lambda x: horizontally_flipped(x, torch.arange(len(x)) % 2 == 0),
}


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> Callable[[Tensor], Tensor]:
    return CHANGES[request.param]


def test_gradients_are_differences_once_and_twice(
    change: Callable[[Tensor], Tensor], images: Tensor
) -> None:
    leaf = images[:, :, :4, :5].clone().requires_grad_()
    assert torch.autograd.gradcheck(change, leaf, fast_mode=True)
    # Of a linear map the second derivative is 0; squared, there is one to be wrong about.
    assert torch.autograd.gradgradcheck(lambda x: change(x).square(), leaf, fast_mode=True)


@pytest.mark.slow
def test_a_gradient_that_is_shifted_the_wrong_way_is_found(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(ctx: object, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return shifted(gradient, DOWN, RIGHT, REACH), None, None, None

    monkeypatch.setattr(transforms._Shift, "backward", staticmethod(wrong))
    leaf = images.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(CHANGES["shift"], leaf, fast_mode=True)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layout_and_dtype_stay_and_so_does_the_caller_s_tensor(
    change: Callable[[Tensor], Tensor], layout: torch.memory_format
) -> None:
    images = torch.randn(N, 3, H, W).to(memory_format=layout)
    before = images.clone()
    found = change(images)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=layout)
    assert torch.equal(images, before)
    other = change(images.contiguous())
    torch.testing.assert_close(found, other, rtol=1e-6, atol=1e-6)
