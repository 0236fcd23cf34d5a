"""load_data: from a DataConfig to the train, validation and test splits."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from acgan.data.cache import IN_MEMORY_BYTES, DecodePlan, cache_root, cached_images, data_root
from acgan.data.config import DataConfig
from acgan.data.folder import load_folder
from acgan.data.images import ClassName, DatasetSplits, Images, LabeledImages
from acgan.data.resize import resize_array
from acgan.data.source import NAMED_SETS, Source, Split
from acgan.data.split import (
    content_order,
    duplicates_note,
    relabeled,
    sample_per_class,
    selected_classes,
    split_dataset,
    subset_counts,
)
from acgan.errors import DataError, UsageError, find_name, folded, listed, shown
from acgan.execution.progress import StageProgress
from acgan.metrics.arrays import BoolArray, Int64Array
from acgan.plots.text import missing_fonts_note
from acgan.storage.files import spelled_on_disk

_CHUNK = 2048
_ALIKE = {"LATIN", "CYRILLIC", "GREEK"}  # scripts with letters that look the same


def materialize(
    data: LabeledImages,
    rows: Int64Array,
    size: tuple[int, int] | None = None,
    *,
    cache: str | None,
) -> Images:
    """Return some images as an array: in memory, or mapped from the cache if large.

    Args:
        data: the images.
        rows: int64 (n,), in the order wanted.
        size: height and width to resize to; None to keep the size.
        cache: folder for arrays that are too large for memory; None for the usual one.

    Returns:
        uint8 (n, C, H, W); a read-only memory map if larger than 1 GiB.

    Raises:
        DiskError: images too large for memory could not be written to the cache.
    """
    images = data.images
    size = size or data.shape[1:]
    shape = (data.shape.channels, *size)
    if len(rows) * int(np.prod(shape, dtype=np.int64)) <= IN_MEMORY_BYTES:
        return resize_array(images[rows], size)

    def chunks() -> Iterator[Images]:
        for start in range(0, len(rows), _CHUNK):
            yield resize_array(images[rows[start : start + _CHUNK]], size)

    digest = hashlib.sha256(data.content_hash.encode())
    digest.update(repr(size).encode())
    digest.update(rows.tobytes())
    plan = DecodePlan(len(rows), shape, chunks, details=list)
    return cached_images(cache_root(cache), digest.hexdigest()[:32], lambda: plan).images


def load_data(config: DataConfig, *, progress: StageProgress | None = None) -> DatasetSplits:
    """Load the splits of a data set; equal config and images give equal splits.

    Args:
        config: the data, their split, and the subset to use.
        progress: called with a stage's name, the number of finished files and their total.

    Raises:
        DataError: the data are missing, damaged or too few; the message says what to do.
        UsageError: the data set or a class is unknown.
        DiskError: images too large for memory could not be written to the cache.

    Example:
        >>> splits = load_data(DataConfig(source="digits"))
        >>> len(splits.train), len(splits.validation), len(splits.test), str(splits.shape)
        (4000, 500, 500, '28×28×1')
    """
    source, order = _load_source(config, progress or (lambda _stage, _done, _total: None))
    data = source.data
    _check_reserved(data.classes)
    selected = selected_classes(data.classes, config.only_class)
    classes = tuple(data.classes[index] for index in selected)
    chosen_rows, labels = relabeled(data.labels[order], selected, len(data.classes))
    rows = order[chosen_rows]
    own_codes = source.splits[rows]
    codes = split_dataset(labels, own_codes, classes, config)
    train = np.flatnonzero(codes == Split.TRAIN)
    available = np.bincount(labels[train], minlength=len(classes)).astype(np.int64)
    counts = subset_counts(available, config)
    train = train[sample_per_class(labels[train], classes, counts, seed=config.split_seed)]

    def split(chosen: Int64Array) -> LabeledImages:
        images = materialize(data, rows[chosen], config.image_size, cache=config.cache)
        return LabeledImages(images, labels[chosen], classes)

    labeled = None
    if config.labeled_per_class is not None and (counts > config.labeled_per_class).any():
        fewer = np.minimum(counts, config.labeled_per_class)
        labeled = sample_per_class(labels[train], classes, fewer, seed=config.split_seed)
    is_color = data.shape.channels == 3
    splits = DatasetSplits(
        name=source.name,
        train=split(train),
        validation=split(np.flatnonzero(codes == Split.VALIDATION)),
        test=split(np.flatnonzero(codes == Split.TEST)),
        skipped=source.skipped,
        labeled_rows=labeled,
        flip_keeps_class=is_color if source.flip_keeps_class is None else source.flip_keeps_class,
        source_splits=tuple(
            each.name.lower() for each in (Split.VALIDATION, Split.TEST) if each in own_codes
        ),
    )
    return replace(splits, notes=(*source.notes, *_notes(splits, config), *duplicates_note(splits)))


def _check_reserved(classes: Sequence[ClassName]) -> None:
    """Refuse a class named ``all``, because ``--class all`` selects every class."""
    for each in classes:
        if folded(each.name) == "all":
            raise DataError(
                f"the class name {shown(each.name)} means every class (--class all); rename the "
                "class folder or label"
            )


def is_named_set(source: str) -> bool:
    """Return whether a source is a named set: in any case, unless a path has that name."""
    found = find_name(source, NAMED_SETS)
    return found == source or (found is not None and not Path(source).expanduser().exists())


def _load_source(config: DataConfig, progress: StageProgress) -> tuple[Source, Int64Array]:
    """Return a source and the order of its images: the published one, or `content_order`."""
    name = config.source
    if is_named_set(name):
        source = NAMED_SETS[name](data_root(config.root))
        return source, np.arange(len(source.data), dtype=np.int64)
    path = spelled_on_disk(Path(name).expanduser())
    if not path.exists() and path.name == name and not path.suffix:
        try:
            NAMED_SETS[name]
        except UsageError as error:
            raise UsageError(f"{error} (and there is no folder of that name)") from None
    source = load_folder(path, config, progress)
    return source, content_order(source)


def _notes(splits: DatasetSplits, config: DataConfig) -> Iterator[str]:
    yield from missing_fonts_note([each.name for each in splits.classes])
    yield from _mixed_scripts_note([each.name for each in splits.classes])
    for limit, kind in ((config.per_class, "training"), (config.labeled_per_class, "labeled")):
        if limit is not None:
            few = _names(splits.classes, splits.train.class_counts < limit)
            if few:
                yield f"fewer than {limit} {kind} images, so all are used: {few}"
    for name, split in (("validation", splits.validation), ("test", splits.test)):
        missing = _names(splits.classes, split.class_counts == 0)
        if missing:
            yield f"the {name} split has no image of {missing}"


def _mixed_scripts_note(names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence if names mix letters that look alike, as Cyrillic ones in a Latin word."""
    mixed = []
    for name in names:
        scripts = {unicodedata.name(c, "").partition(" ")[0] for c in name if c.isalpha()}
        if len(scripts & _ALIKE) > 1:
            mixed.append(f"{shown(name)} ({', '.join(sorted(scripts & _ALIKE)).title()})")
    if mixed:
        some = ", ".join(mixed[:3]) + ", …" * (len(mixed) > 3)
        yield f"letters of several scripts in a class name, which may look like another: {some}"


def _names(classes: tuple[ClassName, ...], chosen: BoolArray) -> str:
    return listed(classes[index].name for index in np.flatnonzero(chosen))
