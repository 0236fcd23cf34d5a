"""Cached reference classifiers and predictions.

Equal training split, configuration and seed are fitted once. Predictions for real images are cached
too, because every evaluation needs them.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from acgan.classifiers.extractor import Extractor, Predictions
from acgan.classifiers.fit import FitProgress
from acgan.classifiers.fit_checkpoint import FitCheckpoint
from acgan.classifiers.reference_classifier import (
    FORMAT,
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_images_per_second,
    fit_reference_classifier,
    images_done,
    load_reference_classifier,
    reference_classifier_config,
)
from acgan.config import canonical_json
from acgan.data.cache import CacheEntry, cache_root
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.errors import DataError
from acgan.execution.progress import Progress
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, write_atomic

_KINDS = {
    r"[0-9a-f]{24}\.safetensors": "reference classifier",
    r"[0-9a-f]{24}\.unfinished": "unfinished fit of a reference classifier",
    r"predictions-[0-9a-f]{24}\.safetensors": "predictions for real images",
}


def cached_reference_classifier(
    splits: DatasetSplits,
    *,
    config: ReferenceClassifierConfig | None = None,
    flip: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: FitProgress | None = None,
) -> ReferenceClassifier:
    """Return the reference classifier of a data set: cached, or fitted to the training split.

    A second process that needs the same classifier waits for the first. A damaged file, or one of
    an older format, is replaced. An interrupted fit continues to the same weights.

    Args:
        splits: it is fitted to ``train``; its accuracy on the other two is recorded.
        config: network and fit; None for `reference_classifier_config`.
        flip: whether flipped images keep their class, if ``config`` is None.
        seed: of the fit.
        folder: of the cache; None for ``ACGAN_CACHE`` or the user's cache folder.
        progress: of the fit; not called if the classifier is cached.

    Raises:
        DataError: the training split has too few images or classes.
        DiskError: the classifier cannot be written.
    """
    config = config or reference_classifier_config(splits.train, flip=flip)
    path = reference_classifier_path(splits.train, config, seed, folder, splits.validation)
    with disk_errors(path, option="ACGAN_CACHE"):
        make_folder(path.parent)
    with disk_errors(path, option="ACGAN_CACHE"), FileLock(path.with_suffix(".lock")):
        cached = None
        if path.exists():
            with suppress(DataError):  # damaged, or of an older format
                cached = load_reference_classifier(path)
        checkpoint = FitCheckpoint(_unfinished(path))
        classifier = cached or fit_reference_classifier(
            splits.train,
            splits.validation,
            config=config,
            seed=seed,
            progress=progress,
            checkpoint=checkpoint,
        )
        classifier = classifier.measured_on(splits.validation, splits.test)
        if cached is None or classifier.record != cached.record:
            classifier.save(path)
            checkpoint.remove()
    return classifier


@final
@dataclass(frozen=True)
class FitEstimate:
    """What a fit will cost.

    Attributes:
        training_images: the images to which it is fitted.
        images: the most that it will still use, repetitions counted.
        images_per_second: measured.
        can_end_early: whether the validation loss may end it before.
        continued: whether it continues an interrupted fit.
    """

    training_images: int
    images: int
    images_per_second: float
    can_end_early: bool
    continued: bool

    @property
    def seconds(self) -> float:
        """The most that it will take."""
        return self.images / self.images_per_second

    @property
    def at_most(self) -> str:
        """Word before the time: ``at most`` if the fit can end early, else ``about``."""
        return "at most " if self.can_end_early else "about "


def estimate_fit(
    splits: DatasetSplits,
    *,
    config: ReferenceClassifierConfig | None = None,
    flip: bool = False,
    folder: Path | None = None,
) -> FitEstimate | None:
    """Return the cost of `cached_reference_classifier`; None if the classifier is cached.

    Takes a second or two if it is not.
    """
    config = config or reference_classifier_config(splits.train, flip=flip)
    path = reference_classifier_path(splits.train, config, 0, folder, splits.validation)
    if path.exists():
        return None
    saved = FitCheckpoint(_unfinished(path)).saved
    done = images_done(saved, splits.train, config)
    rate = fit_images_per_second(splits.train, config)
    early = config.round_images is not None and len(splits.validation) > 0
    return FitEstimate(len(splits.train), config.fit.images - done, rate, early, bool(saved))


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".unfinished")


def reference_classifier_path(
    train: LabeledImages,
    config: ReferenceClassifierConfig,
    seed: int,
    folder: Path | None,
    validation: LabeledImages | None,
) -> Path:
    """Return the path of a reference classifier in the cache, whether or not it exists."""
    inputs = [FORMAT, train.content_hash, config.model_dump(mode="json"), seed]
    if config.round_images is not None and validation:  # its loss ends the fit
        inputs.append(validation.content_hash)
    key = canonical_json(inputs)
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    return (folder or reference_classifiers_folder()) / f"{name}.safetensors"


def reference_classifiers_folder() -> Path:
    """Return the cache's folder, below ``ACGAN_CACHE`` or the user's cache folder."""
    return cache_root(None) / "reference-classifiers"


def classifier_entries(root: Path) -> list[CacheEntry]:
    """Return the classifiers, unfinished fits and predictions in the cache at ``root``."""
    folder = root / reference_classifiers_folder().name
    entries = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        kinds = [kind for pattern, kind in _KINDS.items() if re.fullmatch(pattern, path.name)]
        if kinds and path.is_file() and not path.is_symlink():
            status = path.stat()
            last_used = max(status.st_atime, status.st_mtime)
            entries.append(CacheEntry(path, kinds[0], status.st_size, last_used))
    return entries


def cached_predictions(
    extractor: Extractor, data: LabeledImages, folder: Path, *, progress: Progress | None = None
) -> Predictions:
    """Return an extractor's predictions for real images: cached in ``folder``, or computed.

    Raises:
        DiskError: the predictions cannot be written.
    """
    # Equal weights with another resize rule give other predictions.
    inputs = [extractor.name, extractor.weights_hash(), extractor.resize_rule, data.content_hash]
    key = hashlib.sha256(canonical_json(inputs).encode()).hexdigest()
    path = folder / f"predictions-{key[:24]}.safetensors"
    with suppress(OSError, KeyError, SafetensorError, DataError):  # missing or damaged
        cached = load_file(path)
        return Predictions(cached["logits"], cached["features"])
    predictions = extractor.predict(data.images, progress=progress)
    with disk_errors(path, option="ACGAN_CACHE"):
        write_atomic(path, save({"logits": predictions.logits, "features": predictions.features}))
    return predictions
