"""A quick check of a finished run: a few held-out figures, and what they say is missing.

It takes seconds and reads the model folder, the validation images and the log only, so it never
changes a run. It is no evaluation: it cannot see fine detail, rare faults or memorized images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.classifiers.quick_classifier import fit_quick_classifier
from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels
from acgan.data.split import sample_per_class
from acgan.errors import UsageError, brief
from acgan.model.model import Model
from acgan.recipes.recipe import Recipe, choose
from acgan.runs.config import RunConfig, TrainingConfig
from acgan.sampling.sampler import sample_images
from acgan.training.alarms import coarse_variance_ratio
from acgan.training.budget import describe_training, least_useful_budget, total_images

SAMPLES, MOST_CLASSES, LARGE_SAMPLES = 500, 250, 100
"""Samples in all and classes that they are of; samples of more than 64×64 pixels."""
FEW_IMAGES = 100
"""Training images of a class; with fewer, D memorizes them (docs/training.md, Alarms)."""
ENOUGH_BUDGET = 0.5  # of the recipe's: weak figures below it are put down to too little training
WEAK_ACCURACY = 0.05  # below the accuracy on held-out images
WEAK_DIVERSITY = 0.5
WEAK_UNLIKE = 0.1
BLANK_SHARE, MOSTLY_BLANK = 0.1, 0.5
BLANK_CONTRAST = 0.25  # of the lowest contrast of real images
_FEW_HELD_OUT = 5  # of a class; with fewer, their variance is too uncertain
_NAMED, _NAME = 2, 14  # classes that a line names, and characters of a name


@final
@dataclass(frozen=True, kw_only=True)
class SampleFigures:
    """Figures of samples, with those of real images; None where one cannot be measured.

    Attributes:
        accuracy: balanced class accuracy of samples, see `quick_classifier`.
        held_out_accuracy: of the same classifier on validation images.
        chance: of any classifier, one over the number of classes.
        accuracy_margin: smaller differences of accuracies are no finding.
        diversity: mean over classes of `coarse_variance_ratio`; 1: as diverse as real images.
        unlike: share of samples that are unlike training images (`acgan.data.statistics`).
        blank: share of samples nearly without contrast.
    """

    accuracy: float | None = None
    held_out_accuracy: float | None = None
    chance: float | None = None
    accuracy_margin: float = WEAK_ACCURACY
    diversity: float | None = None
    unlike: float = 0.0
    blank: float = 0.0

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, in words; of mostly blank samples only that, because the rest follows."""
        blank = f"{self.blank:.0%} are blank"
        if self.blank > MOSTLY_BLANK:
            return (blank,)
        found = [blank] if self.blank > BLANK_SHARE else []
        samples, real, chance = self.accuracy, self.held_out_accuracy, self.chance
        if samples is not None and samples < (real or 0) - self.accuracy_margin:
            how = "do not" if samples < (chance or 0) + self.accuracy_margin else "often do not"
            found.append(f"{how} show their class")
        if self.diversity is not None and self.diversity < WEAK_DIVERSITY:
            found.append("are too alike within a class")
        if self.unlike > WEAK_UNLIKE:
            found.append("are unlike real images")
        return tuple(found)

    def __str__(self) -> str:
        parts = []
        if self.accuracy is not None:
            parts.append(
                f"balanced class accuracy {self.accuracy:.2f} (held-out images "
                f"{self.held_out_accuracy:.2f}, chance {self.chance:.2g})"
            )
        if self.diversity is not None:
            parts.append(f"diversity {self.diversity:.2f} (real 1)")
        return ", ".join([*parts, f"unlike real {self.unlike:.0%}"])


