"""`mnist-pairs`: two MNIST digits side by side; the 100 classes are the two-digit numbers.

The pairs are made from MNIST's images and are the same on every machine. No digit image is in two
splits: test pairs use test images, validation pairs use a tenth of the training images of each
digit, and training pairs use the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from acgan.data.idx import load_idx_set
from acgan.data.idx_sets import IDX_SETS
from acgan.data.images import ClassName, LabeledImages, make_classes
from acgan.data.source import DIGIT_NAMES, NAMED_SETS, Source, Split
from acgan.data.split import random_order
from acgan.errors import DataError
from acgan.metrics.arrays import Int64Array

NAME = "mnist-pairs"
PAIRS_OF_EACH: Mapping[Split, int] = {Split.TRAIN: 540, Split.VALIDATION: 60, Split.TEST: 100}
"""Pairs of each number in each split; the total is MNIST's number of images."""
_VALIDATION_SHARE = 0.1


@NAMED_SETS.register(NAME)
def load_mnist_pairs(root: Path) -> Source:
    """Make the 28×56 gray pairs from a local copy of MNIST, or download MNIST into ``root``.

    Raises:
        DataError: see `acgan.data.idx.load_idx_set`.
    """
    (mnist,) = (kind for kind in IDX_SETS if kind.name == "mnist")
    try:
        digits = load_idx_set(mnist, root)
    except DataError as error:
        raise DataError(f"{NAME} is made from mnist, but {error}") from None
    return pairs_from(digits)


def pairs_from(digits: Source) -> Source:
    """Make pairs of the digits of a source; image i belongs to class i mod 100.

    Args:
        digits: images (N, 1, H, W) of ten classes, with at least two training images and one test
            image of each.

    Returns:
        Images (M, 1, H, 2W), M = 100 · Σ `PAIRS_OF_EACH`, in all three splits. Within a split, the
        images of a digit are used equally often, up to a difference of one.

    Raises:
        DataError: a digit has too few images.
    """
    members = _members_by_split(digits)
    pairs, codes = [], []
    for split, of_each in PAIRS_OF_EACH.items():
        pairs.append(_pairs(members[split], of_each, split))
        codes.append(np.full(len(pairs[-1]), split, np.int8))
    left, right = np.concatenate(pairs).T
    images = digits.data.images
    side_by_side = np.concatenate([images[left], images[right]], axis=3)
    labels = np.arange(len(left), dtype=np.int64) % 100
    data = LabeledImages(side_by_side, labels, _classes())
    return Source(NAME, data, np.concatenate(codes), digits.notes, flip_keeps_class=False)


def _members_by_split(digits: Source) -> dict[Split, list[Int64Array]]:
    """Return, for each split, the indices of the images of each digit that its pairs use."""
    members: dict[Split, list[Int64Array]] = {split: [] for split in PAIRS_OF_EACH}
    for digit, name in enumerate(digits.data.classes):
        of_digit = digits.data.labels == digit
        train = np.flatnonzero(of_digit & (digits.splits == Split.TRAIN))
        test = np.flatnonzero(of_digit & (digits.splits == Split.TEST))
        if len(train) < 2 or not len(test):
            raise DataError(
                f"{NAME} needs two training images and one test image of each digit; {name.name} "
                f"has {len(train)} and {len(test)}; add images"
            )
        held_out = max(1, round(_VALIDATION_SHARE * len(train)))
        order = train[random_order(len(train), NAME, "held out", digit)]
        members[Split.VALIDATION].append(order[:held_out])
        members[Split.TRAIN].append(order[held_out:])
        members[Split.TEST].append(test)
    return members


def _pairs(members: list[Int64Array], of_each: int, split: Split) -> Int64Array:
    """Return the left and the right image of each pair, int64 (100 · ``of_each``, 2).

    Each digit occurs on either side of ten numbers. One shuffled sequence of its images after the
    other fills first all its left places, then its right places.
    """
    orders = [
        _repeated_orders(images, 20 * of_each, split, digit) for digit, images in enumerate(members)
    ]
    # left: of the tens digit, by the ones digit; right: of the ones digit, by the tens digit
    left, right = np.stack(orders).reshape(10, 2, 10, of_each).transpose(1, 0, 2, 3)
    pairs = np.stack([left, right.transpose(1, 0, 2)], axis=-1)
    return pairs.transpose(2, 0, 1, 3).reshape(-1, 2)


def _repeated_orders(images: Int64Array, count: int, split: Split, digit: int) -> Int64Array:
    repeats = -(-count // len(images))
    orders = [random_order(len(images), NAME, split.name, digit, each) for each in range(repeats)]
    return np.concatenate([images[order] for order in orders])[:count]


def _classes() -> tuple[ClassName, ...]:
    """Return ``00`` to ``99``; aliases of 07 are zero seven and 7."""
    spoken = [f"{tens} {ones}" for tens in DIGIT_NAMES for ones in DIGIT_NAMES]
    aliases = [(words, *([str(n)] if n < 10 else [])) for n, words in enumerate(spoken)]
    return make_classes([f"{number:02d}" for number in range(100)], aliases)
