"""Whether a model learned from the very features that it is now measured in.

What a reader of an evaluation must know of where its figures come from, in sentences.
"""

from __future__ import annotations

from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import DatasetSplits
from acgan.model.model import Model
from acgan.networks.feature_network import FeatureNetworkName
from acgan.networks.pretrained import PretrainedConfig
from acgan.runs.config import RunConfig

_LIKE: dict[FeatureNetworkName, str] = {
    "reference-classifier": (
        "a judge that was fitted, as this evaluation's is, to the model's training part"
    ),
    "efficientnet-lite0": "efficientnet-lite0, which is one of the extractors here",
}
_OTHER: dict[FeatureNetworkName, str] = {
    "reference-classifier": "efficientnet-lite0",
    "efficientnet-lite0": "the judge",
}


def shared_features(config: RunConfig) -> str | None:
    """The sentence that a reader of the figures needs where D stands on a trained trunk.

    A generator that such a D teaches learns what pleases these features: in them its distances are
    smaller, and a classifier on them is right more often, than the pictures alone deserve.

    Args:
        config: of the run that made the model.

    Returns:
        None where D began with noise.
    """
    if not isinstance(config.discriminator, PretrainedConfig):
        return None
    network = config.discriminator.feature_network.network
    return (
        f"The model's discriminator stands on the first layers of {_LIKE[network]}. Figures made "
        "with that extractor flatter the model beside models whose discriminator began with "
        f"noise; go by {_OTHER[network]} or Inception when such models are compared."
    )


def origin_notes(
    model: Model | None,
    splits: DatasetSplits,
    reference_classifier: ReferenceClassifier | None,
    held_out: bool | None,
    own: bool,
) -> list[str]:
    """Sentences on judge, model and data, of which no figure speaks.

    Args:
        model: None for pictures from elsewhere.
        splits: the data.
        reference_classifier: None where there are no classes.
        held_out: see `acgan.evaluation.evaluation_data.Evidence`.
        own: whether the training part is the one that the model learned from.
    """
    if reference_classifier is None:
        notes = [
            f"{splits.name} has no classes, so no judge could learn them: instead of its features "
            "those of a network are taken that learned from photographs (EfficientNet-Lite0). "
            "They know nothing of what matters in these images in particular."
        ]
    else:
        accuracy = reference_classifier.record.accuracies[splits.test.content_hash]
        notes = [
            f"The judge was fitted to the {reference_classifier.record.train_images:,} training "
            f"images of "
            f"{splits.name} and is right on {accuracy:.2%} of its {len(splits.test):,} test "
            f"images; "
            "a figure made with it can be no surer than that."
        ]
    if model is not None and (labeled := model.split["train"].get("labeled")):
        notes.append(
            f"The model learned with the labels of {labeled['images']:,} training images and "
            "without those of the others; what judges it here may know all labels."
        )
    if model is None:
        notes.append(
            "Nobody here knows what made these pictures or what it learned from: if it was the "
            f"test part of {splits.name}, no figure means anything."
        )
    elif held_out is None:
        notes.append(
            f"The data that the model learned from ({model.config.data.source!r}) were not to be "
            "found, so that its training images are not among the reference is taken on trust."
        )
    elif not own:
        notes.append(
            f"The model learned from other data ({model.config.data.source!r}), none of whose "
            f"training images are among the validation and test images of {splits.name}. Copies of "
            "its training images were not looked for: evaluate it with its own data for that."
        )
    if model is not None and (shared := shared_features(model.config)) is not None:
        notes.append(shared)
    notes.extend(splits.notes)
    return notes
