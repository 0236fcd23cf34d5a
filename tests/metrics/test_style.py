from __future__ import annotations

import itertools

import numpy as np
import pytest

from acgan.data.images import Images
from acgan.metrics.style import style_consistency, style_statistics


def strokes(count: int, classes: int, *, share: float, seed: int = 0) -> Images:
    """Bars, each class at its place; a ``share`` of brightness and shear is the seed's alone."""
    random = np.random.default_rng(seed)
    common, own = random.normal(size=(2, count, 1)), random.normal(size=(2, count, classes))
    light, shear = np.sqrt(share) * common + np.sqrt(1 - share) * own
    rows, columns = np.mgrid[:20, :20]
    images = np.zeros((count, classes, 1, 20, 20))
    for i, k in itertools.product(range(count), range(classes)):
        middle = 6 + 8 * k / classes - 0.12 * shear[i, k] * (rows - 9.5)
        bar = np.exp(-np.square(columns - middle) / 2) * (np.abs(rows - 9.5) < 7)
        images[i, k, 0] = bar * (150 + 25 * light[i, k])
    return images.clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_it_is_the_share_that_the_seed_explains(share: float) -> None:
    kept = style_consistency(strokes(200, 4, share=share), seed=0)
    assert dict(zip(kept.names, kept.correlations, strict=True))["slant"] == pytest.approx(
        share, abs=0.12
    )
    assert kept.mean == pytest.approx(share, abs=0.12)


def test_it_is_the_mean_correlation_of_every_two_classes() -> None:
    images = strokes(50, 5, share=0.6)
    _, flat = style_statistics(images.reshape(-1, 1, 20, 20))
    table = flat.reshape(50, 5, -1)
    for index, found in enumerate(style_consistency(images, seed=0).correlations):
        pairs = itertools.combinations(range(5), 2)
        each = [np.corrcoef(table[:, a, index], table[:, b, index])[0, 1] for a, b in pairs]
        assert found == pytest.approx(np.mean(each), abs=1e-9)


def test_shuffles_say_what_chance_gives() -> None:
    lost = style_consistency(strokes(60, 4, share=0.0, seed=5), seed=0)
    assert (lost.shuffled > 0.02).all()
    assert (lost.shuffled < 0.2).all()
    kept = style_consistency(strokes(60, 4, share=1.0), seed=0)
    assert (kept.correlations > kept.shuffled).all()


def test_what_the_class_decides_is_no_style() -> None:
    """Every class has a brightness of its own, the same for each seed; noise is all that varies."""
    random = np.random.default_rng(0)
    images = np.broadcast_to(np.array([40, 120, 200])[None, :, None, None, None], (80, 3, 1, 8, 8))
    noisy = (images + random.normal(0, 5, images.shape)).round().astype(np.uint8)
    assert abs(style_consistency(noisy, seed=0).mean) < 0.1


def test_images_that_do_not_vary_have_no_style() -> None:
    kept = style_consistency(np.full((20, 3, 1, 8, 8), 9, np.uint8), seed=0)
    assert np.isnan(kept.correlations).all()
    assert np.isnan(kept.mean)


def test_slant_is_pixels_to_the_left_for_each_down() -> None:
    image = np.zeros((3, 1, 21, 21), np.uint8)
    for y in range(2, 19):
        image[0, 0, y, 20 - y] = 255  # like a slash: 45°
        image[1, 0, y, 10] = 255
        image[2, 0, y, y] = 255
    names, values = style_statistics(image)
    assert values[:, names.index("slant")].tolist() == pytest.approx([1.0, 0.0, -1.0])
    _, inverted = style_statistics(255 - image)
    np.testing.assert_allclose(inverted[:, 2], values[:, 2], atol=1e-9)


def test_warmth_is_red_above_blue() -> None:
    image = np.zeros((2, 3, 6, 6), np.uint8)
    image[0, 0], image[1, 2] = 200, 100
    names, values = style_statistics(image)
    assert names == ("brightness", "contrast", "warmth")
    assert values[:, 2].tolist() == [200.0, -100.0]


def test_it_takes_ten_seeds() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        style_consistency(np.zeros((9, 2, 1, 8, 8), np.uint8), seed=0)
