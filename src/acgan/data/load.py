"""Some of the images of a data set as an array: in memory, or mapped from the cache if large.

load_data: from a DataConfig to the three parts that everything else works with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from acgan.data.cache import IN_MEMORY_BYTES, DecodePlan, cache_root, cached_images, data_root
from acgan.data.config import DataConfig
from acgan.data.decode import resize_array
from acgan.data.folder import load_folder
from acgan.data.images import ClassName, DatasetSplits, Images, LabeledImages
from acgan.data.source import NAMED_SETS, Source, Split
from acgan.data.split import (
    duplicates_note,
    sample_per_class,
    selected_classes,
    split_dataset,
    subset_counts,
)
from acgan.errors import UsageError
from acgan.execution.progress import StageProgress
from acgan.metrics.arrays import Int64Array

_CHUNK = 2048


def materialize(
    everything: LabeledImages,
    rows: npt.NDArray[np.int64],
    size: tuple[int, int] | None = None,
    *,
    cache: str | None,
) -> Images:
    """The images of some rows, brought to a size.

    Args:
        everything: what to take them from.
        rows: int64 (n,), in the order wanted.
        size: height and width; None for as they are.
        cache: folder for what is too large for memory; None for the usual one.

    Returns:
        uint8 (n, C, H, W); a read-only memory map above a gigabyte.

    Raises:
        DiskError: images too many for memory could not be written to the cache.
    """
    images = everything.images
    size = size or everything.shape[1:]
    shape = (everything.shape.channels, *size)
    if len(rows) * int(np.prod(shape, dtype=np.int64)) <= IN_MEMORY_BYTES:
        return resize_array(images[rows], size)

    def chunks() -> Iterator[Images]:
        for start in range(0, len(rows), _CHUNK):
            yield resize_array(images[rows[start : start + _CHUNK]], size)

    digest = hashlib.sha256(everything.content_hash.encode())
    digest.update(repr(size).encode())
    digest.update(rows.tobytes())
    recipe = DecodePlan(len(rows), shape, chunks, details=list)
    return cached_images(cache_root(cache), digest.hexdigest()[:32], lambda: recipe).images


def load_data(config: DataConfig, *, progress: StageProgress | None = None) -> DatasetSplits:
    """The train, validation and test part of a data set, the same for the same config and data.

    Args:
        config: which data, how cut, and how much of it.
        progress: called with a stage's name, the number of files done and their total.

    Raises:
        DataError: the data are missing, damaged or too few; the message says what to do.
        UsageError: no such data set or class.
        DiskError: images too many for memory could not be written to the cache.

    Example:
        >>> parts = load_data(DataConfig(source="digits"))
        >>> len(parts.train), len(parts.validation), len(parts.test), str(parts.shape)
        (4000, 500, 500, '28×28×1')
    """
    source = _find(config, progress or _silent)
    rows, labels, classes = _kept(source, config)
    codes = split_dataset(
        labels,
        source.splits[rows],
        classes,
        validation_share=config.validation_share,
        test_share=config.test_share,
        seed=config.split_seed,
    )
    train = np.flatnonzero(codes == Split.TRAIN)
    available = np.bincount(labels[train], minlength=len(classes)).astype(np.int64)
    wanted = subset_counts(available, config)
    train = train[sample_per_class(labels[train], classes, wanted, seed=config.split_seed)]

    def part(chosen: Int64Array) -> LabeledImages:
        images = materialize(source.data, rows[chosen], config.image_size, cache=config.cache)
        return LabeledImages(images, labels[chosen], classes)

    labeled = None
    if config.labeled_per_class is not None and (wanted > config.labeled_per_class).any():
        kept = np.minimum(wanted, config.labeled_per_class)
        labeled = sample_per_class(labels[train], classes, kept, seed=config.split_seed)
    splits = DatasetSplits(
        name=source.name,
        train=part(train),
        validation=part(np.flatnonzero(codes == Split.VALIDATION)),
        test=part(np.flatnonzero(codes == Split.TEST)),
        skipped=source.skipped,
        labeled_rows=labeled,
    )
    return replace(splits, notes=(*source.notes, *_notes(splits, config), *duplicates_note(splits)))


def _find(config: DataConfig, progress: StageProgress) -> Source:
    name = config.source
    if name in NAMED_SETS:
        return NAMED_SETS[name](data_root(config.root))
    path = Path(name).expanduser()
    if not path.exists() and path.name == name and not path.suffix:
        try:
            NAMED_SETS[name]
        except UsageError as error:
            raise UsageError(f"{error}, and no folder of that name lies here") from None
    return load_folder(path, config, progress)


def _kept(
    source: Source, config: DataConfig
) -> tuple[Int64Array, Int64Array, tuple[ClassName, ...]]:
    """Rows of the source to use at all, their labels, and the classes these refer to."""
    everything = source.data
    if not config.only_class:
        return np.arange(len(everything)), everything.labels, everything.classes
    kept = selected_classes(everything.classes, config.only_class)
    new_label = np.zeros(len(everything.classes), np.int64)
    new_label[kept] = np.arange(len(kept))
    rows = np.flatnonzero(np.isin(everything.labels, kept))
    labels = new_label[everything.labels[rows]]
    return rows, labels, tuple(everything.classes[index] for index in kept)


def _notes(splits: DatasetSplits, config: DataConfig) -> Iterator[str]:
    for wanted, what in ((config.per_class, "training"), (config.labeled_per_class, "labeled")):
        if wanted is not None:
            few = [
                name.name
                for name, count in zip(splits.classes, splits.train.class_counts, strict=True)
                if count < wanted
            ]
            if few:
                yield f"fewer than {wanted} {what} images: all there are of {', '.join(few)}"
    for name, part in (("validation", splits.validation), ("test", splits.test)):
        empty = [
            c.name for c, count in zip(splits.classes, part.class_counts, strict=True) if not count
        ]
        if empty:
            yield f"the {name} part has no image of {', '.join(empty)}"


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
