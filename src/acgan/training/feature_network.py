"""The trained feature network of a pretrained D, loaded at the first start of a run.

Its weights come from a package, or from a reference classifier that is fitted to the training split
and cached. The run's ``feature_network.json`` records which; checkpoints then hold the weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from acgan.backbones.reference_network import EarlyReferenceNetwork
from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.efficientnet_lite0 import load_efficientnet_lite0
from acgan.classifiers.extractor import hash_weights
from acgan.classifiers.reference_classifier import ReferenceClassifier, reference_classifier_config
from acgan.data.images import DatasetSplits
from acgan.networks.feature_network import (
    FeatureNetwork,
    FeatureNetworkConfig,
    reference_network_config,
)
from acgan.networks.pretrained import PretrainedConfig
from acgan.runs.config import RunConfig
from acgan.training.display import Display
from acgan.training.randomness import Stream, Streams

_SCALE_IMAGES = 1_000


class TrainedFeatureNetwork(NamedTuple):
    """State of a feature network on the CPU, and its record.

    The record has JSON values: network, SHA-256 of its weights, and for a reference classifier its
    fit and its accuracy on the validation split.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any]


def trained_feature_network(
    config: RunConfig, splits: DatasetSplits, display: Display
) -> TrainedFeatureNetwork | None:
    """Return the trained feature network for a new run, or None if its D has none.

    It depends on the training split only; the scales of its channels are measured there.

    Args:
        config: the run.
        splits: its data.
        display: shows the fit and its result.

    Raises:
        DataError: the package's weights are missing or damaged, or the training split is not
            suitable for a fit.
        DiskError: a fitted classifier cannot be cached.
    """
    if not isinstance(config.discriminator, PretrainedConfig):
        return None
    wanted = config.discriminator.feature_network
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        feature_network = FeatureNetwork(wanted, splits.shape)
    if isinstance(feature_network.backbone, EarlyReferenceNetwork):
        classifier = _fit(wanted, config, splits, display)
        weights = feature_network.backbone.weights_of(classifier.network)
        validation = splits.validation
        fit = {
            "fit": classifier.record.config.model_dump(mode="json"),
            "seed": classifier.record.seed,
            "train_hash": classifier.record.train_hash,
            "validation_accuracy": classifier.accuracy(validation) if len(validation) else None,
        }
    else:
        state, fit = load_efficientnet_lite0().network.state_dict(), {}
        weights = {name: state[name] for name in feature_network.backbone.state_dict()}
    feature_network.backbone.load_state_dict(weights)
    # Real images in [-1, 1], evenly spaced over the training split.
    step = max(1, len(splits.train) // _SCALE_IMAGES)
    images = torch.from_numpy(splits.train.images[::step][:_SCALE_IMAGES].copy())
    feature_network.learn_scales(images.float().div_(127.5).sub_(1.0))
    record = {"network": wanted.network, "weights_hash": hash_weights(weights), **fit}
    display.message(_describe(record))
    return TrainedFeatureNetwork(dict(feature_network.state_dict()), record)


def _fit(
    wanted: FeatureNetworkConfig, config: RunConfig, splits: DatasetSplits, display: Display
) -> ReferenceClassifier:
    """Fit a reference classifier to the training split, with a seed that evaluation never uses."""
    usual = reference_classifier_config(
        splits.train, flip=splits.flip_keeps_class, images=wanted.fit_images
    )
    display.message(
        f"fitting a reference classifier on {wanted.fit_images:,} images of the training split, as "
        "D's feature network …"
    )
    return cached_reference_classifier(
        splits,
        config=usual.model_copy(update={"network": reference_network_config(splits.shape)}),
        seed=Streams(config.seed).derive(Stream.FEATURE_NETWORK),
    )


def _describe(record: dict[str, Any]) -> str:
    weights = f"weights {record['weights_hash'][:12]}"
    if record["network"] != "reference-classifier":
        return f"D's feature network: {record['network']}, trained on ImageNet ({weights})"
    accuracy = record["validation_accuracy"]
    shown = "" if accuracy is None else f", accuracy {accuracy:.1%} on the validation split"
    return (
        f"D's feature network: a reference classifier of the training split{shown} ({weights}); "
        "an evaluation's reference classifier has similar features, so evaluate such a model with "
        "other features too"
    )
