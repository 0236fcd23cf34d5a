"""How long each part of an evaluation takes, told while it runs.

The first picture of a report: samples beside real images, class by class.

The whole evaluation: every chapter in turn, and the report that they make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.class_coverage import coverage_section
from acgan.evaluation.class_head import with_class_head
from acgan.evaluation.diversity import diversity_section
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.fidelity import fidelity_section
from acgan.evaluation.labels import labels_section
from acgan.evaluation.latent import latent_section
from acgan.evaluation.memorization import memorization_section
from acgan.evaluation.prepare import PreparedEvaluation
from acgan.execution.progress import Stopwatch
from acgan.plots.grid import class_grid, png_bytes, side_by_side, strip
from acgan.report.report import Report
from acgan.report.section import ImageBlock, Section
from acgan.runs.environment import describe_environment, machine_in_words

_COLUMNS = 8
_MOST_CLASSES = 20


def overview(data: EvaluationData) -> ImageBlock:
    """The first samples of each class, unselected, and beside them the first test images."""
    if not data.sample_set.conditional:
        return _of_all(data)
    shown = range(min(len(data.group_names), _MOST_CLASSES))
    names = [data.group_names[index] for index in shown]
    test = data.splits.test
    samples = class_grid([data.sample_set.of_class(index)[:_COLUMNS] for index in shown], names)
    real = class_grid(
        [test.images[test.labels == index][:_COLUMNS] for index in shown], [""] * len(names)
    )
    more = len(data.group_names) - len(names)
    left_out = f" Of {len(data.group_names)} classes the first {len(names)} are shown." * (more > 0)
    return ImageBlock(
        "Samples and real images",
        png_bytes(side_by_side([samples, real], ["samples", "real test images"])),
        "On the left the first samples of each class as they came, none chosen; on the right the "
        f"first real images of the test part.{left_out}",
    )


def _of_all(data: EvaluationData) -> ImageBlock:
    test, count = data.splits.test, _COLUMNS**2
    chosen = np.random.default_rng(data.seed).permutation(len(test))[:count]
    grids = [
        strip(images, columns=_COLUMNS)
        for images in (data.sample_set.samples[:count], test.images[chosen])
    ]
    return ImageBlock(
        "Samples and real images",
        png_bytes(side_by_side(grids, ["samples", "real test images"])),
        "On the left the first samples as they came, none chosen; on the right real images of the "
        "test part, chosen by chance.",
    )


def evaluate(prepared: PreparedEvaluation, watch: Stopwatch) -> tuple[Section, ...]:
    """Every measure of the samples, as chapters in reading order.

    The same data gives the same figures. Copies of training images are looked for where the
    training part is the one that the samples' maker learned from.
    """
    data, extractors = prepared.data, prepared.extractors
    for extractor in extractors:
        watch.timed(f"{extractor.name}: samples", partial(data.sample_predictions, extractor))
        watch.timed(f"{extractor.name}: real images", partial(_look_at_real, data, extractor))
    chapters: list[tuple[str, Callable[[], Section | None]]] = [
        ("fidelity", lambda: fidelity_section(data, extractors)),
        ("labels", lambda: _labels(prepared)),
        ("diversity", lambda: diversity_section(data)),
    ]
    if prepared.own_training_split:
        chapters.append(("memorization", lambda: memorization_section(data)))
    chapters.append(("latent structure", lambda: latent_section(data)))
    sections = [watch.timed(name, chapter) for name, chapter in chapters]
    done = tuple(each for each in sections if each is not None)
    return done if data.sample_set.conditional else tuple(map(_without_classes, done))


def _labels(prepared: PreparedEvaluation) -> Section:
    data = prepared.data
    if data.sample_set.conditional:
        return with_class_head(labels_section(data, prepared.imagenet), data)
    return with_class_head(coverage_section(data), data)


def _without_classes(section: Section) -> Section:
    """All samples were one group: what stands under "per class" is the figure itself once more.

    But for figures of real images, which have classes.
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
    """The chapters as a report, with all that is needed to make it again.

    Args:
        prepared: what they were made from.
        sections: in reading order.
        seconds: by part of the work.
        command: the command line.
        date: ISO 8601; empty to leave it out.
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
    """What a report says of the judge; nothing where there is none."""
    reference_classifier, splits = prepared.data.reference_classifier, prepared.data.splits
    if reference_classifier is None:
        return {}
    return {
        "accuracy_on_test": reference_classifier.record.accuracies[splits.test.content_hash],
        "accuracy_on_validation": reference_classifier.record.accuracies[
            splits.validation.content_hash
        ],
        "train_images": reference_classifier.record.train_images,
        "train_hash": reference_classifier.record.train_hash,
        "weights_hash": reference_classifier.weights_hash(),
        "seed": reference_classifier.record.seed,
        "horizontal_flip": prepared.horizontal_flip,
    }


def _look_at_real(data: EvaluationData, extractor: Extractor) -> None:
    data.split_predictions(extractor, "validation")
    data.split_predictions(extractor, "test")
