"""Notes of a report on the origin of model, data and extractors."""

from __future__ import annotations

import math

from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import DatasetSplits
from acgan.errors import counted
from acgan.metrics.frechet import SMALLEST_COUNT
from acgan.model.model import Model
from acgan.networks.feature_network import FeatureNetworkName
from acgan.networks.pretrained import PretrainedConfig
from acgan.runs.config import RunConfig

_NETWORKS: dict[FeatureNetworkName, tuple[str, str]] = {
    "reference-classifier": (
        "a classifier that was fitted, like the reference-classifier of this evaluation, to the "
        "training split",
        "efficientnet-lite0",
    ),
    "efficientnet-lite0": (
        "efficientnet-lite0, which is also an extractor of this evaluation",
        "reference-classifier",
    ),
}
"""Description of each feature network, and the extractor to use in its place."""

_LARGEST_SHARE = 0.3  # of the test split and of the validation split; the rest is for training


def trained_on_features_of(config: RunConfig, extractor: str) -> bool:
    """Return whether the discriminator of a run uses the features of this kind of extractor."""
    discriminator = config.discriminator
    return (
        isinstance(discriminator, PretrainedConfig)
        and discriminator.feature_network.network == extractor
    )


def shared_features(config: RunConfig) -> str | None:
    """Return a note for a model whose discriminator uses a pretrained feature network.

    Its generator was trained to match these features, so distances in them are smaller and
    accuracies higher than the images justify.

    Args:
        config: of the run that trained the model.

    Returns:
        None if the discriminator was trained from scratch.
    """
    if not isinstance(config.discriminator, PretrainedConfig):
        return None
    description, alternative = _NETWORKS[config.discriminator.feature_network.network]
    return (
        f"The discriminator of this model uses the first layers of {description}. "
        "Metrics with this extractor favor the model over models whose discriminator was trained "
        f"from scratch. To compare such models, use {alternative} or Inception."
    )


def few_test_images(splits: DatasetSplits) -> str | None:
    """Return a note on what to do if the test split is too small for reliable metrics, or None."""
    test = len(splits.test)
    if test >= SMALLEST_COUNT:
        return None
    error = 1.96 * math.sqrt(0.9 * 0.1 / test)
    return (
        f"Only {counted(test, 'test image')}: below {SMALLEST_COUNT} the Fréchet distance is "
        f"undefined and the other values are unreliable (an accuracy of 0.9 has an error of about "
        f"±{error:.2f}). {_more_test_images(splits)}"
    )


def _more_test_images(splits: DatasetSplits) -> str:
    if "test" in splits.source_splits:
        return (
            "The data has its own test split, on which data.test_share and data.split_seed have no "
            "effect: add images to it, or put all images into one folder without splits and choose "
            "their shares."
        )
    made = [each for each in ("test", "validation") if each not in splits.source_splits]
    total = len(splits.train) + sum(len(getattr(splits, each)) for each in made)
    share = min(_LARGEST_SHARE, math.ceil(100 * SMALLEST_COUNT / total) / 100)
    options = " ".join(f"-o data.{each}_share={share:g}" for each in made)
    return (
        f"Give more images, train with a larger test split ({options}), or use cross-fitting: "
        "train runs on several splits (-o data.split_seed=1, 2, 3 …), evaluate each, and average."
    )


def origin_notes(
    model: Model | None,
    splits: DatasetSplits,
    reference_classifier: ReferenceClassifier | None,
    held_out: bool | None,
    own: bool,
) -> list[str]:
    """Return notes on reference classifier, model and data.

    Args:
        model: None for a folder of images.
        splits: the data.
        reference_classifier: None for data without classes.
        held_out: see `acgan.evaluation.evaluation_data.EvaluationData`.
        own: whether the training split is the one that the model was trained on.
    """
    if reference_classifier is None:
        notes = [
            f"{splits.name} has no classes, so there is no reference classifier. The features are "
            "those of EfficientNet-Lite0, which was trained on photographs and does not know what "
            "matters in these images."
        ]
    else:
        record = reference_classifier.record
        notes = [
            f"The reference classifier was fitted to the {record.train_images:,} training images "
            f"of {splits.name}. Its accuracy on the {len(splits.test):,} test images is "
            f"{record.accuracies[splits.test.content_hash]:.2%}, which limits the precision of "
            "every metric that uses it."
        ]
    if (note := few_test_images(splits)) is not None:
        notes.append(note)
    if model is not None and (labeled := model.split["train"].get("labeled")):
        notes.append(
            f"The model was trained with the labels of {labeled['images']:,} training images; the "
            "other training images had none. The reference classifier may use all labels."
        )
    if model is None:
        notes.append(
            "The training data of these samples is unknown. If it includes the test split of "
            f"{splits.name}, the metrics are meaningless."
        )
    elif held_out is None:
        notes.append(
            f"The training data of the model ({model.config.data.source!r}) was not found, so it "
            "was not checked that its training images are not among the test images."
        )
    elif not own:
        notes.append(
            f"The model was trained on other data ({model.config.data.source!r}); none of its "
            f"training images are among the validation and test images of {splits.name}. "
            "Memorization was not measured: evaluate the model with its own data for that."
        )
    if model is not None and (shared := shared_features(model.config)) is not None:
        notes.append(shared)
    return [*notes, *splits.notes]
