"""What a person sees of a run while it goes on: metric rows, sheets, evidence for alarms.

Looks at training and validation images only, and leaves the training state as it is.

What a run tells while it goes on: metric rows, sheets of samples, alarms.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from PIL import Image

from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels
from acgan.data.split import random_order
from acgan.execution.execution import Execution
from acgan.metrics.arrays import Float64Array
from acgan.networks.interface import Discriminator, Generator
from acgan.plots.grid import class_grid, strip
from acgan.runs.config import RunConfig
from acgan.sampling.sampler import sample_images
from acgan.training.alarms import (
    AlarmEvidence,
    class_means,
    class_shares,
    coarse_variance_ratio,
    find_alarms,
    find_augmentation_alarm,
    find_double_softmax,
    find_overasked,
    mean_class_loss,
    overfitting,
)
from acgan.training.batches import LabelSource
from acgan.training.checkpoint_manager import Snapshots
from acgan.training.counters import Counters
from acgan.training.learner import Learner
from acgan.training.run_logger import Meters, RunLogger

_HELD_OUT = 500
_GRID_CLASSES = 30
_ALARM_IMAGES, _ALARM_PER_CLASS, _ALARM_LEAST = 640, 32, 4
_REAL_PER_CLASS = 100


@final
class Observer:
    """Draws and measures at events.

    Args:
        splits: the data.
        columns: samples of each class on a sheet; column i is seed i in every row. Of a generator
            without classes a sheet is a square of so many columns, seed after seed.
        execution: device and precision.
        conditional: whether the generator is asked for classes.
    """

    def __init__(
        self, splits: DatasetSplits, columns: int, execution: Execution, *, conditional: bool
    ) -> None:
        self._names = [c.name for c in splits.classes]
        self._columns = columns
        self._conditional = conditional
        self._execution = execution
        self._train, self._labeled = splits.train, splits.labeled
        held_out = splits.validation if len(splits.validation) else splits.labeled
        self._held_out_images, self._held_out_labels = _some(held_out, _HELD_OUT)
        self._real_images, self._real_labels = _some_of_each(held_out, _REAL_PER_CLASS)
        # without a validation part nothing is held out that D could be asked about
        self._known = _some(splits.train, _HELD_OUT) if len(splits.validation) else None
        present = np.flatnonzero(splits.labeled.class_counts)
        self._grid_classes = [int(k) for k in present[:_GRID_CLASSES]]
        per_class = max(_ALARM_LEAST, min(_ALARM_PER_CLASS, _ALARM_IMAGES // max(1, len(present))))
        self._alarm_labels: Labels = np.repeat(present, per_class).astype(np.int64)
        self._alarm_seeds = [seed for _ in present for seed in range(per_class)]

    def row(
        self, meters: Meters, discriminator: Discriminator, images_seen: int, step: int
    ) -> dict[str, Any]:
        """One row of metrics.jsonl: means over the interval, and D on held-out images now."""
        row: dict[str, Any] = {"images": images_seen, "step": step, **meters.means()}
        predicted, _ = self._answers(discriminator, self._held_out_images, self._held_out_labels)
        if predicted is not None:
            share = float((predicted == self._held_out_labels).mean())
            row.setdefault("class_accuracy", {})["real_held_out"] = share
        return row

    def grid(self, generator: Generator) -> Image.Image:
        """Samples from fixed latents, one row per class, values as they are."""
        if not self._conditional:
            images = sample_images(generator, None, range(self._columns**2))
            return strip(images, columns=self._columns)
        labels = np.repeat(self._grid_classes, self._columns)
        seeds = list(range(self._columns)) * len(self._grid_classes)
        images = sample_images(generator, labels, seeds)
        rows = images.reshape(-1, self._columns, *images.shape[1:])
        return class_grid(rows, [self._names[k] for k in self._grid_classes])

    def real_grid(self) -> Image.Image:
        """Real training images in the same arrangement."""
        if not self._conditional:
            chosen = random_order(len(self._train), "real sheet")[: self._columns**2]
            return strip(np.asarray(self._train.images[chosen]), columns=self._columns)
        rows = []
        for k in self._grid_classes:
            (indices,) = np.nonzero(self._labeled.labels == k)
            rows.append(np.asarray(self._labeled.images[indices[: self._columns]]))
        return class_grid(rows, [self._names[k] for k in self._grid_classes])

    def evidence(
        self, generator: Generator, discriminator: Discriminator, source_accuracy: dict[str, float]
    ) -> AlarmEvidence:
        """What the alarms look at, from a fixed set of samples and of held-out images."""
        if not self._conditional:
            return self._evidence_of_all(generator, discriminator, source_accuracy)
        fakes = sample_images(generator, self._alarm_labels.tolist(), self._alarm_seeds)
        classes = len(self._names)
        unknown = np.full(classes, np.nan)
        on_fakes, logits = self._answers(discriminator, fakes, self._alarm_labels)
        on_real, real_logits = self._answers(
            discriminator, self._held_out_images, self._held_out_labels
        )
        return AlarmEvidence(
            source_accuracy=source_accuracy,
            fake_class_accuracy=unknown
            if on_fakes is None
            else class_shares(on_fakes, self._alarm_labels, classes),
            held_out_class_accuracy=unknown
            if on_real is None
            else class_shares(on_real, self._held_out_labels, classes),
            variance_ratio=coarse_variance_ratio(
                fakes, self._alarm_labels, self._real_images, self._real_labels, classes
            ),
            source_logits=class_means(logits, self._alarm_labels, classes),
            overfitting=self._overfitting(discriminator, real_logits, logits),
        )

    def _evidence_of_all(
        self, generator: Generator, discriminator: Discriminator, source_accuracy: dict[str, float]
    ) -> AlarmEvidence:
        """All samples are one group: nobody asked for a class, so none can be ignored."""
        fakes = sample_images(generator, None, range(_ALARM_IMAGES))
        ratio = coarse_variance_ratio(
            fakes,
            np.zeros(len(fakes), np.int64),
            self._held_out_images,
            np.zeros(len(self._held_out_images), np.int64),
            classes=1,
        )
        unknown = np.full(1, np.nan)
        _, logits = self._answers(discriminator, fakes, np.zeros(len(fakes), np.int64))
        _, real = self._answers(discriminator, self._held_out_images, self._held_out_labels)
        known = self._overfitting(discriminator, real, logits)
        return AlarmEvidence(source_accuracy, unknown, unknown, ratio, unknown, known)

    def _overfitting(
        self, discriminator: Discriminator, held_out: Float64Array, fake: Float64Array
    ) -> float:
        """See `acgan.training.alarms.overfitting`; of logits on held-out images and samples."""
        if self._known is None:
            return float("nan")
        _, train = self._answers(discriminator, *self._known)
        return overfitting(train, held_out, fake)

    @torch.no_grad()
    def _answers(
        self, discriminator: Discriminator, images: Images, labels: Labels
    ) -> tuple[Labels | None, Float64Array]:
        """D's class of each image (None without a class head) and its source logit, float64 (N,).

        In evaluation mode. The labels are for a source head that is given them; no class head ever
        sees them.
        """
        discriminator.eval()
        classes, logits = [], []
        for start in range(0, len(images), _HELD_OUT):
            part = slice(start, start + _HELD_OUT)
            pixels = self._execution.pixels(torch.from_numpy(images[part]))
            given = torch.from_numpy(labels[part]).to(self._execution.device)
            with self._execution.autocast():
                answer = discriminator(pixels, given)
            logits.append(answer.source_logits.double().cpu().numpy())
            if answer.class_logits is not None:
                classes.append(answer.class_logits.argmax(dim=1).cpu().numpy())
        discriminator.train()
        return (np.concatenate(classes) if classes else None), np.concatenate(logits)


def _some(part: LabeledImages, count: int) -> tuple[Images, Labels]:
    """At most ``count`` images of a part, the same ones every time."""
    indices = np.sort(random_order(len(part), "held-out figures")[:count])
    return np.ascontiguousarray(part.images[indices]), part.labels[indices]


def _some_of_each(part: LabeledImages, per_class: int) -> tuple[Images, Labels]:
    """The first ``per_class`` images of each class."""
    indices = np.concatenate(
        [np.flatnonzero(part.labels == k)[:per_class] for k in range(len(part.classes))]
    )
    return np.ascontiguousarray(part.images[indices]), part.labels[indices]


@final
class Monitor:
    """Looks at a run and has it recorded; the trajectory stays as it is.

    Args:
        config: the run.
        splits: the data.
        execution: device and precision.
        learner: what is looked at.
        labels: which classes fakes are asked for.
        counters: of the run; takes what alarms need from one look to the next.
        snapshots: the averaged generator as a person gets it.
        recorder: writes and shows what is found.
    """

    def __init__(
        self,
        config: RunConfig,
        splits: DatasetSplits,
        execution: Execution,
        learner: Learner,
        labels: LabelSource,
        counters: Counters,
        snapshots: Snapshots,
        run_logger: RunLogger,
    ) -> None:
        self._objective = config.objective
        self._names = [each.name for each in splits.classes]
        self._learner = learner
        self._labels = labels
        self._counters = counters
        self._snapshots = snapshots
        self._logger = run_logger
        self._asks = learner.generator.conditional
        columns = config.reporting.grid_columns
        self._observer = Observer(splits, columns, execution, conditional=self._asks)

    def real_grid(self) -> None:
        """Real training images, to hold samples against."""
        self._logger.picture("real", self._observer.real_grid(), 0)

    def row(self) -> None:
        """One row of metrics, over the images since the last one."""
        counters = self._counters
        row = self._observer.row(
            counters.meters, self._learner.discriminator, counters.images_seen, counters.step
        )
        counters.meters.clear()
        counters.source_accuracy = row.get("source_accuracy", {})
        counters.class_loss = mean_class_loss(self._objective, row)
        counters.class_accuracy = row.get("class_accuracy", {}).get("real_train")
        if figures := self._learner.augmentation_figures():
            row["augmentation"] = figures
        self._logger.row(row)

    def grid(self, *, alarms: bool = False) -> None:
        """Samples from fixed latents; with ``alarms``, a look for what goes wrong."""
        images_seen = self._counters.images_seen
        generator = self._snapshots.take(images_seen)
        self._logger.picture(f"{images_seen:012d}", self._observer.grid(generator), images_seen)
        if alarms:
            for event in self._counters.alarm_tracker.ring(self._alarms(generator), images_seen):
                self._logger.event(event)

    def _alarms(self, generator: Generator) -> dict[str, str]:
        counters, names = self._counters, self._names
        evidence = self._observer.evidence(
            generator, self._learner.discriminator, counters.source_accuracy
        )
        probability = self._learner.augmentation_figures().get("probability")
        found = find_alarms(evidence, names if self._asks else None)
        found |= find_augmentation_alarm(probability)
        found |= find_double_softmax(counters.class_loss, counters.class_accuracy, len(names))
        if self._asks:
            labels = self._labels
            found |= find_overasked(evidence.source_logits, labels.real, labels.asked, names)
        return found
