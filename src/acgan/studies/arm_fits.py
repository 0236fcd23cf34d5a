"""Fits of a study's arms, cached as lines of a log, so that an interrupted study continues.

A fit is one arm with one seed. Its confusion matrix on the test split determines every metric.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from acgan.backbones.reference_network import ReferenceNetwork, ReferenceNetworkConfig
from acgan.classifiers.fit import FitProgress, fit_classifier
from acgan.config import canonical_json
from acgan.data.images import LabeledImages
from acgan.errors import DataError
from acgan.metrics.accuracy import class_agreement
from acgan.metrics.arrays import Int64Array
from acgan.storage.disk import disk_errors
from acgan.storage.files import make_folder
from acgan.storage.line_log import LineLog
from acgan.studies.usefulness_config import UsefulnessConfig

LOG_NAME = "fits.jsonl"
_BATCH = 250  # images in every forward pass of the test


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """What came of one fit.

    Attributes:
        confusion: int64 (K, K), tested images by their class (row) and the class read (column).
        steps: of the optimizer.
        loss: of the last step's batch, in nats.
        seconds: of wall-clock time, the test included.
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
    """Fit a fresh network to an arm and test it once, after the last step.

    The same seed gives the same initial weights whatever the arm; pixels are normalized by the
    real training part in every arm. There is no early stopping and no choice among snapshots.

    Args:
        images: the arm's, at least ``batch_size``, which makes the number of steps the same.
        normalize_by: the real training part.
        tested_on: images that neither this network nor the maker of the samples has seen.
        config: network and fit.
        batch_size: of every arm.
        augmented: with classical augmentation or without.
        seed: of the initial weights, the order and the augmentation.
        progress: see `acgan.classifiers.fit.fit_classifier`.

    Raises:
        DivergedError: the fit became non-finite.
    """
    if len(images) < batch_size:
        raise ValueError(f"{len(images)} images are fewer than a batch of {batch_size}")
    started = time.perf_counter()
    network = initial_network(config.network, normalize_by, seed)
    fit = config.fit_of(augmented=augmented).model_copy(update={"batch_size": batch_size})
    steps, last = 0, 0.0

    def told(predicted: int, total: int, loss: float) -> None:
        nonlocal steps, last
        steps, last = steps + 1, loss
        if progress is not None:
            progress(predicted, total, loss)

    fit_classifier(network, images, fit, seed=seed, progress=told)
    confusion = class_agreement(_logits(network, tested_on), tested_on.labels).confusion
    return Fitted(confusion, steps, last, time.perf_counter() - started)


def initial_network(
    config: ReferenceNetworkConfig, data: LabeledImages, seed: int
) -> ReferenceNetwork:
    """An unfitted network for such data; torch's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ReferenceNetwork(config, data.shape, len(data.classes))
    network.learn_statistics(data.images)
    return network.to(memory_format=torch.channels_last)


def network_hash(network: ReferenceNetwork) -> str:
    """SHA-256 over its weights; of a network that no step has changed, it names its code too."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(repr((name, tuple(value.shape))).encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


@final
class CachedFits:
    """The fits that a folder holds, by everything that determines them; a context manager.

    Args:
        folder: where ``fits.jsonl`` lies or will lie; None to keep nothing. A second process
            that wants the same folder waits for the first to end.

    Raises:
        DataError: the log is damaged.
        DiskError: the folder cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._kept: dict[str, Fitted] = {}
        self._log: LineLog | None = None
        self._lock: FileLock | None = None
        if folder is None:
            return
        with disk_errors(folder):
            make_folder(folder)
        self._lock = FileLock(folder / ".fits.lock")
        self._lock.acquire()
        try:
            self._log = LineLog(folder / LOG_NAME)
            self._kept.update(_read(folder / LOG_NAME))
        except BaseException:
            self.close()
            raise

    def get(self, determined_by: Any, name: Mapping[str, Any], fit: Callable[[], Fitted]) -> Fitted:
        """The fit that is determined by these values: kept, or made now and kept.

        Args:
            determined_by: plain values.
            name: for people who read the log.
            fit: makes it.
        """
        key = hashlib.sha256(canonical_json(determined_by).encode()).hexdigest()
        if key not in self._kept:
            fitted = fit()
            self._kept[key] = fitted
            if self._log is not None:
                row = {"confusion": fitted.confusion.tolist(), "steps": fitted.steps}
                times = {"loss": fitted.loss, "seconds": round(fitted.seconds, 1)}
                self._log.append({**name, **row, **times, "key": key})
                self._log.sync()
        return self._kept[key]

    def close(self) -> None:
        """Close the log and let others have the folder."""
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read(log: Path) -> Iterator[tuple[str, Fitted]]:
    for number, line in enumerate(log.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            confusion = np.array(row["confusion"], np.int64)
            yield row["key"], Fitted(confusion, row["steps"], row["loss"], row["seconds"])
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f"line {number} of {log} is damaged; delete that line, and its fit is made anew"
            ) from None


def _logits(network: ReferenceNetwork, data: LabeledImages) -> npt.NDArray[np.float32]:
    splits = []
    with torch.inference_mode():
        for start in range(0, len(data), _BATCH):
            chunk = torch.from_numpy(np.array(data.images[start : start + _BATCH]))
            splits.append(network(chunk.contiguous(memory_format=torch.channels_last)).numpy())
    return np.concatenate(splits)
