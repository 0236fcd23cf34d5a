"""Fits of a study's arms, cached as lines of a log, so that an interrupted study continues.

A fit is one arm with one seed. Its confusion matrix on the test split determines every metric.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from acgan.backbones.reference_network import ReferenceNetwork, ReferenceNetworkConfig
from acgan.classifiers.extractor import predict_in_batches
from acgan.classifiers.fit import FitProgress, fit_classifier
from acgan.config import canonical_json
from acgan.data.images import LabeledImages
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Int64Array
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder
from acgan.storage.line_log import LineLog, read_rows
from acgan.studies.arms import UsefulnessConfig

LOG_NAME = "fits.jsonl"
_BATCH = 250  # images per forward pass of the test


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of one fit.

    Attributes:
        confusion: int64 (K, K), test images by class (row) and predicted class (column).
        steps: of the optimizer.
        loss: of the last step's batch, in nats.
        seconds: of wall-clock time, including the test.
    """

    confusion: Int64Array
    steps: int
    loss: float
    seconds: float


def fit_arm(
    images: LabeledImages,
    normalize_by: LabeledImages,
    tested_on: LabeledImages,
    config: UsefulnessConfig,
    *,
    batch_size: int,
    augmented: bool,
    seed: int,
    progress: FitProgress | None = None,
) -> Fitted:
    """Fit a new network to an arm and test it once, after the last step.

    The initial weights depend on the seed only, and pixels are normalized by the real training
    split in every arm. There is no early stopping and no selection of snapshots.

    Args:
        images: of the arm, at least ``batch_size``, so that all arms have the same number of steps.
        normalize_by: the real training split.
        tested_on: images that neither this network nor the generator was trained on.
        config: network and fit.
        batch_size: of every arm.
        augmented: whether classical augmentation is applied.
        seed: of the initial weights, the order and the augmentation.
        progress: see `acgan.classifiers.fit.fit_classifier`.

    Raises:
        DivergedError: the loss is not finite.
        DataError: a logit of the fitted network is not finite.
    """
    if len(images) < batch_size:
        raise ValueError(f"{len(images)} images are fewer than a batch of {batch_size}")
    started = time.perf_counter()
    network = initial_network(config.network, normalize_by, seed)
    fit = config.fit_of(augmented=augmented).model_copy(update={"batch_size": batch_size})
    steps, last = 0, 0.0

    def on_progress(done: int, total: int, loss: float) -> None:
        nonlocal steps, last
        steps, last = steps + 1, loss
        if progress is not None:
            progress(done, total, loss)

    fit_classifier(network, images, fit, seed=seed, progress=on_progress)

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(batch.contiguous(memory_format=torch.channels_last))
        return logits, logits[:, :0]

    classes = len(tested_on.classes)
    predictions = predict_in_batches(
        tested_on.images, forward, batch=_BATCH, classes=classes, features=0
    )
    confusion = class_agreement(predictions.logits, tested_on.labels).confusion
    return Fitted(confusion, steps, last, time.perf_counter() - started)


def initial_network(
    config: ReferenceNetworkConfig, data: LabeledImages, seed: int
) -> ReferenceNetwork:
    """Return an unfitted network for such data; torch's random state stays unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ReferenceNetwork(config, data.shape, len(data.classes))
    network.learn_statistics(data.images)
    return network.to(memory_format=torch.channels_last)


def network_hash(network: ReferenceNetwork) -> str:
    """Return SHA-256 over the weights; for an unfitted network it also identifies its code."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(repr((name, tuple(value.shape))).encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


@final
@dataclass(frozen=True)
class CachedFits:
    """Fits by the hash of all values that determine them; see `cached_fits`."""

    fits: dict[str, Fitted]
    log: LineLog | None

    def missing(self, determined_by: Iterable[Any]) -> int:
        """Return how many different fits of these are still to be made."""
        return len({_key(each) for each in determined_by} - self.fits.keys())

    def get(self, determined_by: Any, name: Mapping[str, Any], fit: Callable[[], Fitted]) -> Fitted:
        """Return the fit that these values determine, from the cache or made and cached now.

        Args:
            determined_by: plain values.
            name: description of the fit in the log.
            fit: makes it.
        """
        key = _key(determined_by)
        if key not in self.fits:
            self.fits[key] = fitted = fit()
            if self.log is not None:
                row = {"confusion": fitted.confusion.tolist(), "steps": fitted.steps}
                times = {"loss": fitted.loss, "seconds": round(fitted.seconds, 1)}
                self.log.append({**name, **row, **times, "key": key})
                self.log.sync()
        return self.fits[key]


@contextmanager
def cached_fits(folder: Path | None) -> Iterator[CachedFits]:
    """Open the fits of a folder; a second process for the same folder waits for the first.

    Args:
        folder: of ``fits.jsonl``, created if missing; None to save nothing.

    Raises:
        DataError: the log is damaged.
        DiskError: the folder cannot be written.
    """
    if folder is None:
        yield CachedFits({}, None)
        return
    with disk_errors(folder, option="--out"):
        make_folder(folder)
    with FileLock(folder / ".fits.lock"), LineLog(folder / LOG_NAME) as log:
        yield CachedFits(dict(read_rows(folder / LOG_NAME, _fitted)), log)


def _key(determined_by: Any) -> str:
    return hashlib.sha256(canonical_json(determined_by).encode()).hexdigest()


def _fitted(row: Mapping[str, Any]) -> tuple[str, Fitted]:
    confusion = np.array(row["confusion"], np.int64)
    return row["key"], Fitted(confusion, row["steps"], row["loss"], row["seconds"])
