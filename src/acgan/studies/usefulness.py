"""Usefulness of samples as training images: one network, fitted to real images, samples and both.

The Classification Accuracy Score (Ravuri & Vinyals 2019; "GAN-train" in Shmelkov et al. 2018) is
the test accuracy of a classifier trained on samples alone. Other arms mix real images and samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from acgan.classifiers.fit import measure_images_per_second
from acgan.data.images import DatasetSplits, Images, LabeledImages
from acgan.errors import DataError, UsageError, counted
from acgan.evaluation.evaluation_data import HeldOutSplit
from acgan.execution.progress import StageProgress
from acgan.model.model import Model
from acgan.report.report import duration
from acgan.studies.arm_fits import Fitted, cached_fits, fit_arm, initial_network, network_hash
from acgan.studies.arms import (
    Arm,
    Samples,
    UsefulnessConfig,
    compose,
    given_samples,
    model_samples,
    study_arms,
)
from acgan.studies.usefulness_result import ArmResult, Usefulness

_SEEDS, _LEAST_SEEDS = (0, 1, 2), 3
_FORMAT = 1  # of the cached fits; another number invalidates all of them


def check_maker(model: Model | None, splits: DatasetSplits, conditional: bool) -> None:
    """Check what can be checked before samples are generated.

    Args:
        model: of the samples; None for images of another tool.
        splits: the real images.
        conditional: whether the samples have target labels.

    Raises:
        UsageError: they have none.
        DataError: the data have fewer than two classes or a class without training images, or the
            model was trained on other images.
    """
    if not conditional:
        raise UsageError(
            "--usefulness trains classifiers on samples of known classes, and these samples have "
            "no labels; leave it out"
        )
    _check_data(splits, None if model is None else model_samples(model).trained_on)


def _check_data(splits: DatasetSplits, trained_on: str | None) -> None:
    if len(splits.classes) < 2:
        raise DataError("a usefulness study needs data with at least two classes")
    if not splits.train.class_counts.min():
        empty = splits.classes[int(splits.train.class_counts.argmin())].name
        raise DataError(f"the training split has no image of {empty}; leave that class out")
    if trained_on not in {None, splits.train.content_hash}:
        raise DataError(
            "the samples' model was trained on other images than this training split, so the "
            "comparison would be unfair: the samples would contain information that the real arms "
            "lack. Give the data of its training, with the same --fraction, --per-class or "
            "--long-tail"
        )


def _check_seeds(seeds: Sequence[int]) -> None:
    if len(set(seeds)) < _LEAST_SEEDS or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UsageError(
            "a usefulness study needs at least three different seeds, none below 0: fewer cannot "
            f"separate an effect from chance (got {', '.join(map(str, seeds)) or 'none'})"
        )


def _check_classes(samples: LabeledImages, splits: DatasetSplits) -> None:
    mine, real = ([each.name for each in some] for some in (samples.classes, splits.classes))
    if mine != real:
        raise DataError(
            f"the samples' classes are {', '.join(mine)}, the data's {', '.join(real)}; "
            "name the samples' folders as the data's classes"
        )


def _possible_arms(
    arms: tuple[Arm, ...], source: Samples, splits: DatasetSplits
) -> tuple[tuple[Arm, ...], list[str]]:
    """Return the arms for which there are enough samples, and a sentence on each of the others."""
    if source.available is None:
        return arms, []
    available = np.array(source.available)
    possible = tuple(arm for arm in arms if (np.array(arm.synthetic) <= available).all())
    if not any(arm.has_samples for arm in possible):
        raise DataError(
            f"{available.sum()} samples are too few for any arm; a study needs as many of each "
            f"class as the training split has ({', '.join(map(str, splits.train.class_counts))})"
        )
    return possible, [
        f"Left out because samples are missing: {arm.title} (it needs {sum(arm.synthetic):,})."
        for arm in arms
        if arm not in possible
    ]


def _notes_on(arms: Sequence[Arm], source: Samples) -> Iterator[str]:
    """Yield sentences on samples of unknown origin and on arms that are the same training set."""
    if source.trained_on is None:
        yield (
            "The training images of the samples' generator are unknown. If there were more real "
            "images than in the training split, the samples look more useful than they are."
        )
    for index, arm in enumerate(arms):
        same = next((other for other in arms[:index] if other.content == arm.content), None)
        if same is not None:
            yield f"“{arm.title}” is the same training set as “{same.title}” here."


def expected_time(splits: DatasetSplits, config: UsefulnessConfig, fits: int | None = None) -> str:
    """Return a line on the time of a study, by a measurement of a second or two.

    Args:
        splits: the real images.
        config: of the study.
        fits: the number of fits to make; None for all of a study with the default seeds.
    """
    if fits is None:
        contents = {arm.content for arm in study_arms(splits.train.class_counts, config)}
        fits = len(contents) * len(_SEEDS)
    network = initial_network(config.network, splits.train, 0)
    rate = measure_images_per_second(network, splits.train, config.fit)
    return (
        f"usefulness: at most {counted(fits, 'fit')} of {config.fit.images:,} images take "
        f"{duration(fits * config.fit.images / rate)} ({rate:,.0f} images/s); "
        "finished fits are kept"
    )


def usefulness(
    splits: DatasetSplits,
    samples: Samples | LabeledImages,
    *,
    config: UsefulnessConfig,
    seeds: Sequence[int] = _SEEDS,
    folder: Path | None = None,
    split: HeldOutSplit = "test",
    progress: StageProgress | None = None,
    announce: Callable[[str], None] = lambda _line: None,
) -> Usefulness:
    """Fit the same network to every arm at every seed, and test it on real images.

    Every fit has the same number of steps, so an arm of more images shows each of them less often.
    At one seed all arms start from the same weights and share one set of samples, of which smaller
    arms have a subset; other seeds have other weights, another order and other samples. The test
    images influence no choice.

    Args:
        splits: ``train`` is exactly the real split that the samples' generator was trained on.
        samples: of a model (`model_samples`), any function, or given images.
        config: arms, network and fit; see `usefulness_config`.
        seeds: at least three, each once, not negative.
        folder: where fits are cached, so that the same call continues an interrupted study.
        split: the real images to test on; ``validation`` while choosing a configuration.
        progress: of the whole study.
        announce: called with the expected time of the fits that are not cached, if there are any.

    Raises:
        UsageError: fewer than three seeds, or one twice.
        DataError: the samples' generator was trained on other images; sizes or classes differ; a
            class has no training image; given samples are too few for any arm.
        DivergedError: the loss of a fit is not finite.
        DiskError: the folder cannot be written.

    Example:
        >>> study = usefulness(  # doctest: +SKIP
        ...     splits, model_samples(model), config=usefulness_config(splits.train, flip=True)
        ... )
        >>> study.by_key["synthetic"].accuracy  # doctest: +SKIP
        (0.801, 0.796, 0.804)
    """
    _check_seeds(seeds)
    if isinstance(samples, LabeledImages):
        _check_classes(samples, splits)
        samples = given_samples(samples)
    source = samples
    _check_data(splits, source.trained_on)
    train: LabeledImages = splits.train
    tested: LabeledImages = getattr(splits, split)
    if not len(tested):
        raise DataError(f"the {split} split has no images to test on")
    arms, notes = _possible_arms(study_arms(train.class_counts, config), source, splits)
    # No arm may be smaller than a batch, or it would have another number of steps.
    batch_size = min(config.fit.batch_size, *(arm.images for arm in arms))
    needed = np.array([arm.synthetic for arm in arms]).max(axis=0)
    images, made, left = config.fit.images, 0, 0

    def fit(arm: Arm, seed: int, generate: Callable[[int, int], Images]) -> Fitted:
        nonlocal made
        stage = f"fit {made + 1} of {left} (seed {seed}, {arm.title}): images"
        before, made = made, made + 1
        return fit_arm(
            compose(arm, train, generate, seed=seed),
            train,
            tested,
            config,
            batch_size=batch_size,
            augmented=arm.augmented,
            seed=seed,
            progress=lambda done, of, _: report(stage, int(images * (before + done / of))),
        )

    def report(stage: str, done: int) -> None:
        if progress is not None:
            progress(stage, done, left * images)

    initial_hash = {
        seed: network_hash(initial_network(config.network, train, seed)) for seed in seeds
    }
    determined_by = {
        (arm.key, seed): {
            "format": _FORMAT,
            "train": train.content_hash,
            "tested": tested.content_hash,
            "samples": source.identity if arm.has_samples else None,
            "arm": arm.content,
            "fit": json.loads(config.fit_of(augmented=arm.augmented).model_dump_json()),
            "batch_size": batch_size,
            "network": initial_hash[seed],
            "seed": seed,
        }
        for seed in seeds
        for arm in arms
    }
    fitted: dict[tuple[str, int], Fitted] = {}
    with cached_fits(folder) as cache:
        left = cache.missing(determined_by.values())
        if left:
            announce(expected_time(splits, config, left))
        for seed in seeds:
            generate = _samples_of_seed(source, splits, needed.tolist(), seed)
            for arm in arms:
                key = (arm.key, seed)
                name = {"arm": arm.key, "seed": seed}
                fitted[key] = cache.get(determined_by[key], name, partial(fit, arm, seed, generate))
    protocol = {
        "network": config.network.model_dump(mode="json"),
        "fit": config.fit.model_dump(mode="json"),
        "steps": sorted({each.steps for each in fitted.values()}),
        "batch_size": batch_size,
        "ratios": list(config.ratios),
        "headline_ratio": config.headline_ratio,
        "balance_cap": config.balance_cap,
        "seeds": list(seeds),
        "train_images": len(train),
        "train_images_per_class": train.class_counts.tolist(),
        "train_hash": train.content_hash,
        "reference": split,
        "reference_images": len(tested),
        "reference_hash": tested.content_hash,
        "samples": source.identity,
        **source.origin,
    }
    return Usefulness(
        results=tuple(_result(arm, [fitted[arm.key, seed] for seed in seeds]) for arm in arms),
        seeds=tuple(seeds),
        classes=tuple(each.name for each in splits.classes),
        train_counts=tuple(train.class_counts.tolist()),
        config=config,
        protocol=protocol,
        notes=(*notes, *_notes_on(arms, source)),
    )


def _result(arm: Arm, fits: Sequence[Fitted]) -> ArmResult:
    confusions = tuple(each.confusion for each in fits)
    return ArmResult(arm, confusions, tuple(each.seconds for each in fits))


def _samples_of_seed(
    source: Samples, splits: DatasetSplits, needed: Sequence[int], seed: int
) -> Callable[[int, int], Images]:
    """Return ``generate(class, count)`` for the samples of one study seed.

    All samples that a class may need are generated when the first fit needs the class; a study
    whose fits are all cached generates none.
    """
    generated: dict[int, Images] = {}

    def generate(index: int, count: int) -> Images:
        if index not in generated:
            images = source.generate(index, needed[index], seed)
            if images.shape[1:] != splits.shape:
                raise DataError(
                    f"samples are arrays of {images.shape[1:]} (C, H, W), the real images of "
                    f"{tuple(splits.shape)}; generate samples of the data's size and color mode"
                )
            generated[index] = images
        return generated[index][:count]

    return generate
