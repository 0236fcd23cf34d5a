"""Models that were never trained, of any data: what they draw is noise, but it is theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, final

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from acgan.classifiers.extractor import Predictions
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, Images, LabeledImages
from acgan.data.load import load_data
from acgan.execution.progress import Progress
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.model.model import Model, load
from acgan.runs.config import RunConfig

Untrained = Callable[..., Model]


_ENLARGED = 1000  # gray levels per standard deviation within a class


@final
class GaussianClassifier:
    """Stands in for a fitted reference classifier: one Gaussian per class, in closed form.

    Its features are the first principal components of the pixels, and their linear discriminants,
    enlarged so that classes differ more than the images of a class, as in a fitted network.

    Args:
        train: images that the components and the Gaussians describe.
    """

    name, resize_rule = "reference-classifier", "none"

    def __init__(self, train: LabeledImages, components: int = 30) -> None:
        self.record = SimpleNamespace(train_hash=train.content_hash, train_images=len(train))
        self._pca = PCA(components, svd_solver="randomized", random_state=0)
        features = self._pca.fit_transform(self._pixels(train.images))
        self._discriminants = LinearDiscriminantAnalysis().fit(features, train.labels)
        self._classes = []
        for label in range(len(train.classes)):
            of_class = features[train.labels == label]
            covariance = np.cov(of_class.T) + 3e4 * np.eye(components)
            inverse, volume = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
            self._classes.append((of_class.mean(axis=0), inverse, volume))

    @staticmethod
    def _pixels(images: Images) -> Any:
        return images.reshape(len(images), -1).astype(np.float64)

    def predict(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        features = self._pca.transform(self._pixels(images))
        logits = [
            -0.5 * (np.einsum("nf,fg,ng->n", features - mean, inverse, features - mean) + volume)
            for mean, inverse, volume in self._classes
        ]
        enlarged = _ENLARGED * self._discriminants.transform(features)
        both = np.concatenate([features, enlarged], axis=1)
        return Predictions(np.stack(logits, 1).astype(np.float32), both.astype(np.float32))

    def accuracy(self, data: LabeledImages) -> float:
        return float((self.predict(data.images).logits.argmax(axis=1) == data.labels).mean())

    def weights_hash(self) -> str:
        return f"gaussians of {self.record.train_hash}"


@pytest.fixture(scope="session")
def digits() -> DatasetSplits:
    return load_data(DataConfig(source="digits"))


@pytest.fixture(scope="session")
def gaussian_classifier() -> Callable[[LabeledImages], ReferenceClassifier]:
    return lambda train: cast(ReferenceClassifier, GaussianClassifier(train))


@pytest.fixture(scope="session")
def digits_classifier(
    digits: DatasetSplits, gaussian_classifier: Callable[[LabeledImages], ReferenceClassifier]
) -> ReferenceClassifier:
    return gaussian_classifier(digits.train)


@pytest.fixture
def untrained(tmp_path: Path) -> Untrained:
    """Makes a model whose record says that it learned from some data."""

    def make(
        splits: DatasetSplits,
        data: DataConfig,
        name: str = "run",
        *,
        objective: dict[str, Any] | None = None,
        conditioning: dict[str, Any] | None = None,
    ) -> Model:
        config = RunConfig.model_validate(
            {
                "recipe": "tiny",
                "data": data,
                "generator": {
                    "family": "deconv",
                    "latent_size": 8,
                    "widths": [8, 8],
                    "conditioning": conditioning or {},
                },
                "objective": objective or {},
                "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
                "training": {"total_images": 1000},
            }
        )
        classes = len(splits.classes)
        torch.manual_seed(0)
        info = ModelInfo(
            config=config,
            shape=splits.shape,
            classes=splits.classes,
            split=splits.split_record(),
            data_name=splits.name,
            images_seen=640,
        )
        save_model(
            tmp_path / name / "model",
            info,
            generator_state=config.generator.build(splits.shape, classes).state_dict(),
            discriminator_state=config.discriminator.build(
                splits.shape, classes, config.objective.build().heads
            ).state_dict(),
        )
        return load(tmp_path / name)

    return make
