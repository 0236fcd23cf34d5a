"""The split into train, validation and test, subsets of the training images, and random orders.

Splits of the source are used as they are. A missing one is taken from the training images, class by
class, by labels alone; each class has its own random order, so its split does not depend on other
classes. A subset concerns the training split only, so that metrics stay comparable; for one seed, a
smaller subset is contained in every larger one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from acgan.data.config import DataConfig
from acgan.data.images import ClassName, DatasetSplits, LabeledImages, Labels, find_class
from acgan.data.source import Source, Split, SplitCodes
from acgan.errors import DataError, counted, shown
from acgan.metrics.arrays import Int64Array


def random_order(count: int, *key: int | str) -> Int64Array:
    """Return a permutation of ``range(count)``, int64 (count,), a function of count and key.

    It sorts the raw 64-bit stream of PCG64, which numpy guarantees never to change (the streams of
    ``Generator.permutation`` have no such guarantee), so it is the same on every platform.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    stream = np.random.PCG64(int.from_bytes(digest, "little"))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64, copy=False)


def content_order(source: Source) -> Int64Array:
    """Return the rows of a source by split, class and digest of pixels, int64 (N,).

    This order of the images of a folder or zip depends on no file name. Equal digests of a class
    are equal images, so their order has no effect.
    """
    digests = np.frombuffer(b"".join(image_digests(source.data)), ">u8").reshape(-1, 2)
    order = np.lexsort((digests[:, 1], digests[:, 0], source.data.labels, source.splits))
    return order.astype(np.int64, copy=False)


def split_dataset(
    labels: Labels, codes: SplitCodes, classes: Sequence[ClassName], config: DataConfig
) -> SplitCodes:
    """Return the split of each image, int8 (N,).

    A missing split gets ``round(share × n)`` of the n training images of each class, but at least
    one; at least one stays for training.

    Args:
        labels: int64 (N,).
        codes: the source's own splits, int8 (N,).
        classes: in label order.
        config: the shares of missing splits, and the seed of the random orders.

    Raises:
        DataError: a class has no training image, or fewer images than splits.
    """
    shares = {Split.VALIDATION: config.validation_share, Split.TEST: config.test_share}
    missing = [(split, share) for split, share in shares.items() if split not in codes]
    result = codes.copy()
    for index, name in enumerate(classes):
        members = np.flatnonzero((labels == index) & (codes == Split.TRAIN))
        _check_enough(name.name, len(members), [split for split, _ in missing])
        order = members[random_order(len(members), "split", config.split_seed, name.name)]
        used = 0
        for split, count in _split_counts(len(members), missing):
            result[order[used : used + count]] = split
            used += count
    return result


def _check_enough(name: str, count: int, missing: Sequence[Split]) -> None:
    needed = 1 + len(missing)
    if count >= needed:
        return
    has = f"only {counted(count, 'training image')}" if count else "no training image"
    if count == 0 or not missing:
        raise DataError(f"the class {shown(name)} has {has}; add images or leave the class out")
    splits = " and ".join(["training", *(split.name.lower() for split in missing)])
    raise DataError(
        f"the class {shown(name)} has {has}, but needs at least {needed}: one each for {splits}; "
        "add images or leave the class out"
    )


def _split_counts(
    available: int, missing: Sequence[tuple[Split, float]]
) -> list[tuple[Split, int]]:
    counts = [max(1, round(available * share)) for _, share in missing]
    while sum(counts) >= available:  # rounding up used all images of a tiny class
        counts[counts.index(max(counts))] -= 1
    return [(split, count) for (split, _), count in zip(missing, counts, strict=True)]


def subset_counts(counts: Int64Array, config: DataConfig) -> Int64Array:
    """Return the number of training images of each class to use, int64 (K,), from 1 to ``counts``.

    Raises:
        DataError: a long tail has one class only, or leaves a class without an image.
    """
    if config.fraction is not None:
        share: Int64Array = np.rint(counts * config.fraction).astype(np.int64)
        return np.maximum(share, 1)
    if config.per_class is not None:
        return np.minimum(counts, config.per_class).astype(np.int64)
    if config.long_tail is not None:
        return long_tail_counts(counts, config.long_tail)
    return counts


def long_tail_counts(counts: Int64Array, ratio: float) -> Int64Array:
    """Return ``n_k = n_0 · ratio^(-k / (K-1))``, rounded down, for class k of K in label order.

    The profile is that of Cui et al., Class-Balanced Loss, CVPR 2019, section 5.1. ``n_0`` is the
    largest number for which every class has enough images; a balanced set keeps all images of its
    first class.

    Raises:
        DataError: there is only one class, or the last class would get no image.
    """
    if len(counts) < 2:
        raise DataError("a long tail needs at least two classes")
    profile = ratio ** (-np.arange(len(counts)) / (len(counts) - 1))
    largest = float((counts / profile).min())
    result = np.floor(largest * profile + 1e-9).astype(np.int64)
    if result.min() < 1:
        raise DataError(
            f"a long tail of {ratio:g} leaves no image for the rarest class; use at most "
            f"{int(largest)}"
        )
    return result


def sample_per_class(
    labels: Labels, classes: Sequence[ClassName], counts: Int64Array, *, seed: int
) -> Int64Array:
    """Return ascending indices of ``counts[k]`` images of each class k, without replacement."""
    chosen = []
    for index, name in enumerate(classes):
        members = np.flatnonzero(labels == index)
        order = random_order(len(members), "subset", seed, name.name)
        chosen.append(members[order[: counts[index]]])
    return np.sort(np.concatenate(chosen)).astype(np.int64, copy=False)


def selected_classes(classes: Sequence[ClassName], names: Sequence[str]) -> list[int]:
    """Return the ascending indices of the named classes, or of all classes if there are no names.

    Raises:
        UsageError: a name is unknown.
    """
    return sorted({find_class(classes, name) for name in names}) or list(range(len(classes)))


def relabeled(labels: Labels, chosen: Sequence[int], classes: int) -> tuple[Int64Array, Labels]:
    """Return the ascending rows of some classes, and labels renumbered in the order of ``chosen``.

    Args:
        labels: int64 (N,).
        chosen: old labels, each once.
        classes: number of old classes.
    """
    new_label = np.full(classes, -1, np.int64)
    new_label[list(chosen)] = np.arange(len(chosen))
    rows = np.flatnonzero(new_label[labels] >= 0).astype(np.int64, copy=False)
    return rows, new_label[labels[rows]]


def duplicates_note(splits: DatasetSplits) -> Iterator[str]:
    """Yield a sentence if validation or test contain images with the pixels of a training image."""
    train = set(image_digests(splits.train))
    counts = [
        (name, sum(digest in train for digest in image_digests(split)), len(split))
        for name, split in (("validation", splits.validation), ("test", splits.test))
    ]
    found = [f"{count} of {total} in {name}" for name, count, total in counts if count]
    if found:
        yield f"exact duplicates of training images: {', '.join(found)}; metrics will be too good"


def image_digests(data: LabeledImages) -> Iterator[bytes]:
    """Yield 16 bytes for each image: equal pixels, equal bytes."""
    for image in data.images:
        yield hashlib.blake2b(image.tobytes(), digest_size=16).digest()
