"""The cut into three parts: stratified, seeded, decided on labels alone and before any training.

What the source brings is kept: its test part is the test part, its validation part the validation
part. What it lacks is cut from its training images, class by class. Each class is cut by a random
order of its own, so the cut of one class does not depend on which other classes there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from acgan.data.classes import ClassName
from acgan.data.order import random_order
from acgan.data.source import Part, PartCodes
from acgan.errors import DataError

Labels = npt.NDArray[np.int64]


def cut_parts(
    labels: Labels,
    given: PartCodes,
    classes: Sequence[ClassName],
    *,
    validation_share: float,
    test_share: float,
    seed: int,
) -> PartCodes:
    """The part of each image, int8 (N,).

    A missing part takes ``round(share × n)`` of the n training images of each class, but at least
    one, and at least one stays for training.

    Raises:
        DataError: a class has too few images for one in each part, or none at all.
    """
    missing = [
        (part, share)
        for part, share in ((Part.VALIDATION, validation_share), (Part.TEST, test_share))
        if not (given == part).any()
    ]
    result = given.copy()
    for index, name in enumerate(classes):
        members = np.flatnonzero((labels == index) & (given == Part.TRAIN))
        _check_enough(name.name, len(members), [part for part, _ in missing])
        order = members[random_order(len(members), "split", seed, name.name)]
        taken = 0
        for part, count in _counts(len(members), missing):
            result[order[taken : taken + count]] = part
            taken += count
    return result


def _check_enough(name: str, count: int, missing: Sequence[Part]) -> None:
    needed = 1 + len(missing)
    if count >= needed:
        return
    has = "no training image" if count == 0 else f"only {count} training image{'s' * (count > 1)}"
    if count == 0 or not missing:
        raise DataError(f"the class {name!r} has {has}; add images or leave the class out")
    parts = " and ".join(["training", *(part.name.lower() for part in missing)])
    raise DataError(
        f"the class {name!r} has {has}; {parts} need one each, so it needs at least {needed}: "
        "add images or leave the class out"
    )


def _counts(available: int, missing: Sequence[tuple[Part, float]]) -> list[tuple[Part, int]]:
    counts = [max(1, round(available * share)) for _, share in missing]
    while sum(counts) >= available:  # rounding up took all of a tiny class
        counts[counts.index(max(counts))] -= 1
    return [(part, count) for (part, _), count in zip(missing, counts, strict=True)]
