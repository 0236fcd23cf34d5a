"""What a usefulness study fits, and how; the same for every arm.

What must hold before a usefulness study begins, and what a reader must be told of it.

Are samples any good to train on? One network, fitted to real images, to samples, and to both.

The Classification Accuracy Score (Ravuri & Vinyals 2019; "GAN-train" in Shmelkov et al. 2018) is
the test accuracy of a classifier that learned from samples alone. Its relatives mix real images
and samples. What the figures mean in words is `acgan.studies.usefulness_findings`'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from acgan.data.images import DatasetSplits, Images, LabeledImages
from acgan.errors import DataError, UsageError
from acgan.execution.progress import StageProgress
from acgan.model.model import Model
from acgan.studies.arm_fits import CachedFits, Fitted, fit_arm, initial_network, network_hash
from acgan.studies.arms import (
    Arm,
    Samples,
    compose,
    given_samples,
    model_samples,
    samples_needed,
    study_arms,
)
from acgan.studies.usefulness_config import UsefulnessConfig
from acgan.studies.usefulness_result import ArmResult, Usefulness

_LEAST_SEEDS = 3


def check_study(
    splits: DatasetSplits, given: Samples | LabeledImages, source: Samples, seeds: Sequence[int]
) -> None:
    """Refuse what would make a study unfair or impossible, with a sentence that says what to do.

    Raises:
        UsageError: fewer than three seeds, one twice, or one below 0.
        DataError: classes that differ or have no image; samples of a model that learned from
            other images.
    """
    if len(set(seeds)) < _LEAST_SEEDS or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UsageError(
            "a usefulness study takes at least three different seeds, none below 0: with fewer, "
            f"chance cannot be told from effect (got {', '.join(map(str, seeds)) or 'none'})"
        )
    if isinstance(given, LabeledImages):
        mine, real = ([each.name for each in some] for some in (given.classes, splits.classes))
        if mine != real:
            raise DataError(
                f"the samples' classes are {', '.join(mine)}, the data's {', '.join(real)}; "
                "name the samples' folders as the data's classes"
            )
    _check_data(splits, source.learned_from)


def check_maker(model: Model | None, splits: DatasetSplits, conditional: bool) -> None:
    """What can be refused before a sample is drawn.

    Args:
        model: that is to draw them; None for pictures from elsewhere.
        splits: the real images.
        conditional: whether samples are asked for by their class.

    Raises:
        UsageError: they are not.
        DataError: as `check_study`.
    """
    if not conditional:
        raise UsageError(
            "--usefulness trains classifiers on samples of known classes, and these are asked for "
            "none; leave it out"
        )
    _check_data(splits, None if model is None else model_samples(model).learned_from)


def _check_data(splits: DatasetSplits, learned_from: str | None) -> None:
    if len(splits.classes) < 2:
        raise DataError("a classifier tells classes apart, so the data need at least two of them")
    if not splits.train.class_counts.min():
        empty = splits.classes[int(splits.train.class_counts.argmin())].name
        raise DataError(f"the training part has no image of {empty}; leave that class out")
    if learned_from not in {None, splits.train.content_hash}:
        raise DataError(
            "the samples' model learned from other images than this training part: its samples "
            "would carry what the real arms cannot know, and the comparison would be unfair. Give "
            "the data as it was trained on, with the same --fraction, --per-class or --long-tail"
        )


def possible_arms(
    arms: tuple[Arm, ...], source: Samples, splits: DatasetSplits
) -> tuple[tuple[Arm, ...], list[str]]:
    """The arms for which there are samples enough, and a sentence on each of the others."""
    if source.available is None:
        return arms, []
    there = np.array(source.available)
    possible = tuple(arm for arm in arms if (np.array(arm.synthetic) <= there).all())
    if not any(arm.has_samples for arm in possible):
        raise DataError(
            f"{there.sum()} samples are too few for any arm; a study wants as many of each class "
            f"as the training part has ({', '.join(map(str, splits.train.class_counts.tolist()))})"
        )
    notes = [
        f"left out for want of samples: {arm.title} (it takes {sum(arm.synthetic):,})"
        for arm in arms
        if arm not in possible
    ]
    return possible, notes


def notes_on(arms: Sequence[Arm], source: Samples) -> Iterator[str]:
    """What a reader must know of these samples, and which arms are one and the same here."""
    if source.learned_from is None:
        yield (
            "Nobody knows here what the samples' maker learned from. If it saw more real images "
            "than the training part, the samples look more useful than they are."
        )
    for index, arm in enumerate(arms):
        for other in arms[:index]:
            if other.content == arm.content:
                yield f"“{arm.title}” is the same training set as “{other.title}” here."
                break


_FORMAT = 1  # of the kept fits; another number here makes all of them anew


def usefulness(
    splits: DatasetSplits,
    samples: Samples | LabeledImages,
    *,
    config: UsefulnessConfig,
    seeds: Sequence[int] = (0, 1, 2),
    folder: Path | None = None,
    part: Literal["test", "validation"] = "test",
    progress: StageProgress | None = None,
) -> Usefulness:
    """Fit the same network to every arm at every seed, and test it on real images.

    Every fit has the same number of steps, so an arm of more images shows each of them less often.
    At one seed all arms start from the same weights and share one set of samples, of which smaller
    arms hold a part; another seed has other weights, another order and other samples. Nothing is
    chosen by the tested part.

    Args:
        splits: ``train`` is the real training part, exactly what the samples' maker learned from.
        samples: of a model (`model_samples`), any function, or given images.
        config: what is fitted and how; `usefulness_config` knows what suits the data.
        seeds: three at least, each once, not negative.
        folder: where fits are kept as they are made: the same call goes on where it was killed.
        part: to test on; ``validation`` while choosing a configuration.
        progress: of the whole study.

    Raises:
        UsageError: fewer than three seeds, or one twice.
        DataError: the samples' maker learned from other images; sizes or classes differ; a class
            has no training image; given samples are too few for any arm.
        DivergedError: a fit became non-finite.
        DiskError: the folder cannot be written.

    Example:
        >>> study = usefulness(  # doctest: +SKIP
        ...     parts, model_samples(model), config=usefulness_config(parts.train, flip=True)
        ... )
        >>> study.by_key["synthetic"].accuracy  # doctest: +SKIP
        (0.801, 0.796, 0.804)
    """
    source = given_samples(samples) if isinstance(samples, LabeledImages) else samples
    check_study(splits, samples, source, seeds)
    tested: LabeledImages = getattr(splits, part)
    if not len(tested):
        raise DataError(f"the {part} part has no images to test on")
    arms, notes = possible_arms(study_arms(splits.train.class_counts, config), source, splits)
    study = _Study(splits, source, tested, config, min(arm.images for arm in arms))
    tell = progress or _silent
    fitted: dict[tuple[str, int], Fitted] = {}
    total = len(arms) * len(seeds)
    with CachedFits(folder) as kept:
        for seed in seeds:
            pool = _Pool(source, splits, samples_needed(arms), seed)
            for arm in arms:
                stage = f"seed {seed}, {arm.title}"
                tell(stage, 100 * len(fitted) // total, 100)

                def told(predicted: int, all_images: int, _loss: float, stage: str = stage) -> None:
                    tell(stage, int(100 * (len(fitted) + predicted / all_images) / total), 100)

                fitted[arm.key, seed] = study.fit(arm, seed, pool, kept, told)
    tell("fits done", 100, 100)
    return Usefulness(
        results=tuple(
            ArmResult(
                arm,
                tuple(fitted[arm.key, seed].confusion for seed in seeds),
                tuple(fitted[arm.key, seed].seconds for seed in seeds),
            )
            for arm in arms
        ),
        seeds=tuple(seeds),
        classes=tuple(each.name for each in splits.classes),
        train_counts=tuple(splits.train.class_counts.tolist()),
        config=config,
        protocol=study.protocol(part, seeds, {each.steps for each in fitted.values()}),
        notes=(*notes, *notes_on(arms, source)),
    )


@final
class _Pool:
    """Samples of one study seed, drawn when an arm first wants them, all a class may need at once.

    A study whose fits are all kept draws none.
    """

    def __init__(self, source: Samples, splits: DatasetSplits, needed: Any, seed: int) -> None:
        self._source, self._shape, self._needed, self._seed = source, splits.shape, needed, seed
        self._drawn: dict[int, Images] = {}

    def draw(self, index: int, count: int) -> Images:
        if index not in self._drawn:
            drawn = self._source.draw(index, int(self._needed[index]), self._seed)
            if drawn.shape[1:] != self._shape:
                raise DataError(
                    f"samples are arrays of {drawn.shape[1:]} (C, H, W), the real images of "
                    f"{tuple(self._shape)}; draw samples of the data's own size and color"
                )
            self._drawn[index] = drawn
        return self._drawn[index][:count]


@final
@dataclass(frozen=True, eq=False)
class _Study:
    splits: DatasetSplits
    source: Samples
    tested: LabeledImages
    config: UsefulnessConfig
    smallest_arm: int

    @property
    def batch_size(self) -> int:
        """Of all arms: no arm may be smaller, or it would get another number of steps."""
        return min(self.config.fit.batch_size, self.smallest_arm)

    def fit(self, arm: Arm, seed: int, pool: _Pool, kept: CachedFits, progress: Any) -> Fitted:
        def make() -> Fitted:
            images = compose(arm, self.splits.train, pool.draw, seed=seed)
            return fit_arm(
                images,
                self.splits.train,
                self.tested,
                self.config,
                batch_size=self.batch_size,
                augmented=arm.augmented,
                seed=seed,
                progress=progress,
            )

        start = initial_network(self.config.network, self.splits.train, seed)
        fit = self.config.fit_of(augmented=arm.augmented)
        determined_by = {
            "format": _FORMAT,
            "train": self.splits.train.content_hash,
            "tested": self.tested.content_hash,
            "samples": self.source.identity if arm.has_samples else None,
            "arm": arm.content,
            "fit": json.loads(fit.model_dump_json()),
            "batch_size": self.batch_size,
            "network": network_hash(start),
            "seed": seed,
        }
        return kept.get(determined_by, {"arm": arm.key, "seed": seed}, make)

    def protocol(self, part: str, seeds: Sequence[int], steps: set[int]) -> dict[str, Any]:
        return {
            "network": self.config.network.model_dump(mode="json"),
            "fit": self.config.fit.model_dump(mode="json"),
            "steps": sorted(steps),
            "batch_size": self.batch_size,
            "ratios": list(self.config.ratios),
            "headline_ratio": self.config.headline_ratio,
            "balance_cap": self.config.balance_cap,
            "seeds": list(seeds),
            "train_images": len(self.splits.train),
            "train_images_per_class": self.splits.train.class_counts.tolist(),
            "train_hash": self.splits.train.content_hash,
            "reference": part,
            "reference_images": len(self.tested),
            "reference_hash": self.tested.content_hash,
            "samples": self.source.identity,
            **self.source.origin,
        }


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
