"""Monitor of a run: metric rows, sample grids and alarms.

It uses training and validation images only, and leaves the training state unchanged.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from PIL import Image

from acgan.data.images import Images, LabeledImages, Labels
from acgan.data.split import random_order
from acgan.metrics.arrays import Float64Array
from acgan.networks.interface import Generator
from acgan.plots.grid import class_grid, strip
from acgan.plots.text import class_labels
from acgan.sampling.sampler import sample_images
from acgan.training.alarms import (
    AlarmEvidence,
    class_accuracies,
    class_means,
    coarse_variance_ratio,
    find_alarms,
    overfitting,
)
from acgan.training.learner import Learner
from acgan.training.run_logger import RunLogger
from acgan.training.state import Counters, RunContext

_HELD_OUT = 500
_GRID_CLASSES = 30
_ALARM_IMAGES, _ALARM_PER_CLASS, _ALARM_MIN = 640, 32, 4
_REAL_PER_CLASS = 100
# These two texts seed permutations; another spelling selects other images.
_GRID_ORDER, _HELD_OUT_ORDER = "real sheet", "held-out figures"


@final
class Monitor:
    """Measures a run at its events, updates the counters of its alarms and logs the results."""

    def __init__(
        self, context: RunContext, learner: Learner, counters: Counters, run_logger: RunLogger
    ) -> None:
        self._context, self._learner = context, learner
        self._counters, self._logger = counters, run_logger
        self._conditional = learner.generator.conditional
        self._columns = context.config.reporting.grid_columns
        splits = context.splits
        self._names = [c.name for c in splits.classes]
        self._labels = class_labels(self._names)
        held_out = splits.validation if len(splits.validation) else splits.labeled
        self._held_out_images, self._held_out_labels = _subset(held_out, _HELD_OUT)
        self._real_images, self._real_labels = _subset_of_each(held_out, _REAL_PER_CLASS)
        # Without a validation split there are no held-out images, so overfitting is unknown.
        self._train = _subset(splits.train, _HELD_OUT) if len(splits.validation) else None
        present = np.flatnonzero(splits.labeled.class_counts)
        self._grid_classes = [int(k) for k in present[:_GRID_CLASSES]]
        if self._conditional:
            per_class = min(_ALARM_PER_CLASS, _ALARM_IMAGES // max(1, len(present)))
            per_class = max(_ALARM_MIN, per_class)
            self._alarm_labels: Labels = np.repeat(present, per_class).astype(np.int64)
            self._alarm_seeds = [seed for _ in present for seed in range(per_class)]
        else:
            self._alarm_labels = np.zeros(_ALARM_IMAGES, np.int64)
            self._alarm_seeds = list(range(_ALARM_IMAGES))

    def row(self) -> None:
        """Log a row: means since the last row, and D's class accuracy on held-out images now.

        Class accuracies are balanced: means over classes.
        """
        counters = self._counters
        row: dict[str, Any] = {"images": counters.images_seen, "step": counters.step}
        row |= counters.meters.means()
        predicted, _ = self._predict(self._held_out_images, self._held_out_labels)
        if predicted is not None:
            recalls = class_accuracies(predicted, self._held_out_labels, len(self._names))
            row.setdefault("class_accuracy", {})["real_held_out"] = float(np.nanmean(recalls))
        counters.meters.clear()
        counters.source_accuracy = row.get("source_accuracy", {})
        objective = self._context.config.objective
        counters.class_loss = objective.mean_cross_entropy(row.get("discriminator", {}))
        counters.class_accuracy = row.get("class_accuracy", {}).get("real_train")
        if metrics := self._learner.augmentation_metrics():
            row["augmentation"] = metrics
        self._logger.row(row)

    def grid(self, *, alarms: bool = False) -> None:
        """Log samples from fixed latents; with ``alarms``, also log new alarms."""
        images_seen = self._counters.images_seen
        generator = self._learner.snapshot()
        self._logger.image(f"{images_seen:012d}", self._sample_grid(generator), images_seen)
        if alarms:
            found = find_alarms(self.evidence(generator))
            for event in self._counters.alarm_tracker.update(found, images_seen):
                self._logger.event(event)

    def _sample_grid(self, generator: Generator) -> Image.Image:
        """Return one row per class; column i has seed i. Without classes, a square of seeds."""
        columns, classes = self._columns, self._grid_classes
        if not self._conditional:
            return strip(sample_images(generator, None, range(columns**2)), columns=columns)
        labels, seeds = np.repeat(classes, columns), list(range(columns)) * len(classes)
        images = sample_images(generator, labels, seeds)
        rows = images.reshape(-1, columns, *images.shape[1:])
        return class_grid(rows, [self._labels[k] for k in classes])

    def real_grid(self) -> None:
        """Log real training images in the arrangement of the sample grids."""
        splits, columns = self._context.splits, self._columns
        if self._conditional:
            labeled, rows = splits.labeled, []
            for k in self._grid_classes:
                indices = np.flatnonzero(labeled.labels == k)[:columns]
                rows.append(np.asarray(labeled.images[indices]))
            image = class_grid(rows, [self._labels[k] for k in self._grid_classes])
        else:
            chosen = random_order(len(splits.train), _GRID_ORDER)[: columns**2]
            image = strip(np.asarray(splits.train.images[chosen]), columns=columns)
        self._logger.image("real", image, 0)

    def evidence(self, generator: Generator) -> AlarmEvidence:
        """Measure what the alarms need, on fixed samples and held-out images."""
        labels, counters = self._alarm_labels, self._counters
        target_labels = labels.tolist() if self._conditional else None
        fakes = sample_images(generator, target_labels, self._alarm_seeds)
        fake_classes, fake_logits = self._predict(fakes, labels)
        real_classes, real_logits = self._predict(self._held_out_images, self._held_out_labels)
        classes, real = len(self._names), (self._real_images, self._real_labels)
        if not self._conditional:  # all images form one group, without class predictions
            classes, fake_classes, real_classes = 1, None, None
            real = self._held_out_images, np.zeros(len(self._held_out_images), np.int64)
        r_v = float("nan")
        if self._train is not None:
            r_v = overfitting(self._predict(*self._train)[1], real_logits, fake_logits)
        shares = self._context.fake_labels
        return AlarmEvidence(
            class_names=self._names if self._conditional else None,
            source_accuracy=counters.source_accuracy,
            fake_class_accuracy=class_accuracies(fake_classes, labels, classes),
            held_out_class_accuracy=class_accuracies(real_classes, self._held_out_labels, classes),
            variance_ratio=coarse_variance_ratio(fakes, labels, *real, classes),
            source_logits=class_means(fake_logits, labels, classes),
            real_shares=shares.real_shares,
            fake_shares=shares.fake_shares,
            overfitting=r_v,
            class_loss=counters.class_loss,
            class_accuracy=counters.class_accuracy,
            augmentation_probability=self._learner.augmentation_metrics().get("probability"),
        )

    @torch.no_grad()
    def _predict(self, images: Images, labels: Labels) -> tuple[Labels | None, Float64Array]:
        """Return D's predicted classes (None without a class head) and source logits, float64 (N,).

        D runs in evaluation mode. The labels are input of a conditional source head only; a class
        head never has them as input.
        """
        discriminator, execution = self._learner.discriminator, self._context.execution
        discriminator.eval()
        classes, logits = [], []
        for start in range(0, len(images), _HELD_OUT):
            chunk = slice(start, start + _HELD_OUT)
            pixels = execution.pixels(torch.from_numpy(images[chunk]))
            given = torch.from_numpy(labels[chunk]).to(execution.device)
            with execution.autocast():
                output = discriminator(pixels, given)
            logits.append(output.source_logits.double().cpu().numpy())
            if output.class_logits is not None:
                classes.append(output.class_logits.argmax(dim=1).cpu().numpy())
        discriminator.train()
        return (np.concatenate(classes) if classes else None), np.concatenate(logits)


def _subset(split: LabeledImages, count: int) -> tuple[Images, Labels]:
    """Return at most ``count`` images of a split, always the same ones."""
    indices = np.sort(random_order(len(split), _HELD_OUT_ORDER)[:count])
    return np.ascontiguousarray(split.images[indices]), split.labels[indices]


def _subset_of_each(split: LabeledImages, per_class: int) -> tuple[Images, Labels]:
    """Return the first ``per_class`` images of each class."""
    indices = np.concatenate(
        [np.flatnonzero(split.labels == k)[:per_class] for k in range(len(split.classes))]
    )
    return np.ascontiguousarray(split.images[indices]), split.labels[indices]
