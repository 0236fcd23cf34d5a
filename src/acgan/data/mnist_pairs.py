"""`mnist-pairs`: two MNIST digits side by side, and the number that they make: 100 classes.

Made from MNIST's own images, the same on every machine. No image of a digit is in two parts: the
test pairs are made of test images, the validation pairs of a tenth of the training images of each
digit, and the training pairs of the others.
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
"""Pairs of each number, in each part: in all as many as MNIST has images."""
_VALIDATION_SHARE = 0.1


@NAMED_SETS.register(NAME)
def load_mnist_pairs(root: Path) -> Source:
    """28×56 gray pairs from a local copy of MNIST, or from a download of it into ``root``.

    Raises:
        DataError: as of ``mnist``.
    """
    (mnist,) = (kind for kind in IDX_SETS if kind.name == "mnist")
    try:
        digits = load_idx_set(mnist, root)
    except DataError as error:
        raise DataError(f"{NAME} is made from mnist, but {error}") from None
    return pairs_from(digits)


def pairs_from(digits: Source) -> Source:
    """Pairs of the digits of a source with a train and a test part; image i is of class i mod 100.

    Args:
        digits: images (N, 1, H, W) of ten classes, at least two training images and one test image
            of each.

    Returns:
        Images (M, 1, H, 2W), M = 100 · Σ `PAIRS_OF_EACH`, with all three parts. Within a part,
        two images of the same digit are used equally often, or one of them once more.

    Raises:
        DataError: a digit has too few images.
    """
    members = _members_by_part(digits)
    pairs, given = [], []
    for part, of_each in PAIRS_OF_EACH.items():
        pairs.append(_pairs(members[part], of_each, part))
        given.append(np.full(len(pairs[-1]), part, np.int8))
    left, right = np.concatenate(pairs).T
    images = digits.data.images
    side_by_side = np.concatenate([images[left], images[right]], axis=3)
    labels = np.arange(len(left), dtype=np.int64) % 100
    everything = LabeledImages(side_by_side, labels, _classes())
    return Source(NAME, everything, np.concatenate(given), digits.notes)


def _members_by_part(digits: Source) -> dict[Split, list[Int64Array]]:
    """For each part, the indices of the images of each digit that its pairs are made of."""
    members: dict[Split, list[Int64Array]] = {part: [] for part in PAIRS_OF_EACH}
    for digit, name in enumerate(digits.data.classes):
        of_digit = digits.data.labels == digit
        train = np.flatnonzero(of_digit & (digits.splits == Split.TRAIN))
        test = np.flatnonzero(of_digit & (digits.splits == Split.TEST))
        if len(train) < 2 or not len(test):
            raise DataError(
                f"{NAME} needs two training images and one test image of each digit; of "
                f"{name.name} there are {len(train)} and {len(test)}"
            )
        held_out = max(1, round(_VALIDATION_SHARE * len(train)))
        order = train[random_order(len(train), NAME, "held out", digit)]
        members[Split.VALIDATION].append(order[:held_out])
        members[Split.TRAIN].append(order[held_out:])
        members[Split.TEST].append(test)
    return members


def _pairs(members: list[Int64Array], of_each: int, part: Split) -> Int64Array:
    """The left and the right image of each pair, int64 (100 · ``of_each``, 2).

    Each digit stands on either side of ten numbers. Its images are dealt out from one shuffled
    pack after another: first to all its left places, then to its right ones.
    """
    places = 10 * of_each
    dealt = np.stack(
        [_dealt(images, 2 * places, part, digit) for digit, images in enumerate(members)]
    )
    left = dealt[:, :places].reshape(10, 10, of_each)  # of the tens digit, by the ones digit
    right = dealt[:, places:].reshape(10, 10, of_each)  # of the ones digit, by the tens digit
    pairs = np.stack([left, right.transpose(1, 0, 2)], axis=-1)
    return pairs.transpose(2, 0, 1, 3).reshape(-1, 2)


def _dealt(images: Int64Array, count: int, part: Split, digit: int) -> Int64Array:
    packs = -(-count // len(images))
    orders = [random_order(len(images), NAME, part.name, digit, pack) for pack in range(packs)]
    return np.concatenate([images[order] for order in orders])[:count]


def _classes() -> tuple[ClassName, ...]:
    """``00`` to ``99``; 07 is also called 7 and zero seven."""
    numbers = [f"{number:02d}" for number in range(100)]
    spoken = [f"{DIGIT_NAMES[int(n[0])]} {DIGIT_NAMES[int(n[1])]}" for n in numbers]
    aliases = [
        (words, *([number[1]] if number[0] == "0" else []))
        for number, words in zip(numbers, spoken, strict=True)
    ]
    return make_classes(numbers, aliases)
