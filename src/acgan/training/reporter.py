"""What a run tells while it goes on: metric rows, sheets of samples, alarms."""

from __future__ import annotations

from typing import final

from acgan.data.images import DataParts
from acgan.networks.interface import Generator
from acgan.run_config import RunConfig
from acgan.training.alarms import find_alarms, find_augmentation_alarm
from acgan.training.counters import Counters
from acgan.training.device import Choices
from acgan.training.known_faults import find_double_softmax, find_overasked, mean_class_loss
from acgan.training.labels import LabelSource
from acgan.training.learner import Learner
from acgan.training.observe import Observer
from acgan.training.recorder import Recorder
from acgan.training.snapshot import Snapshots


@final
class Reporter:
    """Looks at a run and has it recorded; the trajectory stays as it is.

    Args:
        config: the run.
        parts: the data.
        choices: device and precision.
        learner: what is looked at.
        labels: which classes fakes are asked for.
        counters: of the run; takes what alarms need from one look to the next.
        snapshots: the averaged generator as a person gets it.
        recorder: writes and shows what is found.
    """

    def __init__(
        self,
        config: RunConfig,
        parts: DataParts,
        choices: Choices,
        learner: Learner,
        labels: LabelSource,
        counters: Counters,
        snapshots: Snapshots,
        recorder: Recorder,
    ) -> None:
        self._objective = config.objective
        self._names = [each.name for each in parts.classes]
        self._learner = learner
        self._labels = labels
        self._counters = counters
        self._snapshots = snapshots
        self._recorder = recorder
        self._asks = learner.generator.conditional
        columns = config.reporting.sheet_columns
        self._observer = Observer(parts, columns, choices, conditional=self._asks)

    def real_sheet(self) -> None:
        """Real training images, to hold samples against."""
        self._recorder.picture("real", self._observer.real_sheet(), 0)

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
        self._recorder.row(row)

    def sheet(self, *, alarms: bool = False) -> None:
        """Samples from fixed latents; with ``alarms``, a look for what goes wrong."""
        images_seen = self._counters.images_seen
        generator = self._snapshots.take(images_seen)
        self._recorder.picture(f"{images_seen:012d}", self._observer.sheet(generator), images_seen)
        if alarms:
            for event in self._counters.bell.ring(self._alarms(generator), images_seen):
                self._recorder.event(event)

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
