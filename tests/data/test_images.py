"""LabeledImages refuses what does not fit, and its hash is one of content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.errors import LINE_CHARACTERS, DataError, listed

CLASSES = make_classes(["a", "b"])


def images(labels: list[int], *, seed: int = 0) -> LabeledImages:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 1, 2, 3), np.uint8)
    return LabeledImages(pixels, np.array(labels, np.int64), CLASSES)


def test_counts_shape_and_subset() -> None:
    some = images([0, 1, 1])
    assert some.class_counts.tolist() == [1, 2]
    assert str(some.shape) == "2×3×1"
    np.testing.assert_array_equal(some.subset(np.array([2, 0])).labels, [1, 0])


def test_the_hash_follows_pixels_labels_names_and_shape() -> None:
    some = images([0, 1, 1])
    assert images([0, 1, 1]).content_hash == some.content_hash
    others = [
        images([0, 1, 1], seed=1),
        images([0, 1, 0]),
        LabeledImages(some.images, some.labels, make_classes(["a", "c"])),
        LabeledImages(some.images.reshape(3, 1, 3, 2), some.labels, CLASSES),
    ]
    assert len({some.content_hash, *(other.content_hash for other in others)}) == 5


def test_the_hash_covers_each_block_of_images() -> None:
    some = images([0] * 9000)
    for index in (0, 4095, 4096, 8999):
        other = some.images.copy()
        other[index, 0, 1, 2] ^= 1
        changed = LabeledImages(other, some.labels, CLASSES)
        assert changed.content_hash != some.content_hash


def test_what_does_not_fit_is_refused() -> None:
    labels = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="uint8"):
        LabeledImages(np.zeros((2, 1, 2, 2), np.float32), labels, CLASSES)
    with pytest.raises(ValueError, match="int64"):
        LabeledImages(np.zeros((3, 1, 2, 2), np.uint8), labels, CLASSES)
    with pytest.raises(DataError, match="0 to 1"):
        LabeledImages(np.zeros((2, 1, 2, 2), np.uint8), labels + 2, CLASSES)


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=40, unique=True))
@settings(max_examples=25)
def test_the_line_of_classes_has_every_class_or_the_number_of_those_left_out(
    names: list[str],
) -> None:
    try:
        classes = make_classes(names)
    except DataError:
        return
    data = LabeledImages(
        np.zeros((len(names), 1, 1, 1), np.uint8), np.arange(len(names), dtype=np.int64), classes
    )
    line = DatasetSplits("some", data, data, data).class_line()
    assert len(line) <= LINE_CHARACTERS
    shown, _, more = line.partition(" … and ")
    hidden = int(more.split()[0]) if more else 0
    assert shown.count(" (3)") >= len(names) - hidden > 0
    assert shown.startswith(f"classes: {listed([classes[0].name])} (3)")


def test_classes_are_shown_with_their_images_in_all_splits() -> None:
    splits = DatasetSplits("some", images([0, 1, 1]), images([0]), images([1]))
    assert splits.class_line() == "classes: a (2), b (3)"
