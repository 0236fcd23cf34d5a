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

from acgan.classifiers.extractor import Answers, Extractor
from acgan.classifiers.fit import FitProgress
from acgan.classifiers.reference_classifier import (
    Judge,
    JudgeConfig,
    fit_judge,
    judge_config,
    load_judge,
)
from acgan.config import canonical_json
from acgan.data.cache import cache_root
from acgan.data.images import DataParts, LabelledImages
from acgan.errors import DataError
from acgan.execution.progress import Progress
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder, write_atomic


def judge_of(
    parts: DataParts,
    *,
    config: JudgeConfig | None = None,
    flip: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: FitProgress | None = None,
) -> Judge:
    """The judge of a data set: read from the cache, or fitted to the training part and kept there.

    A second process that asks for the same judge meanwhile waits for the first one's. A damaged
    file is fitted anew.

    Args:
        parts: the judge learns from ``train``; its accuracy on the other two is recorded.
        config: network and fit; None for `judge_config`'s.
        flip: whether mirrored images keep their class, where ``config`` is None.
        seed: of the fit.
        folder: of the cache; None for ``ACGAN_CACHE`` or the user's cache folder.
        progress: of the fit; not called when the judge was there.

    Raises:
        DataError: the training part cannot be fitted to.
        DiskError: the judge cannot be written.
    """
    config = config or judge_config(parts.train, flip=flip)
    path = judge_path(parts.train, config, seed, folder)
    with disk_errors(path):
        make_folder(path.parent)
    with FileLock(path.with_suffix(".lock")):
        kept = _kept(path)
        judge = kept or fit_judge(parts.train, config=config, seed=seed, progress=progress)
        judge = judge.measured_on(parts.validation, parts.test)
        if kept is None or judge.record != kept.record:
            judge.save(path)
    return judge


def judge_path(
    train: LabelledImages, config: JudgeConfig, seed: int, folder: Path | None = None
) -> Path:
    """Where the cache keeps that judge, whether or not it is there yet."""
    key = canonical_json([train.content_hash, json.loads(config.model_dump_json()), seed])
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    return (folder or judges_folder()) / f"{name}.safetensors"


def judges_folder() -> Path:
    """Where judges are kept: below ``ACGAN_CACHE``, or the user's cache folder."""
    return cache_root(None) / "judges"


def kept_answers(
    extractor: Extractor,
    data: LabelledImages,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> Answers:
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
            return Answers(kept["logits"], kept["features"])
        except (OSError, KeyError, SafetensorError):
            pass  # damaged: computed anew
    answers = extractor.answers(data.images, progress=progress)
    write_atomic(path, save({"logits": answers.logits, "features": answers.features}))
    return answers


def _kept(path: Path) -> Judge | None:
    if not path.exists():
        return None
    try:
        return load_judge(path)
    except DataError:
        return None
