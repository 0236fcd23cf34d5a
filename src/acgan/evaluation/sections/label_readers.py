"""Who reads the samples: the judge, and a classifier that knows nothing of the data."""

from __future__ import annotations

from functools import partial

import numpy as np

from acgan.classifiers.cache import kept_answers
from acgan.classifiers.extractor import Answers, Extractor, Progress
from acgan.data.images import LabelledImages
from acgan.evaluation.discriminability import (
    IMAGENET_CLASSES,
    MAP_SOURCE,
    class_scores,
    imagenet_counterparts,
)
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.probe import INVERSE_PENALTY, fit_probe, probe_images
from acgan.evaluation.readers import Reader


def judge_reader(evidence: Evidence) -> Reader:
    """The judge, by its own logits."""
    return Reader(
        key="labels.accuracy.judge",
        name="Read as the class asked for (judge)",
        extractor=evidence.the_judge,
        scores=lambda answers: answers.logits,
        known=np.ones(len(evidence.names), np.bool_),
        protocol={
            "judge_train_hash": evidence.the_judge.record.train_hash,
            "floor": "real test images, the classes weighted as among the samples",
        },
    )


def outside_reader(evidence: Evidence, extractor: Extractor) -> Reader:
    """An ImageNet classifier by its logits where at least two classes have counterparts there.

    Else a linear probe on its features, fitted to real training images.

    Args:
        evidence: for the classes and the training part.
        extractor: with ImageNet's 1000 classes.
    """
    counterparts = imagenet_counterparts(evidence.parts.classes)
    if counterparts is None:
        return _probe(evidence, extractor)
    return Reader(
        key=f"labels.discriminability.{extractor.name}",
        name=f"Discriminability ({extractor.name})",
        extractor=extractor,
        scores=lambda answers: class_scores(answers.logits, counterparts),
        known=counterparts.known,
        protocol={
            "map": MAP_SOURCE,
            "imagenet_indices": {
                evidence.names[label]: list(indices)
                for label, indices in counterparts.indices.items()
            },
            "decision": "highest mean probability over a class's ImageNet counterparts, among the "
            f"{len(counterparts.indices)} classes that have any of the {IMAGENET_CLASSES}",
            "floor": "real test images, the classes weighted as among the samples",
        },
    )


def _probe(evidence: Evidence, extractor: Extractor) -> Reader:
    shown = probe_images(evidence.parts.train, seed=evidence.seed)
    told = partial(evidence.progress, f"{extractor.name}: images for the probe")
    answers = real_answers(evidence, extractor, shown, told)
    probe = fit_probe(answers.features, shown.labels, len(evidence.names))
    return Reader(
        key=f"labels.probe.{extractor.name}",
        name=f"Read by a linear probe ({extractor.name})",
        extractor=extractor,
        scores=lambda answers: probe.logits(answers.features),
        known=shown.class_counts > 0,
        protocol={
            "probe": "multinomial logistic regression on standardised features, L2 penalty, "
            f"C = {INVERSE_PENALTY}",
            "probe_images_per_class": shown.class_counts.tolist(),
            "probe_images_hash": shown.content_hash,
            "floor": "real test images, the classes weighted as among the samples",
        },
    )


def real_answers(
    evidence: Evidence, extractor: Extractor, real: LabelledImages, progress: Progress
) -> Answers:
    """To real images other than a whole part; kept where the parts' are."""
    if evidence.folder is None:
        return extractor.answers(real.images, progress=progress)
    return kept_answers(extractor, real, evidence.folder, progress=progress)
