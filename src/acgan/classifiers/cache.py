"""Judges kept between runs: the same training part, configuration and seed are fitted once.

What an extractor says of real images is kept too, since it is asked again for every model.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from acgan.classifiers.extractor import Extractor, Predictions
from acgan.classifiers.fit import FitProgress
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_reference_classifier,
    load_reference_classifier,
    reference_classifier_config,
)
from acgan.config import canonical_json
from acgan.data.cache import cache_root
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.errors import DataError
from acgan.execution.progress import Progress
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, write_atomic


def cached_reference_classifier(
    splits: DatasetSplits,
    *,
    config: ReferenceClassifierConfig | None = None,
    flip: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: FitProgress | None = None,
) -> ReferenceClassifier:
    """The judge of a data set: read from the cache, or fitted to the training part and kept there.

    A second process that asks for the same judge meanwhile waits for the first one's. A damaged
    file is fitted anew.

    Args:
        splits: the judge learns from ``train``; its accuracy on the other two is recorded.
        config: network and fit; None for `reference_classifier_config`'s.
        flip: whether mirrored images keep their class, where ``config`` is None.
        seed: of the fit.
        folder: of the cache; None for ``ACGAN_CACHE`` or the user's cache folder.
        progress: of the fit; not called when the judge was there.

    Raises:
        DataError: the training part cannot be fitted to.
        DiskError: the judge cannot be written.
    """
    config = config or reference_classifier_config(splits.train, flip=flip)
    path = reference_classifier_path(splits.train, config, seed, folder)
    with disk_errors(path):
        make_folder(path.parent)
    with FileLock(path.with_suffix(".lock")):
        kept = _kept(path)
        reference_classifier = kept or fit_reference_classifier(
            splits.train, config=config, seed=seed, progress=progress
        )
        reference_classifier = reference_classifier.measured_on(splits.validation, splits.test)
        if kept is None or reference_classifier.record != kept.record:
            reference_classifier.save(path)
    return reference_classifier


def reference_classifier_path(
    train: LabeledImages, config: ReferenceClassifierConfig, seed: int, folder: Path | None = None
) -> Path:
    """Where the cache keeps that judge, whether or not it is there yet."""
    key = canonical_json([train.content_hash, json.loads(config.model_dump_json()), seed])
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    return (folder or reference_classifiers_folder()) / f"{name}.safetensors"


def reference_classifiers_folder() -> Path:
    """Where judges are kept: below ``ACGAN_CACHE``, or the user's cache folder."""
    return cache_root(None) / "judges"


def cached_predictions(
    extractor: Extractor,
    data: LabeledImages,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> Predictions:
    """An extractor's answers to real images: read from ``folder``, or computed and kept there.

    Raises:
        DiskError: they cannot be written.
    """
    # The rule is part of it: equal weights that see images resized in another way answer otherwise.
    asked = [extractor.name, extractor.weights_hash(), extractor.resize_rule, data.content_hash]
    key = hashlib.sha256(canonical_json(asked).encode()).hexdigest()
    path = folder / f"answers-{key[:24]}.safetensors"
    if path.exists():
        try:
            kept = load_file(path)
            return Predictions(kept["logits"], kept["features"])
        except (OSError, KeyError, SafetensorError):
            pass  # damaged: computed anew
    predictions = extractor.predict(data.images, progress=progress)
    write_atomic(path, save({"logits": predictions.logits, "features": predictions.features}))
    return predictions


def _kept(path: Path) -> ReferenceClassifier | None:
    if not path.exists():
        return None
    try:
        return load_reference_classifier(path)
    except DataError:
        return None
