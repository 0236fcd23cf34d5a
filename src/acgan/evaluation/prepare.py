"""Whether the reference is unseen: figures on images that a model learned from prove nothing.

From what a person names to data: subject, data, judge and extractors, each checked first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from acgan.classifiers.cache import cached_reference_classifier, reference_classifiers_folder
from acgan.classifiers.extractor import Extractor, build_extractor
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.batches import flip_keeps_class
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.data.split import image_digests
from acgan.errors import AcganError, DataError, UsageError
from acgan.evaluation.evaluation_data import EvaluationData, SampleSet
from acgan.evaluation.origin import origin_notes
from acgan.evaluation.sample_sets import load_sample_folder, sample_model
from acgan.execution.progress import StageProgress, Stopwatch
from acgan.model.folder import is_run_or_model, run_of
from acgan.model.model import Model, load


def has_same_split(model: Model, splits: DatasetSplits) -> bool:
    """Whether a model's record names exactly these three parts, by their content."""
    mine = splits.split_record()
    return all(
        part in model.split and model.split[part]["content_hash"] == mine[part]["content_hash"]
        for part in mine
    )


def check_same_split(model: Model, splits: DatasetSplits, name: str) -> None:
    """Refuse data whose test part is not the one that was cut off before the model was trained.

    Raises:
        DataError: it is another split, or other data.
    """
    if has_same_split(model, splits):
        return
    raise DataError(
        f"{name} was trained on another split than that of {splits.name}: its training images may "
        f"be among these test images, so they are no held-out reference. Give the data it was "
        f"trained on (it says {model.config.data.source!r}); or, for a set that it has never seen, "
        "add --other-data"
    )


def check_unseen(model: Model, splits: DatasetSplits, name: str) -> bool | None:
    """Whether no image of validation and test is among the model's own training images.

    Args:
        model: trained on other data than ``parts``.
        splits: what it is to be held against.
        name: of the model, for the message.

    Returns:
        True where the model's own data could be read and shares no image; None where they are
        not to be found, so that nobody knows.

    Raises:
        DataError: they share images.
    """
    try:
        own = load_data(model.config.data)
    except AcganError:
        return None
    if not has_same_split(model, own):
        return None
    predicted = set(image_digests(own.train))
    shared = sum(
        digest in predicted
        for part in (splits.validation, splits.test)
        for digest in image_digests(part)
    )
    if shared:
        raise DataError(
            f"{shared} of the validation and test images of {splits.name} are training images of "
            f"{name}: they cannot judge it as unseen; take data that share none with "
            f"{model.config.data.source!r}"
        )
    return True


EXTRACTORS = ("reference-classifier", "efficientnet-lite0")
"""Those that are asked by default: neither needs a download."""


@final
@dataclass(frozen=True)
class EvaluationRequest:
    """What a person asks to be evaluated.

    Attributes:
        path: a run, a model folder, or a folder of pictures: with a sub-folder for each class, or
            without any, as a model without classes would draw them.
        data: named set, folder or zip to hold it against; None for what the model learned from.
        data_root: folder of local copies of named sets.
        image_size: height and width to bring the data to; None for the model's, or as they are.
        samples: how many images to examine in all.
        seed: of the first sample of each class, and of every random choice in the measures.
        extractors: names, see `acgan.classifiers.extractor`; the judge is always asked.
        inception_weights: file of Inception's weights; None to look where they usually are.
        horizontal_flip: whether a mirrored image is of the same class; None to go by the data.
        other_data: ``data`` is not what the model learned from, and the person knows.
    """

    path: Path
    data: str | None = None
    data_root: str | None = None
    image_size: tuple[int, int] | None = None
    samples: int = 10_000
    seed: int = 0
    extractors: Sequence[str] = EXTRACTORS
    inception_weights: Path | None = None
    horizontal_flip: bool | None = None
    other_data: bool = False


