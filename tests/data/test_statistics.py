from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images
from acgan.data.load import load_data
from acgan.data.resize import resize_array
from acgan.data.statistics import ImageStatistics, fit_statistics


@pytest.fixture(scope="module")
def digits() -> DatasetSplits:
    return load_data(DataConfig(source="digits"))


def random_images(count: int, *shape: int, most: int = 255) -> Images:
    return np.random.default_rng(0).integers(0, most + 1, (count, *shape)).astype(np.uint8)


def resized(images: Images, side: int) -> Images:
    return resize_array(np.ascontiguousarray(images), (side, side))


CHANGES: dict[str, Callable[[Images], Images]] = {
    "inverted": lambda images: 255 - images,
    "faint": lambda images: images // 4 + 96,
    "noise": lambda _: random_images(100, 1, 28, 28),
    "dim noise": lambda _: random_images(100, 1, 28, 28, most=60),
    "black": np.zeros_like,
    "white": lambda images: np.full_like(images, 255),
    "smooth": lambda _: resized(random_images(50, 1, 5, 5), 28),
    "enlarged": lambda images: resized(resized(images, 7), 28),
    "cropped": lambda images: resized(images[..., 7:21, 7:21], 28),
    "small": lambda images: np.pad(resized(images, 10), ((0, 0), (0, 0), (9, 9), (9, 9))),
}


def test_real_images_rarely_raise_the_alarm(digits: DatasetSplits) -> None:
    assert (digits.statistics.distances(digits.test.images) > 1).mean() <= 0.02


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_are_found(digits: DatasetSplits, change: str) -> None:
    distances = digits.statistics.distances(CHANGES[change](digits.test.images[:100]))
    assert (distances > 1).mean() >= 0.95


def test_the_negative_of_a_negative_fits(digits: DatasetSplits) -> None:
    images = digits.test.images
    own, negative = digits.statistics.distances(images), digits.statistics.distances(255 - images)
    assert (own < negative / 2).all()


def test_statistics_survive_their_arrays(digits: DatasetSplits) -> None:
    again = ImageStatistics.from_arrays(digits.statistics.arrays(), 1)
    images = digits.test.images[:50]
    np.testing.assert_array_equal(again.distances(images), digits.statistics.distances(images))
    assert again.differences(255 - images[0]) == digits.statistics.differences(255 - images[0])


@pytest.mark.parametrize("name", ["layout.mean", "texture.whitening", "border", "layout.limit"])
def test_damaged_arrays_are_refused(digits: DatasetSplits, name: str) -> None:
    arrays = digits.statistics.arrays()
    with pytest.raises(ValueError, match=name):
        ImageStatistics.from_arrays(arrays | {name: arrays[name] * np.nan}, 1)
    with pytest.raises(ValueError, match=name):
        ImageStatistics.from_arrays(arrays | {name: np.zeros((3, 1))}, 1)


@given(
    st.integers(1, 12),
    st.integers(0, 6),
    st.sampled_from((1, 3)),
    st.integers(1, 17),
    st.integers(1, 17),
    st.sampled_from((0, 1, 255)),
)
def test_any_size_and_number_gives_finite_distances(
    train: int, validation: int, channels: int, height: int, width: int, most: int
) -> None:
    shape = (channels, height, width)
    statistics = fit_statistics(
        random_images(train, *shape, most=most), random_images(validation, *shape, most=most)
    )
    others = random_images(5, *shape)
    distances = statistics.distances(others)
    assert distances.shape == (5,)
    assert np.isfinite(distances).all()
    again = ImageStatistics.from_arrays(statistics.arrays(), channels)
    assert again.differences(others[0]) == statistics.differences(others[0])
