"""The chapter on labels: whether samples show the class that was asked for, and to whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.label_classifiers import (
    SMALLEST_COUNT,
    LabelClassifier,
    judge_reader,
    outside_reader,
    share_beside_real,
)
from acgan.evaluation.label_findings import label_findings
from acgan.evaluation.resolution import resolution, resolution_table
from acgan.metrics.accuracy import ClassAgreement
from acgan.report.section import Finding, Metric, Section, Table

View = tuple[ClassAgreement | None, ClassAgreement | None]
"""What a reader sees in the samples and in the real test images; None of no image."""

_WIDEST_MATRIX = 20  # classes up to which the whole confusion matrix is shown
_PAIRS = 20

_EXPLANATION = (
    "The judge is a classifier that learned from the real training images alone; it has never seen "
    "a sample, and is no part of the model. The share of samples that it reads as the class that "
    "was asked for says whether the label is obeyed. It errs on real images too, so its share of "
    "real test images stands beside: near it is as good as it gets. Above it is no triumph: such "
    "samples are more typical than reality. It says nothing of variety: one good picture a class "
    "is read right every time.",
    "The confusion matrix counts what was asked for (rows) and what the judge saw (columns). Right "
    "samples lie on the diagonal. A strong place elsewhere in a row is a class drawn under another "
    "name; rows that are all alike are a label that is ignored.",
    "Discriminability (Odena, Olah & Shlens 2017, §4.1) asks a classifier that has not even seen "
    "this data set: trained on ImageNet's photographs, it chooses among those of our classes that "
    "ImageNet has, by a published map (that of CINIC-10, Darlow et al. 2018), and takes the mean "
    "probability over the ImageNet classes that belong to one of ours (Geirhos et al. 2019). Where "
    "ImageNet has no such classes, a linear probe (Alain & Bengio 2016), which is a logistic "
    "regression on that network's features, learns them from real training images. Small images "
    "are not what that network grew up with: read its share only beside that of the real images.",
    "The resolution experiment (same paper, figures 2 and 3) takes up to 2 000 samples, shrinks "
    "them to half and to a quarter of their side, brings them back and asks again. Real images are "
    "read worse then, since their detail tells something. If samples are not, the model draws no "
    "detail that means anything. The readers learned from sharp images and may be lost with "
    "blurred ones: where real images are hardly read either, the comparison decides nothing.",
)


def labels_section(data: EvaluationData, imagenet: Extractor | None) -> Section:
    """Accuracy and confusion by the judge; discriminability or a probe; the resolution experiment.

    Args:
        data: samples, real parts and judge.
        imagenet: a classifier with ImageNet's 1000 classes; None to leave out what needs one.
    """
    readers = [judge_reader(data)]
    if imagenet is not None:
        readers.append(outside_reader(data, imagenet))
    names = data.group_names
    views = [_view(data, label_classifier) for label_classifier in readers]
    predicted, real = views[0]
    results = [resolution(data, label_classifier) for label_classifier in readers]
    metrics = [
        _metric(data, label_classifier, *view)
        for label_classifier, view in zip(readers, views, strict=True)
    ]
    blocks = [resolution_table(results, data.splits.shape)]
    findings: tuple[Finding, ...] = ()
    if predicted is not None and real is not None:
        blocks.insert(0, _confusion_table(names, predicted, real))
        findings = label_findings(
            names,
            predicted.confusion,
            real.confusion,
            at_half={result.label_classifier.extractor.name: result.at_half for result in results},
            outsiders={
                label_classifier.extractor.name: share_beside_real(*view)
                for label_classifier, view in zip(readers[1:], views[1:], strict=True)
            },
        )
    return Section(
        key="labels",
        title="Labels: do samples show the class that was asked for?",
        explanation=_EXPLANATION,
        metrics=(*metrics, *(metric for result in results for metric in result.metrics)),
        blocks=tuple(blocks),
        findings=findings,
        protocols={
            **{
                _protocol_key(label_classifier): data.protocol(
                    label_classifier.extractor, **label_classifier.protocol
                )
                for label_classifier in readers
            },
            **{result.protocol_key: result.protocol for result in results},
        },
        notes=tuple(_notes(data, readers)),
    )


def _view(
    data: EvaluationData, label_classifier: LabelClassifier
) -> tuple[ClassAgreement | None, ClassAgreement | None]:
    """What a reader sees in the samples and in the real test images."""
    test = data.splits.test
    return (
        label_classifier.agreement(
            data.sample_predictions(label_classifier.extractor), data.sample_set.target_labels
        ),
        label_classifier.agreement(
            data.split_predictions(label_classifier.extractor, "test"), test.labels
        ),
    )


def _metric(
    data: EvaluationData,
    label_classifier: LabelClassifier,
    predicted: ClassAgreement | None,
    real: ClassAgreement | None,
) -> Metric:
    share = share_beside_real(predicted, real)
    without = [
        name
        for name, known in zip(data.group_names, label_classifier.known, strict=True)
        if not known
    ]
    notes = []
    if share.value is None:
        notes.append(f"it takes at least {SMALLEST_COUNT} samples")
    elif any(
        one is None and known
        for one, known in zip(share.per_class, label_classifier.known, strict=True)
    ):
        notes.append(f"per class it takes at least {SMALLEST_COUNT} samples")
    if without:
        notes.append(f"without {', '.join(without)}, which it does not know")
    return Metric(
        measure=label_classifier.measure,
        title=label_classifier.title,
        extractor=label_classifier.extractor.name,
        value=share.value,
        aim="baseline",
        protocol=_protocol_key(label_classifier),
        baseline=share.baseline,
        interval=share.interval,
        per_class=share.per_class,
        per_class_baseline=share.per_class_baseline,
        note="; ".join(notes),
    )


def _protocol_key(label_classifier: LabelClassifier) -> str:
    return f"{label_classifier.measure}.{label_classifier.extractor.name}"


def _confusion_table(
    names: Sequence[str], predicted: ClassAgreement, real: ClassAgreement
) -> Table:
    """The whole matrix, or of many classes the pairs that are confused most."""
    if len(names) <= _WIDEST_MATRIX:
        return Table(
            title="Asked and seen class (judge)",
            header=("asked", *names),
            rows=tuple(
                (name, *map(int, row)) for name, row in zip(names, predicted.confusion, strict=True)
            ),
            caption="Samples by the class asked for (row) and the class that the judge sees "
            "(column); right ones lie on the diagonal.",
            heat=True,
        )
    wrong = predicted.confusion - np.diag(np.diagonal(predicted.confusion))
    target_labels, other = np.unravel_index(
        np.argsort(-wrong, axis=None, kind="stable"), wrong.shape
    )
    rows = [
        (
            names[a],
            names[b],
            int(wrong[a, b]),
            int(predicted.confusion[a].sum()),
            int(real.confusion[a, b]),
        )
        for a, b in zip(target_labels[:_PAIRS], other[:_PAIRS], strict=True)
        if wrong[a, b]
    ]
    return Table(
        title="The pairs confused most (judge)",
        header=("asked", "seen", "samples", "samples asked for", "real test images"),
        rows=tuple(rows),
        caption="Samples asked for as one class and seen as another, and the real test images of "
        "the one class that the judge takes for the other.",
    )


def _notes(data: EvaluationData, readers: Sequence[LabelClassifier]) -> list[str]:
    counts = np.bincount(data.sample_set.target_labels, minlength=len(data.group_names))
    missing = [name for name, count in zip(data.group_names, counts, strict=True) if not count]
    notes = []
    if missing:
        notes.append(f"There are no samples of {', '.join(missing)}; nothing is said of them.")
    if len(readers) == 1:
        notes.append(
            "There is no ImageNet classifier here, so discriminability by one is left out."
        )
    return notes