@final
@dataclass(frozen=True, kw_only=True)
class QuickCheck:
    """Figures of a finished run, and what they say is missing.

    Attributes:
        images_seen: real images that D has seen.
        train_images: images of the training split.
        recipe_images: the budget of the recipe for this data.
        figures: of samples.
        few_images: classes with fewer than 100 training images, and their number; without classes,
            all images are one class.
        more_images: what to do about them.
        open_alarms: alarms that have not ended.
        recipe_mismatch: why the recipe is not meant for these images.
        better_recipe: the default recipe for them, if there is a mismatch.
        conditional: whether the model has classes.
    """

    images_seen: int
    train_images: int
    recipe_images: int | None
    figures: SampleFigures
    few_images: Mapping[str, int]
    more_images: str
    open_alarms: tuple[str, ...]
    recipe_mismatch: str | None = None
    better_recipe: str | None = None
    conditional: bool = True

    @property
    def too_little_training(self) -> bool:
        """Whether there was too little training.

        That is less than the least useful budget; or half of the recipe's budget or less, and a
        weak figure. A D that has memorized the training images needs more images instead.
        """
        if self.images_seen < least_useful_budget(self.train_images):
            return True
        recipe = self.recipe_images
        below = recipe is not None and self.images_seen <= ENOUGH_BUDGET * recipe
        return below and bool(self.figures.faults) and "overfitting" not in self.open_alarms

    @property
    def longer_budget(self) -> int | None:
        """The budget in images to train again with, if more training may help."""
        recipe = self.recipe_images or 0
        if self.too_little_training:
            return max(recipe, least_useful_budget(self.train_images))
        causes = self.few_images or self.open_alarms or self.recipe_mismatch
        if self.figures.faults and not causes:
            return max(recipe, 2 * self.images_seen)
        return None

    @property
    def changes(self) -> dict[str, Any]:
        """The arguments of `acgan.training.train.train` that improve the run; empty if none do."""
        if self.figures.faults and self.better_recipe is not None:
            return {"recipe": self.better_recipe}
        return {} if self.longer_budget is None else {"images": self.longer_budget}

    def findings(self) -> list[str]:
        """Return the amount of training, and what is weak or missing."""
        found = [
            describe_training(
                self.images_seen,
                self.train_images,
                self.recipe_images,
                too_little=self.too_little_training,
            )
        ]
        if self.few_images:
            counts = self.few_images.values()
            fewest, most = min(counts), max(counts)
            each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            named = [
                f"{brief(name, _NAME)} {n}" for name, n in list(self.few_images.items())[:_NAMED]
            ]
            more = f", {len(counts) - _NAMED} more" if len(counts) > _NAMED else ""
            if self.conditional:
                each += f" per class ({', '.join(named)}{more})"
            found.append(f"too few images: {each}; {self.more_images}")
        if self.open_alarms:
            alarms = ", ".join(brief(each, _NAME) for each in self.open_alarms[:_NAMED])
            more = f" and {len(self.open_alarms) - _NAMED} more"
            more = more if len(self.open_alarms) > _NAMED else ""
            found.append(f"alarms that have not ended: {alarms}{more} (see the warnings above)")
        if self.figures.faults:
            found.append(f"weak samples: {', '.join(self.figures.faults)}")
            if self.recipe_mismatch:
                found.append(f"another recipe: {self.recipe_mismatch}")
            elif self.longer_budget and not self.too_little_training:
                found.append("more training may help, or another recipe (`acgan recipes`)")
        if len(found) == 1 and not self.too_little_training:
            found.append(
                "these figures show no problem; they cannot show fine detail or memorized images"
            )
        return found


def quick_check(
    model: Model,
    splits: DatasetSplits,
    config: RunConfig,
    recipe: Recipe,
    logs: Iterable[Iterable[Mapping[str, Any]]],
) -> QuickCheck:
    """Measure the figures of a finished run; takes seconds and is deterministic.

    Args:
        model: the run's.
        splits: its data; the test split is not used.
        config: its settings.
        recipe: its recipe, with the budget for this data.
        logs: the rows of metrics.jsonl; of a set, of each of its models.
    """
    counts = splits.labeled.class_counts
    labels = _target_labels(model, np.flatnonzero(counts)) if model.conditional else None
    seeds = list(range(len(labels) if labels is not None else _sample_count(model)))
    images = sample_images(model.generator, labels, seeds)
    mismatch, better = recipe.mismatch(splits.shape), None
    if mismatch is not None:
        with suppress(UsageError):
            better = choose(splits.shape, len(splits.train), conditional=model.conditional).name
    return QuickCheck(
        images_seen=model.images_seen,
        train_images=len(splits.train),
        recipe_images=total_images(
            TrainingConfig.model_validate(recipe.values["training"]), len(splits.train)
        ),
        figures=measure_samples(images, labels, splits),
        few_images=few_images(splits, conditional=model.conditional),
        more_images=_more_images(config),
        open_alarms=tuple(alarm for rows in logs for alarm in _open_alarms(rows)),
        recipe_mismatch=mismatch,
        better_recipe=better,
        conditional=model.conditional,
    )


