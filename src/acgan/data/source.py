"""A data source: labeled images with the splits that they come with, and the named data sets.

A new data set is one module that registers a function from the data root to a `Source`, and its
name in ``_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from acgan.data.images import ClassName, Images, LabeledImages, Labels
from acgan.registry import Registry


@final
class Split(IntEnum):
    """The split of a data set that an image belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


SplitCodes = npt.NDArray[np.int8]
"""A `Split` for each image, int8 (N,)."""


@final
@dataclass(frozen=True, eq=False)
class Source:
    """All usable images of one source.

    Attributes:
        name: short name, safe in a file name.
        data: the images, at their original size or already resized.
        splits: the split of each image, int8 (N,); TRAIN throughout if the source has no splits.
        notes: sentences for the user.
        skipped: path and reason of every skipped file.
        flip_keeps_class: whether a horizontally flipped image still belongs to its class; None if
            unknown (then color images count as photographs, gray ones as possible text).
    """

    name: str
    data: LabeledImages
    splits: SplitCodes
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    flip_keeps_class: bool | None = None


def train_test_source(
    name: str,
    images: Sequence[Images],
    labels: Sequence[Labels],
    classes: tuple[ClassName, ...],
    *,
    flip_keeps_class: bool,
    notes: tuple[str, ...] = (),
) -> Source:
    """Return the source whose training and test images and labels are given, in this order."""
    data = LabeledImages(np.concatenate(images), np.concatenate(labels), classes)
    codes = np.array([Split.TRAIN, Split.TEST], np.int8)
    splits = np.repeat(codes, [len(each) for each in labels])
    return Source(name, data, splits, notes, flip_keeps_class=flip_keeps_class)


_MODULES = ("digits", "idx", "mnist_pairs", "torchvision_sets")
NAMED_SETS: Registry[Callable[[Path], Source]] = Registry(
    "data set", [f"acgan.data.{module}" for module in _MODULES]
)
"""From the data root to the data set; modules import torchvision only when a set needs it."""

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGIT_ALIASES = tuple((str(digit),) for digit in range(10))
