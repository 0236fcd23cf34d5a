"""Selection of classes by name, alias or index, and groups of classes for several models.

Groups follow Odena et al. 2017, section 4: one model for each group of a few classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from numbers import Integral

from acgan.data.images import ClassName, DatasetSplits, LabeledImages, find_class
from acgan.data.load import materialize
from acgan.data.split import relabeled
from acgan.errors import UsageError

Label = str | int
ClassSelection = Label | Sequence[Label] | None

MIN_GROUP_SIZE = 2  # a classifier needs two classes


def class_indices(classes: Sequence[ClassName], selection: ClassSelection) -> tuple[int, ...]:
    """Return the indices of the selected classes, each once, in the order of the selection.

    Args:
        classes: in label order.
        selection: a name, alias or index; several of these; None or ``"all"`` for every class.

    Raises:
        UsageError: a class is unknown (the message lists the classes), or none is selected.

    >>> from acgan.data.images import make_classes
    >>> class_indices(make_classes(["cup", "jar", "lid"]), ["lid", 0, "2"])
    (2, 0)
    """
    if selection is None:
        return tuple(range(len(classes)))
    labels = [selection] if isinstance(selection, str | int | Integral) else selection
    if not labels:
        raise UsageError("no class is selected; name at least one")
    found: dict[int, None] = {}
    for label in labels:
        if label == "all" and "all" not in {each.name for each in classes}:
            found.update(dict.fromkeys(range(len(classes))))
        else:
            found[class_index(classes, label)] = None
    return tuple(found)


def class_index(classes: Sequence[ClassName], label: Label) -> int:
    """Return the index of one class, given its name, alias or index.

    Raises:
        UsageError: the class is unknown; the message lists the classes.
    """
    if isinstance(label, str):
        return find_class(classes, label)
    if not 0 <= label < len(classes):
        known = f"go from 0 to {len(classes) - 1}" if len(classes) > 1 else "begin at 0: one class"
        raise UsageError(f"no class with index {label}; indices {known}")
    return int(label)


def class_groups(classes: int, most: int) -> tuple[range, ...]:
    """Divide the labels, in order, into the fewest even groups of at most ``most`` classes.

    Sizes differ by one at most, larger groups first. No group has a single class, so an odd number
    of classes in pairs begins with a group of three.

    Args:
        classes: number of classes, at least 2.
        most: largest group, at least 2.

    Raises:
        UsageError: either number is below 2.

    >>> class_groups(10, 4)
    (range(0, 4), range(4, 7), range(7, 10))
    """
    if min(classes, most) < MIN_GROUP_SIZE:
        raise UsageError(
            f"cannot divide {classes} classes into groups of {most}: both numbers must be at "
            f"least {MIN_GROUP_SIZE}"
        )
    count = min(-(-classes // most), classes // MIN_GROUP_SIZE)
    smaller, larger = divmod(classes, count)
    edges = [index * smaller + min(index, larger) for index in range(count + 1)]
    return tuple(range(*pair) for pair in pairwise(edges))


def select_classes(
    splits: DatasetSplits, chosen: Sequence[int], *, cache: str | None
) -> DatasetSplits:
    """Return the images of some classes; every image stays in its split.

    Args:
        splits: the data set; its classes are renumbered in the order of ``chosen``.
        chosen: labels, each once.
        cache: see `acgan.data.load.materialize`.

    Returns:
        The same images in the same order as from `acgan.data.load.load_data` with these classes as
        ``only_class``, except for a long tail, which ``load_data`` applies to the chosen classes
        alone, and for a source whose test split lacks some classes.

    Raises:
        DiskError: images too large for memory could not be written to the cache.
        ValueError: some training images have no label.
    """
    if splits.labeled_rows is not None:
        raise ValueError("images without labels cannot be divided by class")
    classes = tuple(splits.classes[index] for index in chosen)

    def select(split: LabeledImages) -> LabeledImages:
        rows, labels = relabeled(split.labels, chosen, len(splits.classes))
        return LabeledImages(materialize(split, rows, cache=cache), labels, classes)

    train, validation, test = map(select, (splits.train, splits.validation, splits.test))
    return replace(splits, train=train, validation=validation, test=test, notes=(), skipped=())
