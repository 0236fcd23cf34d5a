"""A quick check of a finished run: a few figures, and what they say is missing.

It takes seconds and reads the model folder, the validation images and the log only, so it never
changes a run. It is no evaluation: it cannot see fine detail, rare faults or memorized images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from acgan.classifiers.quick_classifier import fit_quick_classifier
from acgan.data.images import DatasetSplits
from acgan.errors import counted
from acgan.model.model import Model
from acgan.sampling.sampler import sample_images
from acgan.training.alarms import coarse_variance_ratio

SAMPLES, MOST_CLASSES, LARGE_SAMPLES = 500, 250, 100
"""Samples in all and classes that they are of; samples of more than 64×64 pixels."""
FEW_IMAGES = 100
"""Training images of a class; with fewer, D memorizes them (docs/training.md, Alarms)."""
ENOUGH_BUDGET = 0.5  # of the recipe's: weak figures below it are put down to too little training
WEAK_ACCURACY = 0.05  # below the accuracy on held-out images
WEAK_DIVERSITY = 0.5
WEAK_UNLIKE = 0.1
_NAMED, _NAME = 2, 14  # classes that a line names, and characters of a name


@final
@dataclass(frozen=True, kw_only=True)
class QuickCheck:
    """Figures of a finished run; None where one cannot be measured.

    Attributes:
        images_seen: real images that D has seen.
        passes: the same in passes over the training images.
        recipe_images: the budget of the recipe for this data.
        sample_accuracy: balanced class accuracy of samples, see `quick_classifier`.
        held_out_accuracy: of the same classifier on validation images.
        diversity: mean over classes of `coarse_variance_ratio`; 1: as diverse as real images.
        unlike: share of samples that are unlike training images (`acgan.data.statistics`).
        few_images: classes with fewer than 100 training images, and their number.
        open_alarms: alarms that have not ended.
        continues: whether a larger budget continues this run; else it is a new run.
    """

    images_seen: int
    passes: float
    recipe_images: int | None
    sample_accuracy: float | None
    held_out_accuracy: float | None
    diversity: float | None
    unlike: float | None
    few_images: Mapping[str, int]
    open_alarms: tuple[str, ...]
    continues: bool

    @property
    def weak(self) -> tuple[str, ...]:
        """The figures below their thresholds, in words."""
        found = []
        samples, real = self.sample_accuracy, self.held_out_accuracy
        if samples is not None and real is not None and samples < real - WEAK_ACCURACY:
            found.append("class accuracy")
        if self.diversity is not None and self.diversity < WEAK_DIVERSITY:
            found.append("diversity")
        if self.unlike is not None and self.unlike > WEAK_UNLIKE:
            found.append("samples unlike real images")
        return tuple(found)

    @property
    def longer_budget(self) -> int | None:
        """The budget in images to train again with, if there was too little training.

        Too little: half of the recipe's budget or less, and a weak figure or less than one pass.
        A D that has memorized the training images needs more images, not more training.
        """
        recipe = self.recipe_images
        if recipe is None or self.images_seen > ENOUGH_BUDGET * recipe:
            return None
        memorized = "overfitting" in self.open_alarms
        return recipe if (self.weak or self.passes < 1) and not memorized else None

    def figures(self) -> str:
        """Return one line with every figure."""
        parts = []
        if self.sample_accuracy is not None:
            parts.append(f"balanced class accuracy {self.sample_accuracy:.2f}")
            parts[-1] += f" (held-out images: {self.held_out_accuracy:.2f})"
        if self.diversity is not None:
            parts.append(f"diversity {self.diversity:.2f} (real: 1)")
        if self.unlike is not None:
            parts.append(f"unlike real images: {self.unlike:.0%}")
        return f"quick check: {', '.join(parts) or 'too few images for a figure'}"

    def findings(self) -> Iterator[str]:
        """Yield what is missing, each with its figure; at least one sentence."""
        seen = f"{counted(self.images_seen, 'image')} ({self.passes:.2g} passes)"
        longer = self.longer_budget
        if longer is not None:
            share = f"{100 * self.images_seen / longer:.2g} % of the recipe's {longer:,}"
            yield f"too little training: {seen} are {share}"
        if self.few_images:
            counts = self.few_images.values()
            fewest, most = min(counts), max(counts)
            each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            named = [f"{_short(name)} {n}" for name, n in list(self.few_images.items())[:_NAMED]]
            more = f", {len(self.few_images) - _NAMED} more" if len(counts) > _NAMED else ""
            yield f"too few images: {each} per class ({', '.join(named)}{more}); add images of them"
        if self.open_alarms:
            alarms = ", ".join(_short(each) for each in self.open_alarms[:_NAMED])
            more = f" and {len(self.open_alarms) - _NAMED} more"
            more = more if len(self.open_alarms) > _NAMED else ""
            yield f"alarms that have not ended: {alarms}{more} (see the warnings above)"
        if self.weak and longer is None and not self.few_images and not self.open_alarms:
            yield f"weak: {', '.join(self.weak)}; try a larger budget (--images) or another recipe"
        if not (self.weak or self.few_images or self.open_alarms or longer):
            yield "these figures show no problem; they cannot show fine detail or memorized images"


def quick_check(
    model: Model, splits: DatasetSplits, recipe_images: int | None, rows: list[dict[str, Any]]
) -> QuickCheck:
    """Measure the figures of a finished run; takes seconds and is deterministic.

    Args:
        model: the run's.
        splits: its data; the test split is not used.
        recipe_images: the budget of the recipe for this data, if it has one in images.
        rows: of metrics.jsonl.
    """
    counts, validation = splits.labeled.class_counts, splits.validation
    labels = _target_labels(model, np.flatnonzero(counts))
    seeds = list(range(len(labels)))
    images = sample_images(model.generator, labels if model.conditional else None, seeds)
    accuracy = held_out = None
    if model.conditional and len(validation) and (counts > 0).sum() > 1:
        classifier = fit_quick_classifier(splits.labeled)
        accuracy = classifier.accuracy(images, labels)
        held_out = classifier.accuracy(validation.images[:SAMPLES], validation.labels[:SAMPLES])
    real = validation if len(validation) else splits.labeled
    real_labels = real.labels if model.conditional else np.zeros(len(real), np.int64)
    ratios = coarse_variance_ratio(
        images, labels, np.asarray(real.images), real_labels, len(splits.classes)
    )
    known = ratios[np.isfinite(ratios)]
    statistics = model.record.statistics or splits.statistics
    return QuickCheck(
        images_seen=model.images_seen,
        passes=model.images_seen / len(splits.train),
        recipe_images=recipe_images,
        sample_accuracy=accuracy,
        held_out_accuracy=held_out,
        diversity=float(known.mean()) if len(known) else None,
        unlike=float((statistics.distances(images) > 1).mean()),
        few_images={
            each.name: int(count)
            for each, count in zip(splits.classes, counts, strict=True)
            if model.conditional and 0 < count < FEW_IMAGES
        },
        open_alarms=tuple(_open_alarms(rows)),
        continues=model.config.optimizer.schedule == "constant",
    )


def _target_labels(model: Model, present: Any) -> Any:
    """Return the target labels of the samples, int64 (N,), equally many of each class."""
    total = SAMPLES if model.shape.height * model.shape.width <= 64**2 else LARGE_SAMPLES
    if not model.conditional:
        return np.zeros(total, np.int64)
    classes = present[:: -(-len(present) // MOST_CLASSES)]
    return np.repeat(classes, max(2, total // len(classes))).astype(np.int64)


def _open_alarms(rows: list[dict[str, Any]]) -> dict[str, None]:
    """Return the keys of the alarms without an end, in the order of their first event."""
    found: dict[str, None] = {}
    for row in rows:
        if row.get("event") == "alarm":
            found[row["about"]] = None
        elif row.get("event") == "alarm over":
            found.pop(row["about"], None)
    return found


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
