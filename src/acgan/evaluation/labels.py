"""The labels chapter: do the samples show the class of their target label?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from acgan.classifiers.extractor import Extractor
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.label_classifiers import (
    SMALLEST_COUNT,
    Accuracy,
    LabelClassifier,
    accuracy_with_baseline,
    imagenet_label_classifier,
    reference_label_classifier,
)
from acgan.evaluation.label_findings import label_findings
from acgan.evaluation.resolution import resolution, resolution_table
from acgan.metrics.accuracy import ClassAgreement
from acgan.report.section import Finding, Metric, Section, Table

View = tuple[ClassAgreement | None, ClassAgreement | None]
"""Predictions on the samples and on the real test images; None for no images."""

_WIDEST_MATRIX = 20  # classes up to which the whole confusion matrix is shown
_PAIRS = 20

_EXPLANATION = (
    "The reference classifier is trained on the real training images alone; it is not part of the "
    "model and has not been trained on samples. GAN-test accuracy (Shmelkov, Schmid & Alahari "
    "2018) is the share of samples that it assigns to their target label. The classifier also errs "
    "on real images, so the baseline is its accuracy on real test images: a value near the "
    "baseline is as good as possible. A higher value means that the samples are more typical than "
    "real images. The accuracy does not measure diversity: one good image per class is always "
    "classified correctly.",
    "The confusion matrix counts samples by target label (rows) and predicted class (columns). "
    "Correct samples lie on the diagonal. A large count elsewhere in a row is a class that is "
    "generated under another label; rows that are all alike mean that the label is ignored.",
    "Discriminability (Odena, Olah & Shlens 2017, §4.1) uses a classifier that was not trained on "
    "this data set. It was trained on the photographs of ImageNet and chooses among the classes of "
    "this data that ImageNet contains, according to a published map (that of CINIC-10, Darlow et "
    "al. 2018); the score of a class is the mean probability of its ImageNet classes (Geirhos et "
    "al. 2019). If ImageNet does not contain the classes, a linear probe (Alain & Bengio 2016), a "
    "logistic regression on that network's features, is fitted to real training images. That "
    "network was not trained on small images: compare its accuracy only with that on real images.",
    "The resolution experiment (same paper, figures 2 and 3) reduces up to 2,000 samples to a half "
    "and to a quarter of their side, enlarges them again and repeats the classification. The "
    "accuracy on real images falls, since their detail carries information. If the accuracy on "
    "samples does not fall, the detail of the samples carries none. The classifiers were trained "
    "on sharp images and may fail on blurred ones: if the accuracy on real images is close to "
    "chance, the comparison decides nothing.",
)


def labels_section(data: EvaluationData, imagenet: Extractor | None) -> Section:
    """Measure accuracy and confusion, discriminability, and the effect of the resolution.

    Args:
        data: samples, real splits and reference classifier.
        imagenet: a classifier of ImageNet's 1000 classes; None to omit what requires one.
    """
    classifiers = [reference_label_classifier(data)]
    if imagenet is not None:
        classifiers.append(imagenet_label_classifier(data, imagenet))
    views = [_view(data, each) for each in classifiers]
    shares = [accuracy_with_baseline(*each) for each in views]
    results = [resolution(data, each) for each in classifiers]
    blocks = [resolution_table(results, data.splits.shape)]
    findings: tuple[Finding, ...] = ()
    predicted, real = views[0]
    if predicted is not None and real is not None:
        blocks.insert(0, _confusion_table(data.group_names, predicted, real))
        findings = label_findings(
            data.group_names,
            predicted.confusion,
            real.confusion,
            at_half={each.label_classifier.extractor.name: each.at_half for each in results},
            others={
                each.extractor.name: share
                for each, share in zip(classifiers[1:], shares[1:], strict=True)
            },
        )
    both = zip(classifiers, shares, strict=True)
    metrics = [_metric(data.group_names, each, share) for each, share in both]
    return Section(
        key="labels",
        title="Labels: do samples show the class of their target label?",
        explanation=_EXPLANATION,
        metrics=(*metrics, *(metric for result in results for metric in result.metrics)),
        blocks=tuple(blocks),
        findings=findings,
        protocols={
            **{
                metric.protocol: data.protocol(each.extractor, **each.protocol)
                for each, metric in zip(classifiers, metrics, strict=True)
            },
            **{result.protocol_key: result.protocol for result in results},
        },
        notes=tuple(_notes(data, classifiers)),
    )


def _view(data: EvaluationData, classifier: LabelClassifier) -> View:
    samples = data.sample_predictions(classifier.extractor)
    real = data.split_predictions(classifier.extractor, "test")
    return (
        classifier.agreement(samples, data.sample_set.target_labels),
        classifier.agreement(real, data.splits.test.labels),
    )


def _metric(names: Sequence[str], classifier: LabelClassifier, share: Accuracy) -> Metric:
    without = [name for name, known in zip(names, classifier.known, strict=True) if not known]
    notes = []
    if share.value is None:
        notes.append(f"Requires at least {SMALLEST_COUNT} samples")
    elif None in np.array(share.per_class)[classifier.known]:
        notes.append(f"A class requires at least {SMALLEST_COUNT} samples")
    if without:
        notes.append(f"Without {', '.join(without)}: not among the classifier's classes")
    return Metric(
        measure=classifier.measure,
        title=classifier.title,
        extractor=classifier.extractor.name,
        value=share.value,
        aim="baseline",
        protocol=f"{classifier.measure}[{classifier.extractor.name}]",
        baseline=share.baseline,
        interval=share.interval,
        per_class=share.per_class,
        per_class_baseline=share.per_class_baseline,
        note="; ".join(notes),
    )


def _confusion_table(
    names: Sequence[str], predicted: ClassAgreement, real: ClassAgreement
) -> Table:
    """Return the whole matrix, or the pairs confused most often if there are many classes."""
    if len(names) <= _WIDEST_MATRIX:
        return Table(
            title="Target label and predicted class (reference classifier)",
            header=("target label", *names),
            rows=tuple(
                (name, *map(int, row)) for name, row in zip(names, predicted.confusion, strict=True)
            ),
            caption="Number of samples by target label (row) and predicted class (column); correct "
            "samples lie on the diagonal.",
            heat=True,
        )
    wrong = predicted.confusion - np.diag(np.diagonal(predicted.confusion))
    target, other = np.unravel_index(np.argsort(-wrong, axis=None, kind="stable"), wrong.shape)
    counts = predicted.confusion.sum(axis=1)
    rows = [
        (names[a], names[b], int(wrong[a, b]), int(counts[a]), int(real.confusion[a, b]))
        for a, b in zip(target[:_PAIRS], other[:_PAIRS], strict=True)
        if wrong[a, b]
    ]
    return Table(
        title="Pairs of classes confused most often (reference classifier)",
        header=("target label", "predicted class", "samples", "samples of the label", "real"),
        rows=tuple(rows),
        caption="Samples with one target label that are assigned to another class, all samples "
        "with that label, and the real test images of the class that are assigned to the other.",
    )


def _notes(data: EvaluationData, classifiers: Sequence[LabelClassifier]) -> Iterator[str]:
    present = set(data.sample_set.target_labels.tolist())
    if missing := [name for k, name in enumerate(data.group_names) if k not in present]:
        yield f"There are no samples of {', '.join(missing)}; they have no values."
    if len(classifiers) == 1:
        yield "Discriminability is omitted: no ImageNet classifier was selected."
