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
from acgan.evaluation.evaluation_data import Evidence
from acgan.evaluation.fidelity import fidelity_section
from acgan.evaluation.labels import labels_section
from acgan.evaluation.latent import latent_of_all_section, latent_section
from acgan.evaluation.memorization import memorisation_section
from acgan.evaluation.prepare import Prepared
from acgan.execution.progress import Stopwatch
from acgan.plots.grid import class_sheet, png_bytes, side_by_side, strip
from acgan.report.report import Report
from acgan.report.section import Picture, Section
from acgan.runs.environment import describe_environment, machine_in_words

_COLUMNS = 8
_MOST_CLASSES = 20


def overview(evidence: Evidence) -> Picture:
    """The first samples of each class, unselected, and beside them the first test images."""
    if not evidence.subject.conditional:
        return _of_all(evidence)
    shown = range(min(len(evidence.names), _MOST_CLASSES))
    names = [evidence.names[index] for index in shown]
    test = evidence.parts.test
    samples = class_sheet([evidence.subject.of_class(index)[:_COLUMNS] for index in shown], names)
    real = class_sheet(
        [test.images[test.labels == index][:_COLUMNS] for index in shown], [""] * len(names)
    )
    more = len(evidence.names) - len(names)
    left_out = f" Of {len(evidence.names)} classes the first {len(names)} are shown." * (more > 0)
    return Picture(
        "Samples and real images",
        png_bytes(side_by_side([samples, real], ["samples", "real test images"])),
        "On the left the first samples of each class as they came, none chosen; on the right the "
        f"first real images of the test part.{left_out}",
    )


def _of_all(evidence: Evidence) -> Picture:
    test, count = evidence.parts.test, _COLUMNS**2
    chosen = np.random.default_rng(evidence.seed).permutation(len(test))[:count]
    sheets = [
        strip(images, columns=_COLUMNS)
        for images in (evidence.subject.samples[:count], test.images[chosen])
    ]
    return Picture(
        "Samples and real images",
        png_bytes(side_by_side(sheets, ["samples", "real test images"])),
        "On the left the first samples as they came, none chosen; on the right real images of the "
        "test part, chosen by chance.",
    )


def evaluate(prepared: Prepared, watch: Stopwatch) -> tuple[Section, ...]:
    """Every measure of the samples, as chapters in reading order.

    The same evidence gives the same figures. Copies of training images are looked for where the
    training part is the one that the samples' maker learned from.
    """
    evidence, extractors = prepared.evidence, prepared.extractors
    for extractor in extractors:
        watch.timed(f"{extractor.name}: samples", partial(evidence.samples_seen_by, extractor))
        watch.timed(f"{extractor.name}: real images", partial(_look_at_real, evidence, extractor))
    chapters: list[tuple[str, Callable[[], Section | None]]] = [
        ("fidelity", lambda: fidelity_section(evidence, extractors)),
        ("labels", lambda: _labels(prepared)),
        ("diversity", lambda: diversity_section(evidence)),
    ]
    if prepared.own_training_part:
        chapters.append(("memorisation", lambda: memorisation_section(evidence)))
    chapters.append(("latent structure", lambda: _latent(evidence)))
    sections = [watch.timed(name, chapter) for name, chapter in chapters]
    done = tuple(each for each in sections if each is not None)
    return done if evidence.subject.conditional else tuple(map(_without_classes, done))


def _labels(prepared: Prepared) -> Section:
    evidence = prepared.evidence
    if evidence.subject.conditional:
        return with_class_head(labels_section(evidence, prepared.imagenet), evidence)
    return with_class_head(coverage_section(evidence), evidence)


def _latent(evidence: Evidence) -> Section | None:
    section = latent_section if evidence.subject.conditional else latent_of_all_section
    return section(evidence)


def _without_classes(section: Section) -> Section:
    """All samples were one group: what stands under "per class" is the figure itself once more.

    But for figures of real images, which have classes.
    """
    figures = [
        each if len(each.per_class) > 1 else replace(each, per_class=(), per_class_floor=())
        for each in section.figures
    ]
    return replace(section, figures=tuple(figures))


def report_of(
    prepared: Prepared,
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
    evidence = prepared.evidence
    subject = evidence.subject
    environment = describe_environment()
    return Report(
        name=subject.name,
        data=evidence.parts.name,
        classes=tuple(each.name for each in evidence.parts.classes),
        samples=len(subject.samples),
        origin=subject.origin,
        sections=tuple(sections),
        held_out=evidence.held_out,
        overview=overview(evidence),
        config=subject.model.config.trajectory() if subject.model else None,
        judge=_judge(prepared),
        notes=prepared.notes,
        seconds=seconds,
        versions={name: environment[name] for name in ("acgan", "python", "torch", "numpy")},
        machine=machine_in_words(),
        command=command,
        date=date,
    )


def _judge(prepared: Prepared) -> dict[str, Any]:
    """What a report says of the judge; nothing where there is none."""
    judge, parts = prepared.evidence.judge, prepared.evidence.parts
    if judge is None:
        return {}
    return {
        "accuracy_on_test": judge.record.accuracies[parts.test.content_hash],
        "accuracy_on_validation": judge.record.accuracies[parts.validation.content_hash],
        "train_images": judge.record.train_images,
        "train_hash": judge.record.train_hash,
        "weights_hash": judge.weights_hash(),
        "seed": judge.record.seed,
        "mirrored": prepared.mirror,
    }


def _look_at_real(evidence: Evidence, extractor: Extractor) -> None:
    evidence.part_seen_by(extractor, "validation")
    evidence.part_seen_by(extractor, "test")
