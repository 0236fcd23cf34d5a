"""Shared by all tests: one thread, no deadline for hypothesis, a run that takes 1 to 2 s, stubs."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast, final

import hypothesis
import numpy as np
import pytest
import torch

from acgan.classifiers.extractor import Predictions
from acgan.classifiers.reference_classifier import ReferenceClassifier
from acgan.data.images import DatasetSplits, Images, LabeledImages, make_classes
from acgan.execution.progress import Progress
from acgan.runs.config import RunConfig

hypothesis.settings.register_profile("acgan", deadline=None)
hypothesis.settings.load_profile("acgan")

NAMES = ("bar", "cross", "ring")
SIDE = 8


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of real data sets if there are none, with a reason that says how to run them."""
    if os.environ.get("ACGAN_DATA"):
        return
    skip = pytest.mark.skip(reason="needs real data sets; set ACGAN_DATA to their folder")
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Restore SIGINT: shells ignore it in background jobs, and child processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Use one thread: tests share the machine, and the last bits depend on the thread count."""
    torch.set_num_threads(1)


@pytest.fixture
def load_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """``load_script("quality")`` imports that module of ``benchmarks/`` again for each test.

    It can import from its own folder, as on the command line. The number of threads is restored.
    """
    folder = Path(__file__).parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    for path in folder.glob("*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)


def make_split(per_class: int, seed: int) -> LabeledImages:
    """Return gray 8×8 images of a bar, a cross and a ring; position, brightness and noise vary."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(NAMES)), per_class).astype(np.int64)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = np.empty((len(labels), 1, SIDE, SIDE), np.float64)
    for image, label in zip(images, labels, strict=True):
        y, x = random.uniform(2.5, 4.5, 2)
        across, down = np.abs(columns - x) < 1, np.abs(rows - y) < 1
        radius = np.hypot(rows - y, columns - x)
        shape = (down, across | down, np.abs(radius - 2.5) < 0.8)[label]
        image[0] = shape * random.uniform(150, 240) + random.uniform(0, 15, (SIDE, SIDE))
    return LabeledImages(images.round().astype(np.uint8), labels, make_classes(NAMES))


@pytest.fixture(scope="session")
def tiny_splits() -> DatasetSplits:
    """Three classes of synthetic 8×8 gray images: 96 training, 24 validation, 24 test images."""
    return DatasetSplits("shapes", make_split(32, 0), make_split(8, 1), make_split(8, 2))


TINY: dict[str, Any] = {
    "recipe": "tiny",
    "seed": 1,
    "generator": {
        "family": "deconv",
        "latent_size": 6,
        "widths": [8, 4],
        "to_image": "conv",
        "conditioning": {"mode": "batchnorm", "embedding_std": 0.3},
    },
    "discriminator": {
        "layers": [
            {"width": 6, "kernel": 4, "stride": 2, "norm": False},
            {"width": 8, "kernel": 4, "stride": 2},
        ]
    },
    "training": {
        "total_images": 192,
        "batch_size": 16,
        "ema_half_life_images": 64,
    },
    "reporting": {
        "log_every_images": 32,
        "grid_every_images": 64,
        "checkpoint_every_images": 48,
        "grid_columns": 2,
    },
    "execution": {
        "device": "cpu",
        "precision": "fp32",
        "memory_format": "contiguous",
        "threads": 1,
    },
}
"""Twelve iterations; grids and checkpoints coincide at some of them and differ at others."""

EVERYTHING: dict[str, Any] = {
    "discriminator": {"dropout": 0.25, "activation_noise": 0.05},
    "regularizers": [{"name": "r1", "gamma": 0.1, "interval_steps": 3}],
    "optimizer": {"conditioning_multiplier": 5.0, "heads_multiplier": 2.0},
    "execution": {"precision": "bf16", "memory_format": "channels-last"},
}
"""Everything that makes exact resuming hard."""


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` updated by ``changes``, section by section."""
    result = dict(values)
    for key, change in changes.items():
        inner = result.get(key)
        if isinstance(inner, dict) and isinstance(change, dict):
            result[key] = merged(inner, change)
        else:
            result[key] = change
    return result


ConfigMaker = Callable[..., RunConfig]


@pytest.fixture(scope="session")
def tiny_config() -> ConfigMaker:
    """``tiny_config(**sections)`` returns the config of a tiny run.

    ``everything=True`` adds dropout, noise, R1, bf16 and channels-last.
    """

    def make(*, everything: bool = False, **sections: Any) -> RunConfig:
        values = merged(TINY, EVERYTHING) if everything else TINY
        return RunConfig.model_validate(merged(values, sections))

    return make


_ENLARGED = 1000  # gray levels per standard deviation within a class


@final
class GaussianClassifier:
    """Stub of a fitted reference classifier: one Gaussian per class, in closed form.

    Its features are the first principal components of the pixels, and their linear discriminants,
    enlarged so that classes differ more than the images of a class, as in a fitted network.

    Args:
        train: images that the components and the Gaussians describe.
    """

    name, resize_rule = "reference-classifier", "none"

    def __init__(self, train: LabeledImages, components: int = 30) -> None:
        self.record = SimpleNamespace(train_hash=train.content_hash, train_images=len(train))
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

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
def gaussian_classifier() -> Callable[[LabeledImages], ReferenceClassifier]:
    return lambda train: cast(ReferenceClassifier, GaussianClassifier(train))
