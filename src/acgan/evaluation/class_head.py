"""The accuracy of the discriminator's class head on real images, which an SGAN is trained for.

The head classifies real images only; whether samples show their target label is the subject of
`acgan.evaluation.labels`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from acgan.classifiers.extractor import predict_in_batches
from acgan.data.images import LabeledImages
from acgan.errors import UsageError
from acgan.evaluation.evaluation_data import EvaluationData
from acgan.evaluation.label_classifiers import SMALLEST_COUNT, accuracy_with_baseline
from acgan.execution.progress import Progress
from acgan.metrics.accuracy import ClassAgreement, class_agreement
from acgan.model.model import Model
from acgan.networks.interface import Discriminator
from acgan.report.section import Metric, Section
from acgan.sampling.forward import BATCH
from acgan.sampling.sampler import from_uint8


def class_head_agreement(
    discriminator: Discriminator, real: LabeledImages, *, progress: Progress | None = None
) -> ClassAgreement:
    """Compare the classes that the discriminator's class head predicts with the true ones.

    The forward pass runs in evaluation mode, in float32 and in batches of one size, so that a
    prediction is a function of its image alone. The class head receives no label.

    Args:
        discriminator: on the CPU; its mode is restored. The highest of its class logits
            (`acgan.networks.interface.DiscriminatorOutput`) is the prediction.
        real: images of the size and the K classes that it was trained on.
        progress: called after each batch.

    Raises:
        UsageError: the discriminator has no class head.
        DataError: a logit is not finite.
    """

    def forward(pixels: Tensor) -> tuple[Tensor, Tensor]:
        # A source head may require labels; its output is not used.
        unused = torch.zeros(len(pixels), dtype=torch.int64)
        logits = discriminator(from_uint8(pixels.numpy()), unused).class_logits
        if logits is None:
            raise UsageError("this discriminator has no class head, so it predicts no classes")
        return logits, logits[:, :0]  # no features: those of many images are large

    training = discriminator.training
    discriminator.eval()
    try:
        classes = len(real.classes)
        predictions = predict_in_batches(
            real.images, forward, batch=BATCH, classes=classes, features=0, progress=progress
        )
    finally:
        discriminator.train(training)
    return class_agreement(predictions.logits, real.labels)


_EXPLANATION = (
    "A discriminator with a class head is also a classifier. The purpose of a semi-supervised GAN "
    "(Odena 2016; Salimans et al. 2016, §5) is the accuracy of this classifier on real test "
    "images, which it was not trained on, after training with few labels; in an ACGAN the class "
    "head is the source of the generator's class gradient. The second value is the accuracy of the "
    "reference classifier on the same images, which uses the labels of all training images. "
    "Neither value describes the samples."
)


def with_class_head(section: Section, data: EvaluationData) -> Section:
    """Add the accuracy of the class head on the test split beside the reference classifier's.

    A model without a usable class head gets a note instead; samples without a model get nothing.
    """
    model = data.sample_set.model
    if model is None:
        return section
    if reason := _reason_to_omit(model, data):
        note = f"{reason}; the accuracy of a class head on real images is omitted."
        return replace(section, notes=(*section.notes, note))
    test, classifier = data.splits.test, data.required_reference_classifier
    on_progress = partial(data.progress, "the discriminator's class head: test images")
    own = class_head_agreement(model.discriminator, test, progress=on_progress)
    reference = class_agreement(data.split_predictions(classifier, "test").logits, test.labels)
    train = model.split["train"]
    labels, images = train.get("labeled", train)["images"], train["images"]
    few = f"{labels:,} of {images:,}" if labels < images else f"all {images:,}"
    note = (
        f"Trained with the labels of {few} training images; the accuracy of the reference "
        f"classifier is {reference.overall:.1%}"
    )
    metrics = (_metric("class-head", own, note), _metric(classifier.name, reference, ""))
    split = {
        "reference": "test",
        "reference_images": len(test),
        "reference_hash": test.content_hash,
    }
    protocols = {
        metrics[0].protocol: {
            "extractor": "class head of the model's discriminator, class of the highest logit",
            "model_labels": labels,
            "model_training_images": images,
            **split,
        },
        metrics[1].protocol: {
            "extractor": classifier.name,
            "extractor_weights_hash": classifier.weights_hash(),
            "reference_classifier_train_hash": classifier.record.train_hash,
            **split,
        },
    }
    return replace(
        section,
        explanation=(*section.explanation, _EXPLANATION),
        metrics=(*section.metrics, *metrics),
        protocols={**section.protocols, **protocols},
    )


def _reason_to_omit(model: Model, data: EvaluationData) -> str:
    """Return why there is no class head to evaluate, a clause; empty if there is one."""
    if model.record.members:
        return "Each model of this set has its own discriminator, which knows its classes alone"
    objective = model.config.objective
    if objective.build().heads.classes == "none":
        return f"The discriminator of the objective {objective.name} has no class head"
    if [each.name for each in model.classes] != [each.name for each in data.splits.classes]:
        return f"The classes of the discriminator's class head are not those of {data.splits.name}"
    if data.reference_classifier is None:
        return "There is only one class, so a class head has nothing to distinguish"
    return ""


def _metric(extractor: str, agreement: ClassAgreement, note: str) -> Metric:
    share = accuracy_with_baseline(agreement, None)
    notes = [note] if note else []
    if share.value is None:
        notes.append(f"Requires at least {SMALLEST_COUNT} test images")
    elif None in share.per_class:
        notes.append(f"A class requires at least {SMALLEST_COUNT} test images")
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