@final
@dataclass(frozen=True, eq=False)
class PreparedEvaluation:
    """All that the measures need.

    Attributes:
        data: samples, real parts, judge.
        extractors: in whose features fidelity is measured, the judge first if there is one.
        imagenet: the one of them that knows ImageNet's classes, or None.
        own_training_split: whether the training part is the one the samples' maker learned from
            (for pictures from elsewhere: taken for it).
        horizontal_flip: whether mirrored images were taken to be of the same class.
        notes: sentences that a reader of the figures needs.
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
    check: Callable[[Model | None, DatasetSplits, bool], None] = lambda _model, _splits, _asked: (
        None
    ),
) -> PreparedEvaluation:
    """Read and check, draw the samples, fit or find the judge; what is cheap and can fail, first.

    Args:
        request: what is asked.
        watch: of the time that it takes.
        check: told of the model (None for pictures), the data, and whether classes were asked for,
            before anything is drawn or fitted; raises where what is planned with them cannot be.

    Raises:
        UsageError: there is nothing at the path, an option contradicts another, an extractor is
            not known.
        DataError: the data cannot be used, are of another kind, or cannot serve as held out.
        DiskError: the judge cannot be kept.
    """
    model = load(request.path) if _holds_model(request.path) else None
    config = _data_config(request, model)
    splits = watch.timed("data", lambda: load_data(config, progress=watch.progress))
    name = _name(request.path)
    held_out, own = (None, True) if model is None else _unseen(model, splits, name, request)
    _check_splits(splits)
    horizontal_flip = request.horizontal_flip
    if horizontal_flip is None:
        horizontal_flip = flip_keeps_class(config.source, splits.shape)
    imagenet, others = _other_extractors(request)
    if model is not None:
        check(model, splits, model.conditional)
    sample_set = watch.timed(
        "samples", lambda: _sample_set(request, model, splits, name, watch.progress)
    )
    if model is None:
        check(None, splits, sample_set.conditional)
    reference_classifier: ReferenceClassifier | None = None
    if len(splits.classes) > 1:
        reference_classifier = watch.timed(
            "judge", lambda: _reference_classifier(splits, horizontal_flip, watch.progress)
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
    extractors = (data.extractor, *(each for each in others if each is not fallback_extractor))
    return PreparedEvaluation(
        data=data,
        extractors=extractors,
        imagenet=imagenet,
        own_training_split=own,
        horizontal_flip=horizontal_flip,
        notes=tuple(origin_notes(model, splits, reference_classifier, held_out, own)),
    )


def _holds_model(path: Path) -> bool:
    """Whether a model is meant; a folder of pictures holds no JSON of ours.

    Raises:
        UsageError: there is nothing there, or a file.
    """
    # Of a path that is nothing at all `load` says what is missing.
    return not path.is_dir() or is_run_or_model(path)


def _data_config(request: EvaluationRequest, model: Model | None) -> DataConfig:
    """The model's own data, or others, cut as the model's own were."""
    changes = {
        "source": request.data,
        "root": request.data_root,
        "image_size": request.image_size,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    if model is None:
        if request.data is None:
            raise UsageError(
                f"{request.path} holds no model, so say what its pictures are to be held against: "
                "--data DATA"
            )
        return DataConfig(**given)
    if request.image_size is not None:
        raise UsageError("--image-size is for folders of pictures; a model has a size of its own")
    if request.other_data:
        if request.data is None:
            raise UsageError("--other-data needs --data: which others?")
        size = (model.shape.height, model.shape.width)
        only = model.config.data.only_class
        return DataConfig(**{"image_size": size, "only_class": only, **given})
    return model.config.data.model_copy(update=given)


def _unseen(
    model: Model, splits: DatasetSplits, name: str, request: EvaluationRequest
) -> tuple[bool | None, bool]:
    """Whether the reference is known to be unseen, and whether the training part is the model's."""
    if not request.other_data:
        check_same_split(model, splits, name)
    if has_same_split(model, splits):
        return True, True
    return check_unseen(model, splits, name), False


def _check_splits(splits: DatasetSplits) -> None:
    for part_name, part in (("validation", splits.validation), ("test", splits.test)):
        if not len(part):
            raise DataError(
                f"{splits.name} has no {part_name} image, and every figure needs real images that "
                "nothing was trained on; add images, or raise that part's share in the run"
            )


def _other_extractors(request: EvaluationRequest) -> tuple[Extractor | None, tuple[Extractor, ...]]:
    """The ImageNet classifier if it is wanted, and all that are wanted besides the judge."""
    wanted = [name for name in dict.fromkeys(request.extractors) if name != "reference-classifier"]
    built = {
        name: build_extractor(name, inception_weights=request.inception_weights) for name in wanted
    }
    return built.get("efficientnet-lite0"), tuple(built.values())


def _sample_set(
    request: EvaluationRequest,
    model: Model | None,
    splits: DatasetSplits,
    name: str,
    progress: StageProgress,
) -> SampleSet:
    total, seed = request.samples, request.seed
    if model is None:
        return load_sample_folder(request.path, splits, total=total, seed=seed, progress=progress)
    run = run_of(request.path).path
    return sample_model(
        model, splits, total=total, seed=seed, name=name, run=run, progress=progress
    )


def _reference_classifier(
    splits: DatasetSplits, horizontal_flip: bool, progress: StageProgress
) -> ReferenceClassifier:
    def told(predicted: int, total: int, _loss: float) -> None:
        progress("fitting the judge, kept for the next time", predicted, total)

    return cached_reference_classifier(splits, flip=horizontal_flip, progress=told)


def _name(path: Path) -> str:
    resolved = path.resolve()
    return resolved.parent.name if resolved.name == "model" else resolved.name
