"""The chapter on labels, with what the discriminator's own class head makes of real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from acgan.evaluation.class_head import class_head_agreement
from acgan.evaluation.evidence import Evidence
from acgan.evaluation.labels import ClassAgreement, class_agreement
from acgan.evaluation.readers import SMALLEST_COUNT, share_beside_real
from acgan.evaluation.section import Figure, Section
from acgan.model import Model
from acgan.objectives.build import build_objective

_EXPLANATION = (
    "A discriminator with a class head is a classifier, too. What a semi-supervised GAN is trained "
    "for (Odena 2016; Salimans et al. 2016, §5) is the share of real test images, which it has "
    "never seen, that this classifier reads right, after having learned from few labels; in an "
    "ACGAN it is what G is told about classes. The judge's share of the same images stands beside: "
    "a classifier that knows the labels of all training images. Neither says anything about the "
    "samples."
)


def with_class_head(section: Section, evidence: Evidence) -> Section:
    """The chapter, and the accuracy of D's class head on the test part beside the judge's.

    Of a model without one there is a sentence instead; of pictures from elsewhere, nothing.
    """
    model = evidence.subject.model
    if model is None:
        return section
    if reason := _reason_against(model, evidence):
        return replace(section, notes=(*section.notes, reason))
    test = evidence.parts.test

    def told(done: int, total: int) -> None:
        evidence.progress("the discriminator's class head: test images", done, total)

    own = class_head_agreement(model.discriminator, test, progress=told)
    judge = evidence.the_judge
    judged = class_agreement(evidence.part_seen_by(judge, "test").logits, test.labels)
    beside = f"{_labels_known(model)}; the judge reads {judged.overall:.1%} right"
    figures = (
        _figure("class_head", "discriminator's class head", own, beside),
        _figure("judge", "judge", judged, ""),
    )
    protocols = {
        "real.class_head": {
            "extractor": "class head of the model's discriminator, its class of highest logit",
            **_labels(model),
            **_reference(evidence),
        },
        "real.judge": {
            "extractor": judge.name,
            "extractor_weights_hash": judge.weights_hash(),
            "judge_train_hash": judge.record.train_hash,
            **_reference(evidence),
        },
    }
    return replace(
        section,
        explanation=(*section.explanation, _EXPLANATION),
        figures=(*section.figures, *figures),
        protocols={**section.protocols, **protocols},
    )


def _reason_against(model: Model, evidence: Evidence) -> str:
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
    if _names(model.classes) != _names(evidence.parts.classes):
        return (
            "The discriminator's class head knows other classes than those of "
            f"{evidence.parts.name}; {left_out}"
        )
    if evidence.judge is None:
        return f"There is one class alone, so that the class head has nothing to tell; {left_out}"
    return ""


def _names(classes: Sequence[Any]) -> list[str]:
    return [each.name for each in classes]


def _labels(model: Model) -> dict[str, int]:
    """How many labels D learned with, of how many training images."""
    train = model.split["train"]
    return {
        "model_labels": train.get("labelled", train)["images"],
        "model_training_images": train["images"],
    }


def _labels_known(model: Model) -> str:
    known, of = _labels(model).values()
    if known == of:
        return f"learned with the labels of all {of:,} training images"
    return f"learned with the labels of {known:,} of {of:,} training images"


def _reference(evidence: Evidence) -> dict[str, Any]:
    test = evidence.parts.test
    return {
        "reference": "test",
        "reference_images": len(test),
        "reference_hash": test.content_hash,
    }


def _figure(key: str, who: str, agreement: ClassAgreement, note: str) -> Figure:
    share = share_beside_real(agreement, None)
    notes = [note] if note else []
    if share.value is None:
        notes.append(f"it takes at least {SMALLEST_COUNT} test images")
    elif None in share.per_class:
        notes.append(f"per class it takes at least {SMALLEST_COUNT} test images")
    return Figure(
        key=f"labels.real.{key}",
        name=f"Real test images read right ({who})",
        value=share.value,
        aim="high",
        protocol=f"real.{key}",
        interval=share.interval,
        per_class=share.per_class,
        note="; ".join(notes),
    )
