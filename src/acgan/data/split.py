"""Random orders that are the same on every platform and with every version of numpy.

They are sorted from the raw 64-bit stream of PCG64, which numpy guarantees never to change; the
streams of ``Generator.permutation`` carry no such promise.

The cut into three parts: stratified, seeded, decided on labels alone and before any training.

What the source brings is kept: its test part is the test part, its validation part the validation
part. What it lacks is cut from its training images, class by class. Each class is cut by a random
order of its own, so the cut of one class does not depend on which other classes there are.

Smaller or skewed training sets: a fraction, so many per class, or a long tail; seeded.

A subset concerns the training part alone, so figures stay comparable: validation and test are the
same for every subset. Of one seed, a smaller subset lies within every larger one.

Exact copies of training images in the other parts flatter every figure, so they are said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from acgan.data.config import DataConfig
from acgan.data.images import ClassName, DatasetSplits, LabeledImages, Labels, find_class
from acgan.data.source import Split, SplitCodes
from acgan.errors import DataError
from acgan.metrics.arrays import Int64Array


def random_order(count: int, *key: int | str) -> npt.NDArray[np.int64]:
    """A permutation of ``range(count)``, int64 (count,), a function of ``count`` and ``key``."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    stream = np.random.PCG64(int.from_bytes(digest, "little"))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64, copy=False)


def split_dataset(
    labels: Labels,
    given: SplitCodes,
    classes: Sequence[ClassName],
    *,
    validation_share: float,
    test_share: float,
    seed: int,
) -> SplitCodes:
    """The part of each image, int8 (N,).

    A missing part takes ``round(share × n)`` of the n training images of each class, but at least
    one, and at least one stays for training.

    Raises:
        DataError: a class has too few images for one in each part, or none at all.
    """
    missing = [
        (part, share)
        for part, share in ((Split.VALIDATION, validation_share), (Split.TEST, test_share))
        if not (given == part).any()
    ]
    result = given.copy()
    for index, name in enumerate(classes):
        members = np.flatnonzero((labels == index) & (given == Split.TRAIN))
        _check_enough(name.name, len(members), [part for part, _ in missing])
        order = members[random_order(len(members), "split", seed, name.name)]
        taken = 0
        for part, count in _counts(len(members), missing):
            result[order[taken : taken + count]] = part
            taken += count
    return result


def _check_enough(name: str, count: int, missing: Sequence[Split]) -> None:
    needed = 1 + len(missing)
    if count >= needed:
        return
    has = "no training image" if count == 0 else f"only {count} training image{'s' * (count > 1)}"
    if count == 0 or not missing:
        raise DataError(f"the class {name!r} has {has}; add images or leave the class out")
    splits = " and ".join(["training", *(part.name.lower() for part in missing)])
    raise DataError(
        f"the class {name!r} has {has}; {splits} need one each, so it needs at least {needed}: "
        "add images or leave the class out"
    )


def _counts(available: int, missing: Sequence[tuple[Split, float]]) -> list[tuple[Split, int]]:
    counts = [max(1, round(available * share)) for _, share in missing]
    while sum(counts) >= available:  # rounding up took all of a tiny class
        counts[counts.index(max(counts))] -= 1
    return [(part, count) for (part, _), count in zip(missing, counts, strict=True)]


def subset_counts(counts: Int64Array, config: DataConfig) -> Int64Array:
    """How many training images of each class to use, int64 (K,), each from 1 to ``counts``.

    Raises:
        DataError: a long tail over one class, or one that would leave a class without an image.
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
    """Exponential imbalance ``n_k = n_0 · ratio^(-k / (K-1))``, rounded down, in label order.

    The profile is Cui et al., Class-Balanced Loss, CVPR 2019, section 5.1. ``n_0`` is the largest
    number for which every class has enough images, so a balanced set keeps its first class whole.

    Raises:
        DataError: there is one class only, or the last class would get no image.
    """
    if len(counts) < 2:
        raise DataError("a long tail needs at least two classes")
    profile = ratio ** (-np.arange(len(counts)) / (len(counts) - 1))
    largest = float((counts / profile).min())
    result = np.floor(largest * profile + 1e-9).astype(np.int64)
    if result.min() < 1:
        raise DataError(
            f"a long tail of {ratio:g} leaves less than one image for the rarest class; "
            f"at most {int(largest)} is possible here"
        )
    return result


def sample_per_class(
    labels: Labels, classes: Sequence[ClassName], counts: Int64Array, *, seed: int
) -> npt.NDArray[np.int64]:
    """Ascending indices of ``counts[k]`` images of each class k, drawn without replacement."""
    chosen = []
    for index, name in enumerate(classes):
        members = np.flatnonzero(labels == index)
        order = random_order(len(members), "subset", seed, name.name)
        chosen.append(members[order[: counts[index]]])
    return np.sort(np.concatenate(chosen)).astype(np.int64, copy=False)


def selected_classes(classes: Sequence[ClassName], wanted: Sequence[str]) -> list[int]:
    """Ascending indices of the classes that a person names.

    Raises:
        UsageError: a name is unknown.
    """
    return sorted({find_class(classes, name) for name in wanted})


def duplicates_note(splits: DatasetSplits) -> Iterator[str]:
    """A sentence if validation or test holds images whose pixels equal a training image's."""
    seen = set(image_digests(splits.train))
    counts = [
        (name, sum(digest in seen for digest in image_digests(part)), len(part))
        for name, part in (("validation", splits.validation), ("test", splits.test))
    ]
    found = [f"{count} of {total} in {name}" for name, count, total in counts if count]
    if found:
        yield f"exact copies of training images: {', '.join(found)}; that flatters figures there"


def image_digests(part: LabeledImages) -> Iterator[bytes]:
    """16 bytes for each image: equal pixels, equal bytes."""
    for image in part.images:
        yield hashlib.blake2b(image.tobytes(), digest_size=16).digest()
