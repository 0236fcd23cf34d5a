"""The class head of a discriminator before real images: planted ones of known accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import LabeledImages, make_classes
from acgan.errors import DataError, UsageError
from acgan.evaluation.class_head import class_head_agreement
from acgan.networks.interface import Discriminator, DiscriminatorOutput
from acgan.sampling.forward import BATCH


@final
class Planted(Discriminator):
    """Names the class that an image's brightness says, ``confused`` as a table has it."""

    def __init__(self, confused: dict[int, int], *, head: bool = True, shift: float = -5.0) -> None:
        super().__init__()
        self.confused, self.head, self.shift = confused, head, shift

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        level = ((images.mean(dim=(1, 2, 3)) + 1) * 127.5 / 50).round().long().clamp(0, 3)
        predicted = torch.tensor([self.confused.get(k, k) for k in range(4)])[level]
        if self.training:
            predicted = (predicted + 1) % 4  # no answer of training mode may be taken
        logits = nn.functional.one_hot(predicted, 4).float() * 1e-3 + self.shift
        return DiscriminatorOutput(logits[:, 0], logits if self.head else None, images.flatten(1))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from ()


def levels(counts: tuple[int, ...], size: int = 4) -> LabeledImages:
    """Gray images, those of class k of brightness 50 k, in a shuffled order."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), counts))
    images = np.broadcast_to((50 * labels)[:, None, None, None], (len(labels), 1, size, size))
    return LabeledImages(images.astype(np.uint8), labels, make_classes(list("abcd")))


def test_the_accuracy_of_a_planted_head_is_found_class_by_class() -> None:
    real = levels((100, 60, 30, 10))
    right = class_head_agreement(Planted({}), real)
    assert right.overall == 1
    half = class_head_agreement(Planted({1: 0, 3: 2}), real)
    assert half.overall == (100 + 30) / 200
    assert half.per_class.tolist() == [1, 0, 1, 0]
    assert half.confusion.tolist() == [[100, 0, 0, 0], [60, 0, 0, 0], [0, 0, 30, 0], [0, 0, 10, 0]]


@pytest.mark.parametrize("training", [True, False])
def test_it_answers_in_evaluation_mode_and_is_left_as_it_was(training: bool) -> None:
    head = Planted({}).train(training)
    assert class_head_agreement(head, levels((5, 5, 5, 5))).overall == 1
    assert head.training is training


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    class_head_agreement(
        Planted({}),
        levels((BATCH, 2, 1, 1)),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(BATCH, BATCH + 4), (BATCH + 4, BATCH + 4)]


def test_without_a_class_head_or_an_image_it_is_refused() -> None:
    with pytest.raises(UsageError, match="has no class head"):
        class_head_agreement(Planted({}, head=False), levels((1, 1, 1, 1)))
    with pytest.raises(ValueError, match="no images"):
        class_head_agreement(Planted({}), levels((0, 0, 0, 0)))


def test_logits_that_are_not_finite_are_refused() -> None:
    head = Planted({}, shift=float("nan"))
    with pytest.raises(DataError, match="NaN logits for 4 of 4 images; its weights are damaged"):
        class_head_agreement(head, levels((1, 1, 1, 1)))