def few_images(splits: DatasetSplits, *, conditional: bool) -> dict[str, int]:
    """Return the classes with too few training images; all images are one without classes."""
    if not conditional:
        names, counts = ["images"], [len(splits.train)]
    else:
        names = [each.name for each in splits.classes]
        counts = splits.labeled.class_counts.tolist()
    return {n: count for n, count in zip(names, counts, strict=True) if 0 < count < FEW_IMAGES}


def measure_samples(images: Images, labels: Labels | None, splits: DatasetSplits) -> SampleFigures:
    """Measure samples (N, C, H, W) of the target labels (N,); None for samples without classes."""
    held_out = _some_of_each(splits.validation) if len(splits.validation) else None
    present = splits.labeled.class_counts > 0
    accuracy = real_accuracy = chance = None
    margin = WEAK_ACCURACY
    if labels is not None and held_out is not None and present.sum() > 1:
        classifier = fit_quick_classifier(splits.labeled)
        accuracy = classifier.accuracy(images, labels)
        real_accuracy = classifier.accuracy(held_out.images, held_out.labels)
        chance = 1 / int(present.sum())
        margin = max(margin, 2 * _error(accuracy, len(images), real_accuracy, len(held_out)))
    real = held_out
    if real is None or real.class_counts[present].min() < _FEW_HELD_OUT:
        real = _some_of_each(splits.labeled)
    real_labels, classes = real.labels, len(splits.classes)
    if labels is None:  # all images form one class
        labels, real_labels = np.zeros(len(images), np.int64), np.zeros(len(real), np.int64)
        classes = 1
    ratios = coarse_variance_ratio(images, labels, real.images, real_labels, classes)
    known = ratios[np.isfinite(ratios)]
    statistics = splits.statistics
    contrast = images.std(axis=(1, 2, 3), dtype=np.float64)
    return SampleFigures(
        accuracy=accuracy,
        held_out_accuracy=real_accuracy,
        chance=chance,
        accuracy_margin=margin,
        diversity=float(known.mean()) if len(known) else None,
        unlike=float((statistics.distances(images) > 1).mean()),
        blank=float((contrast < BLANK_CONTRAST * statistics.contrast[0]).mean()),
    )


def _some_of_each(split: LabeledImages) -> LabeledImages:
    """Return equally many images of each class, as far as there are, and about `SAMPLES` in all."""
    each = max(_FEW_HELD_OUT, SAMPLES // len(split.classes))
    counts = np.minimum(split.class_counts, each).astype(np.int64)
    chosen = split.subset(sample_per_class(split.labels, split.classes, counts, seed=0))
    return LabeledImages(np.asarray(chosen.images), chosen.labels, chosen.classes)


def _error(samples: float, count: int, real: float, real_count: int) -> float:
    """Return the standard error of the difference of two accuracies (with Laplace's rule)."""
    shares = [((share * n + 1) / (n + 2), n) for share, n in ((samples, count), (real, real_count))]
    return math.sqrt(sum(share * (1 - share) / n for share, n in shares))


def _more_images(config: RunConfig) -> str:
    """Return how to get more training images, or what to do with few."""
    for name in ("per_class", "fraction", "long_tail"):
        if getattr(config.data, name) is not None:
            return f"leave out --{name.replace('_', '-')}"
    if config.data.labeled_per_class is not None:
        return "raise -o data.labeled_per_class"
    if not config.augmentation.policy:
        return "add images, or -o augmentation.policy=[translation]"
    return "add images"


def _sample_count(model: Model) -> int:
    return SAMPLES if model.shape.height * model.shape.width <= 64**2 else LARGE_SAMPLES


def _target_labels(model: Model, present: Any) -> Labels:
    """Return the target labels of the samples, int64 (N,), equally many of each class."""
    classes = present[:: -(-len(present) // MOST_CLASSES)]
    return np.repeat(classes, max(2, _sample_count(model) // len(classes))).astype(np.int64)


def _open_alarms(rows: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    """Return the keys of the alarms without an end, in the order of their first event."""
    found: dict[str, None] = {}
    for row in rows:
        if row.get("event") == "alarm":
            found[row["about"]] = None
        elif row.get("event") == "alarm over":
            found.pop(row["about"], None)
    return found
