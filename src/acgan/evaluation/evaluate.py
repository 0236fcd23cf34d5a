"""The whole evaluation: the chapters in reading order, and their report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from acgan.evaluation.charts import overview
from acgan.evaluation.class_coverage import coverage_section
from acgan.evaluation.class_head import with_class_head
from acgan.evaluation.diversity import diversity_section
from acgan.evaluation.fidelity import fidelity_section
from acgan.evaluation.labels import labels_section
from acgan.evaluation.latent import latent_section
from acgan.evaluation.memorization import memorization_section
from acgan.evaluation.prepare import PreparedEvaluation
from acgan.execution.progress import Stopwatch
from acgan.report.report import Report
from acgan.report.section import Section
from acgan.runs.environment import describe_environment, machine_in_words


def _labels(prepared: PreparedEvaluation) -> Section:
    data = prepared.data
    conditional = data.sample_set.conditional
    section = labels_section(data, prepared.imagenet) if conditional else coverage_section(data)
    return with_class_head(section, data)


_CHAPTERS: dict[str, Callable[[PreparedEvaluation], Section | None]] = {
    "fidelity": lambda prepared: fidelity_section(prepared.data, prepared.extractors),
    "labels": _labels,
    "diversity": lambda prepared: diversity_section(prepared.data),
    "memorization": lambda prepared: (
        memorization_section(prepared.data) if prepared.own_training_split else None
    ),  # only the training split of the model itself can show memorization
    "latent structure": lambda prepared: latent_section(prepared.data),
}
"""Chapters in reading order; None for one that cannot be measured."""


def evaluate(prepared: PreparedEvaluation, watch: Stopwatch) -> tuple[Section, ...]:
    """Return the chapters in reading order; equal data gives equal values.

    Args:
        prepared: samples, real splits and extractors.
        watch: measures the time of every extractor and chapter.
    """
    data = prepared.data
    for extractor in prepared.extractors:
        name = extractor.name
        watch.timed(f"{name}: samples", partial(data.sample_predictions, extractor))
        for split in ("validation", "test"):
            predict = partial(data.split_predictions, extractor, split)
            watch.timed(f"{name}: {split} images", predict)
    chapters = (watch.timed(name, partial(each, prepared)) for name, each in _CHAPTERS.items())
    sections = tuple(each for each in chapters if each is not None)
    return sections if data.sample_set.conditional else tuple(map(_without_classes, sections))


def _without_classes(section: Section) -> Section:
    """Remove values per class that repeat the overall value: all samples form one group.

    Metrics of real images keep theirs, since real images have classes.
    """
    metrics = [
        each if len(each.per_class) > 1 else replace(each, per_class=(), per_class_baseline=())
        for each in section.metrics
    ]
    return replace(section, metrics=tuple(metrics))


def report_of(
    prepared: PreparedEvaluation,
    sections: Sequence[Section],
    seconds: dict[str, float],
    *,
    command: str = "",
    date: str = "",
) -> Report:
    """Return the report, with everything needed to reproduce it.

    Args:
        prepared: the evaluated data.
        sections: chapters in reading order.
        seconds: duration of each stage.
        command: the command line.
        date: ISO 8601; empty to omit it.
    """
    data = prepared.data
    sample_set = data.sample_set
    environment = describe_environment()
    return Report(
        name=sample_set.name,
        data=data.splits.name,
        classes=tuple(each.name for each in data.splits.classes),
        samples=len(sample_set.samples),
        origin=sample_set.origin,
        sections=tuple(sections),
        held_out=data.held_out,
        overview=overview(data),
        config=sample_set.model.config.trajectory() if sample_set.model else None,
        reference_classifier=_reference_classifier(prepared),
        notes=prepared.notes,
        seconds=seconds,
        versions={name: environment[name] for name in ("acgan", "python", "torch", "numpy")},
        machine=machine_in_words(),
        command=command,
        date=date,
    )


def _reference_classifier(prepared: PreparedEvaluation) -> dict[str, Any]:
    """Facts about the reference classifier; empty if there is none."""
    classifier, splits = prepared.data.reference_classifier, prepared.data.splits
    if classifier is None:
        return {}
    record = classifier.record
    return {
        "accuracy_on_test": record.accuracies[splits.test.content_hash],
        "accuracy_on_validation": record.accuracies[splits.validation.content_hash],
        "train_images": record.train_images,
        "train_hash": record.train_hash,
        "weights_hash": classifier.weights_hash(),
        "seed": record.seed,
        "horizontal_flip": prepared.horizontal_flip,
    }
