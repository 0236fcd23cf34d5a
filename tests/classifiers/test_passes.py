from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from acgan.classifiers.extractor import Predictions, predict_in_batches
from acgan.data.images import Images
from acgan.errors import DataError


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
    told: list[tuple[int, int]] = []

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(4, 1), torch.zeros(4, 1)

    predict_in_batches(
        some(9),
        forward,
        batch=4,
        classes=1,
        features=1,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(4, 9), (8, 9), (9, 9)]


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 5, 3), np.uint8),
        np.zeros((2, 5, 3), np.uint8),
        np.zeros((2, 3, 5, 3), np.float32),
    ],
)
def test_what_is_neither_gray_nor_rgb_is_refused(images: Images) -> None:
    with pytest.raises(DataError, match=r"one channel .* or three"):
        ask(images)
