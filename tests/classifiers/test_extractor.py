"""Extractors: the registry, batches of one shape, reading and hashing of weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acgan.classifiers.extractor import (
    EXTRACTORS,
    Predictions,
    build_extractor,
    hash_weights,
    load_weights,
    predict_in_batches,
)
from acgan.data.images import Images
from acgan.errors import DataError, UsageError


def test_the_names_a_person_writes() -> None:
    assert set(EXTRACTORS) == {"efficientnet-lite0", "inception"}


def test_efficientnet_needs_nothing() -> None:
    extractor = build_extractor("efficientnet-lite0")
    assert extractor.name == "efficientnet-lite0"
    assert extractor.predict(np.zeros((1, 1, 8, 8), np.uint8)).features.shape == (1, 1280)


def test_inception_takes_the_file_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*mine\.pth"):
        build_extractor("inception", inception_weights=tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg", "no extractor 'vgg'; extractors: "),
        ("efficientnet", "did you mean 'efficientnet-lite0'"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_extractor(name)


def ask(images: Images, shapes: list[torch.Size] | None = None) -> Predictions:
    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        assert not torch.is_grad_enabled()
        if shapes is not None:
            shapes.append(batch.shape)
        flat = batch.flatten(1).float()
        return flat[:, :3], flat.sum(1, keepdim=True)

    return predict_in_batches(images, forward, batch=4, classes=3, features=1)


def some(count: int, channels: int = 1) -> Images:
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, channels, 5, 3)).astype(np.uint8)


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_every_image_is_answered_in_its_place(count: int) -> None:
    images = some(count)
    predictions = ask(images)
    flat = images.reshape(count, 15)
    np.testing.assert_array_equal(predictions.logits, flat[:, :3])
    np.testing.assert_array_equal(predictions.features[:, 0], flat.sum(1))
    assert predictions.logits.dtype == predictions.features.dtype == np.dtype(np.float32)


def test_all_passes_have_one_shape() -> None:
    shapes: list[torch.Size] = []
    ask(some(9, channels=3), shapes)
    assert shapes == [torch.Size((4, 3, 5, 3))] * 3


def test_progress_counts_images() -> None:
    calls: list[tuple[int, int]] = []

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(4, 1), torch.zeros(4, 1)

    predict_in_batches(
        some(9),
        forward,
        batch=4,
        classes=1,
        features=1,
        progress=lambda done, of: calls.append((done, of)),
    )
    assert calls == [(4, 9), (8, 9), (9, 9)]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", ["logits", "features"])
def test_outputs_that_are_not_finite_are_refused(value: float, which: str) -> None:
    """Metrics raise ValueError for them, so users get the sentence where predictions enter."""
    outputs = {"logits": np.zeros((3, 2), np.float32), "features": np.zeros((3, 4), np.float32)}
    Predictions(**outputs)
    outputs[which][1, 0] = value
    with pytest.raises(DataError, match=f"{which} for 1 of 3 images; its weights are damaged"):
        Predictions(**outputs)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 5, 3), np.uint8),
        np.zeros((2, 5, 3), np.uint8),
        np.zeros((2, 3, 5, 3), np.float32),
    ],
)
def test_what_is_neither_gray_nor_rgb_is_refused(images: Images) -> None:
    with pytest.raises(DataError, match=r"1 channel \(gray\) or 3"):
        ask(images)


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_weights_come_back(tmp_path: Path) -> None:
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
    torch.save(state, tmp_path / "weights.pth")
    loaded = load_weights(tmp_path / "weights.pth")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize("new_format", [True, False])
def test_nothing_in_the_file_is_executed(tmp_path: Path, new_format: bool) -> None:
    path, sprung = tmp_path / "trap.pth", tmp_path / "sprung"
    torch.save(
        {"weight": torch.ones(1), "trap": Trap(sprung)},
        path,
        _use_new_zipfile_serialization=new_format,
    )
    with pytest.raises(DataError, match=r"trap\.pth is damaged or holds more than weights"):
        load_weights(path)
    assert not sprung.exists()
    torch.load(path, weights_only=False)
    assert sprung.exists(), "the trap itself works"


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut off", pickle.dumps(3)])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.pth"):
        load_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], "does not hold named weights"),
        ({"epoch": 3}, "does not hold named weights"),
        ({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, "b has values"),
    ],
)
def test_what_holds_no_usable_weights_is_refused(
    tmp_path: Path, content: object, message: str
) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(DataError, match=message):
        load_weights(tmp_path / "weights.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no weights file .*none\.pth"):
        load_weights(tmp_path / "none.pth")


def test_the_hash_is_of_names_shapes_and_values() -> None:
    state = {"a": torch.arange(6.0), "b": torch.ones(2)}
    same = {"b": torch.ones(2), "a": torch.arange(6.0)}
    others = [
        {"a": torch.arange(6.0), "c": torch.ones(2)},
        {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)},
        {"a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.float64)},
        {"a": torch.arange(6.0) + 1, "b": torch.ones(2)},
    ]
    assert hash_weights(state) == hash_weights(same)
    assert len({hash_weights(each) for each in [state, *others]}) == 5


def test_the_hash_is_blind_to_memory_format() -> None:
    weight = torch.arange(24.0).reshape(1, 2, 3, 4)
    packed = weight.contiguous(memory_format=torch.channels_last)
    assert hash_weights({"a": weight}) == hash_weights({"a": packed})
