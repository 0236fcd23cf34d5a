"""An interrupted fit continues to the same bits; damage is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers import fit_checkpoint as module
from acgan.classifiers.cache import cached_reference_classifier, estimate_fit
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.fit_checkpoint import FitCheckpoint
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_reference_classifier,
    images_done,
)
from acgan.data.images import DatasetSplits, LabeledImages, make_classes

CLASSES = make_classes(["left", "right"])


def halves(count: int, seed: int) -> LabeledImages:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.integers(0, 200, (count, 1, 8, 8))
    images[labels == 0, :, :, :4] += 40
    images[labels == 1, :, :, 4:] += 40
    return LabeledImages(images.astype(np.uint8), labels.astype(np.int64), CLASSES)


SPLITS = DatasetSplits("halves", halves(40, 0), halves(20, 1), halves(20, 2))


def config(optimizer: str = "sgd-nesterov", rounds: int | None = 64) -> ReferenceClassifierConfig:
    fit: Any = {"flip": True, "images": 256, "batch_size": 16, "optimizer": optimizer}
    return ReferenceClassifierConfig(
        network=ReferenceNetworkConfig(stem=3, stages=(4, 6)),
        fit=FitConfig(**fit, peak_lr=0.01, precision="fp32"),
        round_images=rounds,
    )


def fitted(path: Path | None, stop_at: int | None = None, **options: Any) -> ReferenceClassifier:
    def progress(done: int, _total: int, _loss: float) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    return fit_reference_classifier(
        SPLITS.train,
        SPLITS.validation,
        config=config(**options),
        progress=progress,
        checkpoint=None if path is None else FitCheckpoint(path),
    )


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", -1.0)


@pytest.mark.parametrize("optimizer", ["sgd-nesterov", "adamw"])
@pytest.mark.parametrize("rounds", [64, None])
def test_a_fit_that_is_stopped_anywhere_continues_to_the_same_bits(
    every_step: None, tmp_path: Path, optimizer: str, rounds: int | None
) -> None:
    options: Any = {"optimizer": optimizer, "rounds": rounds}
    whole = fitted(None, **options)
    path = tmp_path / "unfinished"
    for stop_at in (16, 32, 64, 80, 144):
        try:
            fitted(path, stop_at, **options)
        except KeyboardInterrupt:
            done = images_done(FitCheckpoint(path).saved, SPLITS.train, config(**options))
            assert done == stop_at
    again = fitted(path, **options)
    assert again.weights_hash() == whole.weights_hash()
    assert again.record == whole.record


@settings(max_examples=25)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_checkpoint_is_not_used(
    tmp_path_factory: pytest.TempPathFactory, position: float, bit: int, cut: bool
) -> None:
    path = tmp_path_factory.mktemp("fit") / "unfinished"
    checkpoint = FitCheckpoint(path, iter([0.0, 99.0, 99.0]).__next__)
    checkpoint.save_if_due(lambda: {"step": torch.tensor(3), "weights": torch.arange(6.0)})
    content = bytearray(path.read_bytes())
    assert set(FitCheckpoint(path).saved) == {"step", "weights"}
    at = int(position * len(content))
    if cut:
        del content[at:]
    else:
        content[at] ^= 1 << bit
    path.write_bytes(content)
    assert FitCheckpoint(path).saved == {}


def test_it_is_written_at_most_every_ten_seconds(tmp_path: Path) -> None:
    now = [0.0]
    checkpoint = FitCheckpoint(tmp_path / "unfinished", lambda: now[0])
    saves = []

    def state() -> dict[str, Tensor]:
        saves.append(now[0])
        return {"step": torch.tensor(1)}

    for second in range(41):
        now[0] = float(second)
        checkpoint.save_if_due(state)
    assert saves == [10.0, 20.0, 30.0, 40.0]
    checkpoint.remove()
    assert not list(tmp_path.iterdir())


def test_the_cache_continues_an_interrupted_fit_and_removes_its_checkpoint(
    every_step: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "acgan.classifiers.cache.reference_classifier_config", lambda *_, **__: config(rounds=None)
    )
    seen: list[int] = []

    def stop(done: int, _total: int, _loss: float) -> None:
        if done == 96:
            raise KeyboardInterrupt

    fresh = estimate_fit(SPLITS, flip=True, folder=tmp_path)
    assert fresh is not None
    assert (fresh.images, fresh.continued, fresh.can_end_early) == (256, False, False)
    assert fresh.seconds == 256 / fresh.images_per_second
    with pytest.raises(KeyboardInterrupt):
        cached_reference_classifier(SPLITS, folder=tmp_path, progress=stop)
    rest = estimate_fit(SPLITS, flip=True, folder=tmp_path)
    assert rest is not None
    assert (rest.images, rest.continued) == (160, True)
    done = cached_reference_classifier(
        SPLITS, folder=tmp_path, progress=lambda at, _total, _loss: seen.append(at)
    )
    assert seen[0] == 112
    assert done.weights_hash() == fitted(None, rounds=None).weights_hash()
    assert estimate_fit(SPLITS, flip=True, folder=tmp_path) is None
    assert not list(tmp_path.glob("*.unfinished"))


def test_rounds_end_when_the_validation_loss_stops_falling_and_the_best_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def after(*losses: float) -> ReferenceClassifier:
        each = iter(losses)
        monkeypatch.setattr(
            "acgan.classifiers.reference_classifier.validation_loss", lambda *_: next(each)
        )
        return fitted(None, rounds=64)

    first = after(1.0, 1.2)
    assert first.record.images == 64
    second = after(1.0, 0.96)  # better, but by less than a twentieth
    assert second.record.images == 128
    assert first.weights_hash() != second.weights_hash()
    assert after(1.0, 0.8, 0.6, 0.5).record.images == 256  # the whole budget
    assert after(1.0, 0.8, 0.9).record.images == 128
