from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_msssim import ms_ssim as their_ms_ssim

from acgan.metrics.ms_ssim import SsimScales, mean_ms_ssim, ms_ssim, random_pairs, ssim_scales

Images = npt.NDArray[np.uint8]
PUBLISHED = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def alike(shape: tuple[int, ...], seed: int = 0) -> tuple[Images, Images]:
    """Smooth random images, and the same with noise."""
    random = np.random.default_rng(seed)
    image = random.uniform(0, 255, shape)
    for axis in (2, 3):
        image = (image + np.roll(image, 1, axis) + np.roll(image, 2, axis)) / 3
    noisy = np.clip(image + random.normal(0, 25, shape), 0, 255)
    return image.astype(np.uint8), noisy.astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(176, 176), (256, 256), (161, 177), (200, 163)])
def test_equals_pytorch_msssim_where_that_can_be_asked(
    size: tuple[int, int], channels: int
) -> None:
    a, b = alike((2, channels, *size))
    theirs = their_ms_ssim(
        torch.from_numpy(a).double(), torch.from_numpy(b).double(), size_average=False
    )
    # Its window is float32, ours float64: hence the tolerance.
    np.testing.assert_allclose(ms_ssim(a, b), theirs.numpy(), atol=2e-6)
    assert ssim_scales(*size) == SsimScales(PUBLISHED, 11)


def test_two_scales_are_the_formula_written_out() -> None:
    a, b = alike((1, 1, 22, 24))
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def terms(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
        structures, products = [], []
        for top in range(x.shape[0] - 10):
            for left in range(x.shape[1] - 10):
                p = x[top : top + 11, left : left + 11]
                q = y[top : top + 11, left : left + 11]
                mean_p, mean_q = (window * p).sum(), (window * q).sum()
                var_p = (window * (p - mean_p) ** 2).sum()
                var_q = (window * (q - mean_q) ** 2).sum()
                cov = (window * (p - mean_p) * (q - mean_q)).sum()
                c1, c2 = 2.55**2, 7.65**2
                structure = (2 * cov + c2) / (var_p + var_q + c2)
                light = (2 * mean_p * mean_q + c1) / (mean_p**2 + mean_q**2 + c1)
                structures.append(structure)
                products.append(structure * light)
        return float(np.mean(structures)), float(np.mean(products))

    fine = terms(a[0, 0].astype(float), b[0, 0].astype(float))[0]
    halves = [each[0, 0].astype(float).reshape(11, 2, 12, 2).mean(axis=(1, 3)) for each in (a, b)]
    coarse = terms(*halves)[1]
    first, second = 0.0448 / 0.3304, 0.2856 / 0.3304
    assert ms_ssim(a, b)[0] == pytest.approx(fine**first * coarse**second, rel=1e-9)


def test_equal_images_have_one_and_opposite_ones_none() -> None:
    image, _ = alike((3, 3, 32, 32))
    np.testing.assert_allclose(ms_ssim(image, image), 1)
    assert (ms_ssim(image, 255 - image) == 0).all()


def test_every_pair_has_its_own_value_in_whatever_company() -> None:
    a, b = alike((45, 3, 128, 128))  # more than one chunk
    together = ms_ssim(a, b)
    np.testing.assert_allclose(ms_ssim(a[43:45], b[43:45]), together[43:45], rtol=1e-12)


@pytest.mark.parametrize(
    ("side", "scales", "window"),
    [
        (1, 1, 1),
        (2, 1, 1),
        (8, 1, 7),
        (10, 1, 9),
        (11, 1, 11),
        (20, 1, 11),
        (21, 2, 11),
        (28, 2, 11),
        (64, 3, 11),
        (160, 4, 11),
        (161, 5, 11),
    ],
)
def test_small_images_have_the_scales_that_fit_and_the_name_says_so(
    side: int, scales: int, window: int
) -> None:
    found = ssim_scales(side, side + 3)
    assert (len(found.weights), found.window) == (scales, window)
    assert sum(found.weights) == pytest.approx(1, abs=1e-3)
    assert found.name == f"MS-SSIM, {scales} scale{'s' * (scales > 1)}, window {window}"
    a, b = alike((2, 1, side, side + 3))
    assert np.isfinite(ms_ssim(a, b)).all()


def test_one_image_for_a_class_has_mean_one_and_varied_images_less() -> None:
    varied, _ = alike((30, 1, 28, 28))
    assert mean_ms_ssim(np.repeat(varied[:1], 30, axis=0), pairs=50, seed=0) == pytest.approx(1)
    assert mean_ms_ssim(varied, pairs=50, seed=0) < 0.5
    assert np.isnan(mean_ms_ssim(varied[:1], pairs=50, seed=0))


@given(count=st.integers(0, 12), pairs=st.integers(0, 80), seed=st.integers(0, 5))
def test_pairs_differ_and_are_of_different_images(count: int, pairs: int, seed: int) -> None:
    first, second = random_pairs(count, pairs, seed=seed)
    drawn = list(zip(first.tolist(), second.tolist(), strict=True))
    everything = set(combinations(range(count), 2))
    assert set(drawn) <= everything
    assert len(set(drawn)) == len(drawn) == min(pairs, len(everything))


def test_pairs_of_very_many_images_are_right_too() -> None:
    count = 3_000_000
    first, second = random_pairs(count, 1000, seed=1)
    assert (first >= 0).all()
    assert (first < second).all()
    assert (second < count).all()
    assert second.max() > count // 2
    again, _ = random_pairs(count, 1000, seed=1)
    np.testing.assert_array_equal(again, first)


def test_images_of_different_shapes_are_refused() -> None:
    a, b = alike((2, 1, 28, 28))
    with pytest.raises(ValueError, match="equal shape"):
        ms_ssim(a, b[:, :, :-1])
