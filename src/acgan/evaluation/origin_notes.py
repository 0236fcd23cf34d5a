"""What a reader of an evaluation must know of where its figures come from, in sentences."""

from __future__ import annotations

from acgan.classifiers.judge import Judge
from acgan.data.images import DataParts
from acgan.evaluation.shared_features import shared_features
from acgan.model import Model


def origin_notes(
    model: Model | None,
    parts: DataParts,
    judge: Judge | None,
    held_out: bool | None,
    own: bool,
) -> list[str]:
    """Sentences on judge, model and data, of which no figure speaks.

    Args:
        model: None for pictures from elsewhere.
        parts: the data.
        judge: None where there are no classes.
        held_out: see `acgan.evaluation.evidence.Evidence`.
        own: whether the training part is the one that the model learned from.
    """
    if judge is None:
        notes = [
            f"{parts.name} has no classes, so no judge could learn them: instead of its features "
            "those of a network are taken that learned from photographs (EfficientNet-Lite0). "
            "They know nothing of what matters in these images in particular."
        ]
    else:
        accuracy = judge.record.accuracies[parts.test.content_hash]
        notes = [
            f"The judge was fitted to the {judge.record.train_images:,} training images of "
            f"{parts.name} and is right on {accuracy:.2%} of its {len(parts.test):,} test images; "
            "a figure made with it can be no surer than that."
        ]
    if model is not None and (labelled := model.split["train"].get("labelled")):
        notes.append(
            f"The model learned with the labels of {labelled['images']:,} training images and "
            "without those of the others; what judges it here may know all labels."
        )
    if model is None:
        notes.append(
            "Nobody here knows what made these pictures or what it learned from: if it was the "
            f"test part of {parts.name}, no figure means anything."
        )
    elif held_out is None:
        notes.append(
            f"The data that the model learned from ({model.config.data.source!r}) were not to be "
            "found, so that its training images are not among the reference is taken on trust."
        )
    elif not own:
        notes.append(
            f"The model learned from other data ({model.config.data.source!r}), none of whose "
            f"training images are among the validation and test images of {parts.name}. Copies of "
            "its training images were not looked for: evaluate it with its own data for that."
        )
    if model is not None and (shared := shared_features(model.config)) is not None:
        notes.append(shared)
    notes.extend(parts.notes)
    return notes
