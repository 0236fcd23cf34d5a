"""The classes that a person or a program asks for: names, aliases, indices, several, or all.

Many classes as several groups of a few, each for a model of its own (Odena et al. 2017, §4).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

import numpy as np

from acgan.data.images import ClassName, DatasetSplits, LabeledImages, find_class
from acgan.data.load import materialize
from acgan.errors import UsageError

Label = str | int
ClassSelection = Label | Sequence[Label] | None


def class_indices(classes: Sequence[ClassName], label: ClassSelection) -> tuple[int, ...]:
    """The classes that are meant, as indices, each once, in the order of asking.

    Args:
        classes: in label order.
        label: a name, alias or index; several of these; None or ``"all"`` for every class.

    Raises:
        UsageError: there is no such class; the message says which there are.

    >>> from acgan.data.images import make_classes
    >>> class_indices(make_classes(["cup", "jar", "lid"]), ["lid", 0, "2"])
    (2, 0)
    """
    if label is None:
        return tuple(range(len(classes)))
    wanted: Sequence[Label] = [label] if isinstance(label, str | int | Integral) else label
    if not wanted:
        raise UsageError("no class is asked for; name at least one")
    found: dict[int, None] = {}
    for one in wanted:
        if one == "all" and "all" not in {each.name for each in classes}:
            found.update(dict.fromkeys(range(len(classes))))
        else:
            found[class_index(classes, one)] = None
    return tuple(found)


def class_index(classes: Sequence[ClassName], label: Label) -> int:
    """The index of one class, from its name, alias or index.

    Raises:
        UsageError: there is no such class; the message says which there are.
    """
    if isinstance(label, str):
        return find_class(classes, label)
    if not 0 <= label < len(classes):
        raise UsageError(f"no class with index {label}; indices go from 0 to {len(classes) - 1}")
    return int(label)


MIN_GROUP_SIZE = 2  # classes in a group: a classifier of one class has nothing to say


def class_groups(classes: int, most: int) -> tuple[range, ...]:
    """Labels in order, cut into as few groups of at most ``most`` as there can be, evenly.

    Sizes differ by one at most, the larger ones first. No group has a single class, so of an odd
    number of classes in pairs the first group has three.

    Args:
        classes: number of classes, at least 2.
        most: classes in a group, at least 2.

    Raises:
        UsageError: either is smaller.

    >>> class_groups(10, 4)
    (range(0, 4), range(4, 7), range(7, 10))
    """
    if min(classes, most) < MIN_GROUP_SIZE:
        raise UsageError(
            f"{classes} classes cannot be divided into groups of {most}: it takes at least "
            f"{MIN_GROUP_SIZE} classes, and as many for each model"
        )
    count = min(-(-classes // most), classes // MIN_GROUP_SIZE)
    smaller, larger = divmod(classes, count)
    edges = [index * smaller + min(index, larger) for index in range(count + 1)]
    return tuple(range(*pair) for pair in pairwise(edges))


def select_classes(
    splits: DatasetSplits, chosen: Sequence[int], *, cache: str | None
) -> DatasetSplits:
    """A data set cut down to some classes; what was train, validation or test stays that.

    Args:
        splits: with classes that are numbered anew, in ``chosen``'s order.
        chosen: labels, each once.
        cache: see `acgan.data.load.take`.

    Returns:
        As `acgan.data.load.load_data` gives with these classes as ``only_class``: images in the
        same order, with the same content hashes. (But for a long tail, which it would cut anew
        over the chosen classes alone, and for sources that bring a test part of some classes only.)

    Raises:
        DiskError: images too many for memory could not be written to the cache.
        ValueError: some training images are without a label, so nobody knows of which class.
    """
    if splits.labeled_rows is not None:
        raise ValueError("images without labels cannot be divided by class")
    new_label = np.full(len(splits.classes), -1, np.int64)
    new_label[list(chosen)] = np.arange(len(chosen))
    classes = tuple(splits.classes[index] for index in chosen)

    def cut(part: LabeledImages) -> LabeledImages:
        rows = np.flatnonzero(new_label[part.labels] >= 0).astype(np.int64, copy=False)
        return LabeledImages(
            materialize(part, rows, cache=cache), new_label[part.labels[rows]], classes
        )

    return DatasetSplits(splits.name, cut(splits.train), cut(splits.validation), cut(splits.test))
