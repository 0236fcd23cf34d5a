"""How well a discriminator's own class head reads real images: what an SGAN is trained for.

Whether the samples show the classes asked for is another question, and another classifier's.

The chapter on labels, with what the discriminator's own class head makes of real images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from acgan.classifiers.extractor import predict_in_batches
from acgan.data.images import LabeledImages
from acgan.errors import UsageError
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.label_classifiers import SMALLEST_COUNT, share_beside_real
from acgan.execution.progress import Progress
from acgan.metrics.accuracy import ClassAgreement, class_agreement
from acgan.model.model import Model
from acgan.networks.interface import Discriminator
from acgan.objectives.build import build_objective
from acgan.report.section import Metric, Section
from acgan.sampling.forward import BATCH
from acgan.sampling.sampler import from_uint8


def class_head_agreement(
    discriminator: Discriminator, real: LabeledImages, *, progress: Progress | None = None
) -> ClassAgreement:
    """The classes that D's class head names, beside the true ones.

    D answers in evaluation mode and in float32, in passes of one size, so that an answer is a
    function of its image alone. No label reaches the class head.

    Args:
        discriminator: on the CPU, in any mode, in which it is left; of class logits
            (`acgan.networks.interface.DiscriminatorOutput`) the highest counts.
        real: images of the size and the K classes that it knows.
        progress: called after each pass.

    Raises:
        UsageError: it has no class head.
        DataError: there is no image, or a logit is not finite.
    """

    def forward(pixels: Tensor) -> tuple[Tensor, Tensor]:
        # A source head may be given labels, and takes any here: its answer is not looked at.
        unread = torch.zeros(len(pixels), dtype=torch.int64)
        logits = discriminator(from_uint8(pixels.numpy()), unread).class_logits
        if logits is None:
            raise UsageError("that discriminator has no class head, so that it names no class")
        return logits, logits[:, :0]  # no features: of many images they would be large

    training = discriminator.training
    discriminator.eval()
    try:
        predictions = predict_in_batches(
            real.images,
            forward,
            batch=BATCH,
            classes=len(real.classes),
            features=0,
            progress=progress,
        )
    finally:
        discriminator.train(training)
    return class_agreement(predictions.logits, real.labels)


_EXPLANATION = (
    "A discriminator with a class head is a classifier, too. What a semi-supervised GAN is trained "
    "for (Odena 2016; Salimans et al. 2016, §5) is the share of real test images, which it has "
    "never seen, that this classifier reads right, after having learned from few labels; in an "
    "ACGAN it is what G is told about classes. The judge's share of the same images stands beside: "
    "a classifier that knows the labels of all training images. Neither says anything about the "
    "samples."
)


def with_class_head(section: Section, data: EvaluationData) -> Section:
    """The chapter, and the accuracy of D's class head on the test part beside the judge's.

    Of a model without one there is a sentence instead; of pictures from elsewhere, nothing.
    """
    model = data.sample_set.model
    if model is None:
        return section
    if reason := _reason_against(model, data):
        return replace(section, notes=(*section.notes, reason))
    test = data.splits.test

    def told(done: int, total: int) -> None:
        data.progress("the discriminator's class head: test images", done, total)

    own = class_head_agreement(model.discriminator, test, progress=told)
    reference_classifier = data.required_reference_classifier
    judged = class_agreement(
        data.split_predictions(reference_classifier, "test").logits, test.labels
    )
    beside = f"{_labels_known(model)}; the judge reads {judged.overall:.1%} right"
    metrics = (
        _metric("class-head", own, beside),
        _metric(reference_classifier.name, judged, ""),
    )
    protocols = {
        "test_accuracy[class-head]": {
            "extractor": "class head of the model's discriminator, its class of highest logit",
            **_labels(model),
            **_reference(data),
        },
        f"test_accuracy[{reference_classifier.name}]": {
            "extractor": reference_classifier.name,
            "extractor_weights_hash": reference_classifier.weights_hash(),
            "reference_classifier_train_hash": reference_classifier.record.train_hash,
            **_reference(data),
        },
    }
    return replace(
        section,
        explanation=(*section.explanation, _EXPLANATION),
        metrics=(*section.metrics, *metrics),
        protocols={**section.protocols, **protocols},
    )


def _reason_against(model: Model, data: EvaluationData) -> str:
    """Why there is no class head to examine, a sentence; empty where there is one."""
    left_out = "how well it reads real images is left out."
    if model.record.members:
        return (
            "Each model of this set has a discriminator of its own, which knows that model's "
            f"classes alone; {left_out}"
        )
    objective = model.config.objective
    if build_objective(objective).heads.classes == "none":
        return (
            f"The discriminator of a model trained with the objective {objective.name} has no "
            f"class head; {left_out}"
        )
    if _names(model.classes) != _names(data.splits.classes):
        return (
            "The discriminator's class head knows other classes than those of "
            f"{data.splits.name}; {left_out}"
        )
    if data.reference_classifier is None:
        return f"There is one class alone, so that the class head has nothing to tell; {left_out}"
    return ""


def _names(classes: Sequence[Any]) -> list[str]:
    return [each.name for each in classes]


def _labels(model: Model) -> dict[str, int]:
    """How many labels D learned with, of how many training images."""
    train = model.split["train"]
    return {
        "model_labels": train.get("labeled", train)["images"],
        "model_training_images": train["images"],
    }


def _labels_known(model: Model) -> str:
    known, of = _labels(model).values()
    if known == of:
        return f"learned with the labels of all {of:,} training images"
    return f"learned with the labels of {known:,} of {of:,} training images"


def _reference(data: EvaluationData) -> dict[str, Any]:
    test = data.splits.test
    return {
        "reference": "test",
        "reference_images": len(test),
        "reference_hash": test.content_hash,
    }


def _metric(extractor: str, agreement: ClassAgreement, note: str) -> Metric:
    share = share_beside_real(agreement, None)
    notes = [note] if note else []
    if share.value is None:
        notes.append(f"it takes at least {SMALLEST_COUNT} test images")
    elif None in share.per_class:
        notes.append(f"per class it takes at least {SMALLEST_COUNT} test images")
    return Metric(
        measure="test_accuracy",
        title="Accuracy on real test images",
        extractor=extractor,
        value=share.value,
        aim="high",
        protocol=f"test_accuracy[{extractor}]",
        interval=share.interval,
        per_class=share.per_class,
        note="; ".join(notes),
    )
