from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from acgan.classifiers.fit import FitConfig
from acgan.data.images import Images, LabeledImages
from acgan.studies.arms import Arm, UsefulnessConfig, compose, study_arms

FIT = FitConfig(flip=True, images=100, shift_pixels=2, erase_pixels=3)
CONFIG = UsefulnessConfig(fit=FIT, ratios=(0.5, 1.0, 5.0), balance_cap=2)
Pictures = Callable[[Sequence[int], int], LabeledImages]


def arms_of(*counts: int) -> dict[str, Arm]:
    return {arm.key: arm for arm in study_arms(np.array(counts), CONFIG)}


def black(index: int, count: int) -> Images:
    return np.full((count, 1, 8, 8), index, np.uint8)


def test_every_arm_in_numbers() -> None:
    arms = {
        key: (arm.real, arm.synthetic, arm.augmented) for key, arm in arms_of(20, 10, 3).items()
    }
    real, none, full = (20, 10, 3), (0, 0, 0), (20, 20, 20)
    assert arms == {
        "real": (real, none, False),
        "real-augmented": (real, none, True),
        "oversampled": (full, none, False),
        "oversampled-augmented": (full, none, True),
        "synthetic": (none, real, False),
        "mixed-50-percent": (real, (10, 5, 2), False),
        "mixed-100-percent": (real, real, False),
        "mixed-100-percent-augmented": (real, real, True),
        "mixed-500-percent": (real, (100, 50, 15), False),
        "balanced": (real, (0, 10, 17), False),
        "balanced-augmented": (real, (0, 10, 17), True),
        "balanced-capped": (real, (0, 10, 6), False),
    }


def test_keys_hold_no_dot_since_they_are_parts_of_figures_keys() -> None:
    assert not [key for key in arms_of(20, 10, 3) if "." in key]


def test_equal_classes_make_rebalanced_arms_the_real_one() -> None:
    arms = arms_of(7, 7)
    assert arms["oversampled"].content == arms["real"].content
    assert arms["balanced"].content == arms["real"].content
    assert arms["balanced-augmented"].content == arms["real-augmented"].content
    assert not arms["balanced"].has_samples


def test_composed_images_are_the_real_ones_and_then_the_samples(pictures: Pictures) -> None:
    train = pictures([20, 10, 3], 0)
    arm = arms_of(20, 10, 3)["balanced"]
    images = compose(arm, train, black, seed=0)
    assert images.class_counts.tolist() == [20, 20, 20]
    assert (images.images[:33] == train.images).all()
    assert (images.images[33:43] == 1).all()
    assert images.labels[33:43].tolist() == [1] * 10
    assert (images.images[43:] == 2).all()


def test_oversampling_shows_every_image_equally_often_up_to_one(pictures: Pictures) -> None:
    train = pictures([20, 10, 3], 0)
    images = compose(arms_of(20, 10, 3)["oversampled"], train, black, seed=0)
    assert images.class_counts.tolist() == [20, 20, 20]
    for image, label in zip(train.images, train.labels, strict=True):
        times = (images.images == image).all(axis=(1, 2, 3)).sum()
        assert times in {20 // train.class_counts[label], 20 // train.class_counts[label] + 1}


def test_the_seed_decides_which_images_are_repeated_once_more(pictures: Pictures) -> None:
    train, arm = pictures([20, 12, 3], 0), arms_of(20, 12, 3)["oversampled"]
    first, again, other = (compose(arm, train, black, seed=seed) for seed in (0, 0, 1))
    assert first.content_hash == again.content_hash != other.content_hash


def test_without_augmentation_nothing_is_done_to_images() -> None:
    plain = CONFIG.fit_of(augmented=False)
    assert (plain.flip, plain.shift_pixels, plain.erase_pixels) == (False, 0, 0)
    same = plain.model_copy(update={"flip": True, "shift_pixels": 2, "erase_pixels": 3})
    assert same == CONFIG.fit_of(augmented=True) == FIT


def test_a_headline_ratio_that_is_not_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the ratios"):
        UsefulnessConfig(fit=FIT, ratios=(0.5, 2.0))
    with pytest.raises(ValueError, match="the same to the percent"):
        UsefulnessConfig(fit=FIT, ratios=(1.0, 1.001))
