"""Preparation of an evaluation: samples, data, reference classifier and extractors, all checked.

Metrics on images that a model was trained on prove nothing, so the reference must be held out.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from acgan.classifiers.cache import (
    FitEstimate,
    cached_reference_classifier,
    estimate_fit,
    reference_classifiers_folder,
)
from acgan.classifiers.extractor import Extractor, build_extractor
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.config import validate
from acgan.data.config import BadFiles, DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import is_named_set, load_data
from acgan.data.split import image_digests
from acgan.errors import AcganError, DataError, UsageError, command, counted
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.evaluation.origin import few_test_images, origin_notes
from acgan.evaluation.sample_sets import load_sample_folder, sample_model
from acgan.execution.progress import StageProgress, Stopwatch
from acgan.model.folder import is_run_or_model, run_of
from acgan.model.model import Model, load
from acgan.report.report import duration
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.storage.files import spelled_on_disk


def has_same_split(model: Model, splits: DatasetSplits) -> bool:
    """Return whether the record of a model names exactly these three splits, by content hash."""
    return all(
        split in model.split and model.split[split]["content_hash"] == mine["content_hash"]
        for split, mine in splits.split_record().items()
    )


def check_same_split(model: Model, splits: DatasetSplits, name: str) -> None:
    """Check that the splits are those with which the model was trained.

    Raises:
        DataError: the data or its splits differ.
    """
    if has_same_split(model, splits):
        return
    raise DataError(
        f"{name} was trained on another split than that of {splits.name}: its training images may "
        "be among these test images, which are then no held-out reference. Use its training data "
        f"({model.config.data.source!r}), or add --other-data for a data set that it was not "
        "trained on"
    )


_NO_FOLDERS: Mapping[str, None] = {"root": None, "cache": None}


def training_data(model: Model, data_root: str | None = None) -> DataConfig:
    """Return the data that a model was trained on, as far as its folder may name it.

    Anybody can write a model folder, so it can only name a data set. A run, which its user trained,
    can name the path of its data too; compare content hashes before using that data. The folders of
    data sets and caches are those of this command and its environment, never those in a file.

    Args:
        model: in its folder.
        data_root: the folder of data sets that the command names, if any.

    Raises:
        UsageError: an option has to name the data or its folder.
        DataError: the data are no longer where they were.
    """
    folder, data = model.record.folder, model.config.data
    if not is_named_set(data.source):
        run = RunFolder(folder.parent)
        if not run.has_run():
            raise UsageError(
                f"the model folder {folder} names the path {data.source!r} as its data; a path is "
                "used only if a run or an option names it: add --data PATH"
            )
        source = validate(RunConfig, run.read(run.config), where=str(run.config)).data.source
        if not spelled_on_disk(Path(source).expanduser()).exists():
            raise DataError(
                f"{run.path} was trained on {source!r}, and there is no such folder or zip; if it "
                "was moved or renamed, give its path with --data (its content is compared)"
            )
        data = data.model_copy(update={"source": source})
    elif data.root is not None and data_root is None and "ACGAN_DATA" not in os.environ:
        raise UsageError(
            f"{folder} was trained with `{command(f'--data-root={data.root}')}`, and folders named "
            "in a file are not used: add that option, another --data-root DIR, or set ACGAN_DATA"
        )
    return data.model_copy(update={**_NO_FOLDERS, "root": data_root})


def check_unseen(model: Model, splits: DatasetSplits, name: str) -> bool | None:
    """Check that no validation or test image is a training image of the model.

    Args:
        model: trained on other data than ``splits``.
        splits: the data to compare its samples with.
        name: of the model, for the message.

    Returns:
        True if the training data of the model could be read and shares no image; None if it was
        not found.

    Raises:
        DataError: images are shared.
    """
    try:
        own = load_data(training_data(model))
    except AcganError:
        return None
    if not has_same_split(model, own):
        return None
    trained_on = set(image_digests(own.train))
    held_out = [*image_digests(splits.validation), *image_digests(splits.test)]
    shared = sum(digest in trained_on for digest in held_out)
    if shared:
        raise DataError(
            f"{shared} of the validation and test images of {splits.name} are training images of "
            f"{name}, so they are no held-out reference; use data that shares no image with "
            f"{model.config.data.source!r}"
        )
    return True


EXTRACTORS = ("reference-classifier", "efficientnet-lite0")
"""The default extractors; neither needs a download."""


@final
@dataclass(frozen=True)
class EvaluationRequest:
    """Options of an evaluation.

    Attributes:
        path: a run, a model folder, or a folder of images: with one sub-folder per class, or
            without sub-folders for samples of a model without classes.
        data: named data set, folder or zip to compare with; None for the training data.
        data_root: folder of local copies of named data sets.
        image_size: height and width to resize the data to; None for the size of the model, or of
            the data.
        bad_files: ``refuse`` or ``skip`` unusable files of the data and of a folder of samples;
            None for the model's own choice.
        samples: total number of samples.
        seed: of the first sample of each class, and of every random choice in the measures.
        extractors: names; the reference classifier is always used.
        inception_weights: file with the weights of Inception; None for the default locations.
        horizontal_flip: whether flipped images keep their class; None to infer it from the data.
        other_data: confirms that ``data`` is not the training data of the model.
    """

    path: Path
    data: str | None = None
    data_root: str | None = None
    image_size: tuple[int, int] | None = None
    bad_files: str | None = None
    samples: int = 10_000
    seed: int = 0
    extractors: Sequence[str] = EXTRACTORS
    inception_weights: Path | None = None
    horizontal_flip: bool | None = None
    other_data: bool = False


@final
@dataclass(frozen=True, eq=False)
class PreparedEvaluation:
    """Input of all chapters.

    Attributes:
        data: samples, real splits, reference classifier.
        extractors: of the fidelity metrics; the reference classifier comes first if there is one.
        imagenet: the extractor with the classes of ImageNet, or None.
        own_training_split: whether the training split is the one that the model was trained on
            (assumed for a folder of images).
        horizontal_flip: whether flipped images are assumed to keep their class.
        notes: sentences that a reader of the metrics needs.
    """

    data: EvaluationData
    extractors: tuple[Extractor, ...]
    imagenet: Extractor | None
    own_training_split: bool
    horizontal_flip: bool
    notes: tuple[str, ...]


def prepare_evaluation(
    request: EvaluationRequest,
    watch: Stopwatch,
    *,
    announce: Callable[[str], None] = lambda _line: None,
    check: Callable[[Model | None, DatasetSplits, bool], None] = lambda _model, _splits, _asked: (
        None
    ),
) -> PreparedEvaluation:
    """Load and check the data, generate the samples, fit or load the reference classifier.

    Checks that are cheap come first.

    Args:
        request: the options.
        watch: measures the time of every stage.
        announce: called with lines on the expected time, and on what to do about few test images,
            before anything that takes minutes.
        check: callback with the model (None for a folder of images), the data, and whether the
            samples have labels; called before any expensive stage, and may raise.

    Raises:
        UsageError: the path does not exist, options contradict each other, or an extractor is
            unknown.
        DataError: the data cannot be used, has another shape or other classes, or is not held out.
        DiskError: the reference classifier cannot be cached.
    """
    path = spelled_on_disk(request.path)
    request = replace(request, path=path)
    # `load` reports paths that do not exist.
    model = load(path) if not path.is_dir() or is_run_or_model(path) else None
    config = _data_config(request, model)
    splits = watch.timed("data", lambda: load_data(config, progress=watch.progress))
    name = _name(path)
    held_out, own = (None, True) if model is None else _unseen(model, splits, name, request)
    for split, real in (("validation", splits.validation), ("test", splits.test)):
        if not len(real):
            raise DataError(
                f"{splits.name} has no {split} images, but every metric needs held-out real "
                "images; add images, or raise the share of this split in the run"
            )
    horizontal_flip = request.horizontal_flip
    if horizontal_flip is None:
        horizontal_flip = splits.flip_keeps_class
    weights = request.inception_weights
    others = {
        each: build_extractor(each, inception_weights=weights)
        for each in dict.fromkeys(request.extractors)
        if each != "reference-classifier"
    }
    imagenet = others.get("efficientnet-lite0")
    for line in textwrap.wrap(few_test_images(splits) or "", 118, subsequent_indent="  "):
        announce(line)
    if model is not None:
        check(model, splits, model.conditional)
    if len(splits.classes) > 1:
        for line in _fit_in_words(estimate_fit(splits, flip=horizontal_flip)):
            announce(line)
    sample_set = watch.timed(
        "samples",
        lambda: _sample_set(request, config.bad_files, model, splits, name, watch.progress),
    )
    if model is None:
        check(None, splits, sample_set.conditional)
    reference_classifier: ReferenceClassifier | None = None
    if len(splits.classes) > 1:
        stage = "fitting the reference classifier: images"
        reference_classifier = watch.timed(
            "reference classifier",
            lambda: cached_reference_classifier(
                splits,
                flip=horizontal_flip,
                progress=lambda done, total, _loss: watch.progress(stage, done, total),
            ),
        )
    fallback_extractor = (
        None if reference_classifier else (imagenet or build_extractor("efficientnet-lite0"))
    )
    data = EvaluationData(
        sample_set,
        splits,
        reference_classifier,
        held_out,
        request.seed,
        reference_classifiers_folder(),
        watch.progress,
        fallback_extractor,
    )
    more = (each for each in others.values() if each is not fallback_extractor)
    return PreparedEvaluation(
        data=data,
        extractors=(data.extractor, *more),
        imagenet=imagenet,
        own_training_split=own,
        horizontal_flip=horizontal_flip,
        notes=tuple(origin_notes(model, splits, reference_classifier, held_out, own)),
    )


def _fit_in_words(estimate: FitEstimate | None) -> Iterator[str]:
    """Yield lines on the time that fitting the reference classifier takes; none if it is cached."""
    if estimate is None:
        return
    fit = f"the reference classifier to {counted(estimate.training_images, 'training image')}"
    yield (
        f"{f'the fit of {fit} continues and' if estimate.continued else f'fitting {fit}'} "
        f"takes {estimate.at_most}{duration(estimate.seconds)} "
        f"({estimate.images_per_second:,.0f} images/s)"
    )
    if estimate.can_end_early:
        yield "  few training images: it ends when the loss on the validation split stops falling"
    yield "  it is cached for the next time, and an interrupted fit continues where it stopped"


def _data_config(request: EvaluationRequest, model: Model | None) -> DataConfig:
    """Return the data of the model, or other data with the same settings."""
    changes = {
        **{"source": request.data, "root": request.data_root},
        **{"image_size": request.image_size, "bad_files": request.bad_files},
    }
    given = {key: value for key, value in changes.items() if value is not None}
    if model is None:
        if request.data is None:
            raise UsageError(
                f"{request.path} holds no model; name the real data to compare its images with: "
                "--data DATA"
            )
        return validate(DataConfig, given, where="the data")
    if request.image_size is not None:
        raise UsageError("--image-size is for folders of images; the size of a model is fixed")
    if request.other_data:
        if request.data is None:
            raise UsageError("--other-data needs --data; name the other data")
        size = (model.shape.height, model.shape.width)
        only = model.config.data.only_class
        return validate(
            DataConfig, {"image_size": size, "only_class": only, **given}, where="the data"
        )
    own = model.config.data if request.data is not None else training_data(model, request.data_root)
    values = {**own.model_dump(), **_NO_FOLDERS, **given}
    return validate(DataConfig, values, where="the data")


def _unseen(
    model: Model, splits: DatasetSplits, name: str, request: EvaluationRequest
) -> tuple[bool | None, bool]:
    """Return whether the reference is held out, and whether the training split is the model's."""
    if not request.other_data:
        check_same_split(model, splits, name)
    if has_same_split(model, splits):
        return True, True
    return check_unseen(model, splits, name), False


def _sample_set(
    request: EvaluationRequest,
    bad_files: BadFiles,
    model: Model | None,
    splits: DatasetSplits,
    name: str,
    progress: StageProgress,
) -> SampleSet:
    total, seed = request.samples, request.seed
    if model is None:
        return load_sample_folder(
            request.path, splits, total=total, seed=seed, progress=progress, bad_files=bad_files
        )
    run = run_of(request.path).path
    return sample_model(
        model, splits, total=total, seed=seed, name=name, run=run, progress=progress
    )


def _name(path: Path) -> str:
    resolved = path.resolve()
    return resolved.parent.name if resolved.name == "model" else resolved.name
