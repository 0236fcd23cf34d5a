"""Source: labeled images as they come, with the parts that they bring, before any cut.

The registry of named data sets: a name, and a function from the data root to a Source.

The modules that register sets are imported here, once; all of them import torchvision only when a
set needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from acgan.data.images import LabeledImages
from acgan.registry import Registry


@final
class Split(IntEnum):
    """The part of a data set that an image belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


SplitCodes = npt.NDArray[np.int8]


@final
@dataclass(frozen=True, eq=False)
class Source:
    """Everything that one source holds.

    Attributes:
        name: short name, safe in a file name.
        everything: all usable images, at their own size or at the wanted one.
        given: the Part of each image as the source has it, int8 (N,); a source without parts
            gives TRAIN throughout.
        notes: sentences for a person.
        skipped: path and reason of every file that was left out.
    """

    name: str
    data: LabeledImages
    splits: SplitCodes
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    flip_keeps_class: bool | None = None


NAMED_SETS: Registry[Callable[[Path], Source]] = Registry(
    "data set",
    (
        "acgan.data.digits",
        "acgan.data.idx",
        "acgan.data.mnist_pairs",
        "acgan.data.torchvision_sets",
    ),
)

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGIT_ALIASES = tuple((str(digit),) for digit in range(10))
