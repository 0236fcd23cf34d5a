"""Where a trained trunk of D comes from at the first start of a run; its checkpoints have it then.

From a package, or from a judge that is fitted to the training part, and kept in the cache. What it
was is written to the run's ``feature_network.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from acgan.backbones.reference_network import EarlyReferenceNetwork
from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.efficientnet_lite0 import load_efficientnet_lite0
from acgan.classifiers.extractor import hash_weights
from acgan.classifiers.reference_classifier import ReferenceClassifier, reference_classifier_config
from acgan.data.batches import flip_keeps_class
from acgan.data.images import DatasetSplits
from acgan.networks.feature_network import FeatureNetwork, FeatureNetworkConfig, judge_network
from acgan.networks.pretrained import PretrainedConfig
from acgan.runs.config import RunConfig
from acgan.training.display import Display
from acgan.training.randomness import Streams

_SCALE_IMAGES = 1_000


@final
@dataclass(frozen=True, eq=False)
class TrainedFeatureNetwork:
    """A trunk's state, ready to be taken over.

    Attributes:
        tensors: by their names in `acgan.networks.feature_network.Trunk`, on the CPU.
        record: what it is, in plain values: network, SHA-256 of the weights taken, for a judge its
            fit and its accuracy on the validation part.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any]


def trained_feature_network(
    config: RunConfig, splits: DatasetSplits, display: Display
) -> TrainedFeatureNetwork | None:
    """The trained trunk that a run is to start with, or None where its D has none.

    Its channels' scales are learned from the training part, of which nothing but that is used.

    Args:
        config: the run.
        splits: its data; the trunk sees the training part alone.
        display: is told what takes long, and what it came to.

    Raises:
        DataError: the package's weights are missing or damaged, or the training part cannot be
            fitted to.
        DiskError: a fitted judge cannot be kept.
    """
    if not isinstance(config.discriminator, PretrainedConfig):
        return None
    chosen = config.discriminator.feature_network
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        feature_network = FeatureNetwork(chosen, splits.shape)
    if isinstance(feature_network.backbone, EarlyReferenceNetwork):
        reference_classifier = _fitted(chosen, config, splits, display)
        taken, record = (
            feature_network.backbone.weights_of(reference_classifier.network),
            _judge_record(reference_classifier, splits),
        )
    else:
        state = load_efficientnet_lite0().network.state_dict()
        taken, record = {name: state[name] for name in feature_network.backbone.state_dict()}, {}
    feature_network.backbone.load_state_dict(taken)
    feature_network.learn_scales(_some(splits))
    record = {"network": chosen.network, "weights_hash": hash_weights(taken), **record}
    display.message(_sentence(record))
    return TrainedFeatureNetwork(dict(feature_network.state_dict()), record)


def _fitted(
    chosen: FeatureNetworkConfig, config: RunConfig, splits: DatasetSplits, display: Display
) -> ReferenceClassifier:
    """A judge of the training part, of another seed than the evaluation's."""
    flip = flip_keeps_class(config.data.source, splits.shape)
    usual = reference_classifier_config(splits.train, flip=flip, images=chosen.fit_images)
    display.message(
        f"fitting a judge with {chosen.fit_images:,} images of the training part, for D's trunk …"
    )
    return cached_reference_classifier(
        splits,
        config=usual.model_copy(update={"network": judge_network(splits.shape)}),
        seed=Streams(config.seed).derive("trunk"),
    )


def _judge_record(
    reference_classifier: ReferenceClassifier, splits: DatasetSplits
) -> dict[str, Any]:
    accuracy = reference_classifier.accuracy(splits.validation) if len(splits.validation) else None
    return {
        "fit": reference_classifier.record.config.model_dump(mode="json"),
        "seed": reference_classifier.record.seed,
        "train_hash": reference_classifier.record.train_hash,
        "validation_accuracy": accuracy,
    }


def _some(splits: DatasetSplits) -> Tensor:
    """Real images in [-1, 1] from all over the training part."""
    step = max(1, len(splits.train) // _SCALE_IMAGES)
    some = torch.from_numpy(splits.train.images[::step][:_SCALE_IMAGES].copy())
    return some.float().div_(127.5).sub_(1.0)


def _sentence(record: dict[str, Any]) -> str:
    weights = f"weights {record['weights_hash'][:12]}"
    if record["network"] != "judge":
        return f"D's trunk: {record['network']}, trained on ImageNet ({weights})"
    accuracy = record["validation_accuracy"]
    right = "" if accuracy is None else f", right on {accuracy:.1%} of the validation part"
    return (
        f"D's trunk: a judge of the training part{right} ({weights}); the judge of an evaluation "
        "sees what this one sees, so hold such a model to other features too"
    )
