from __future__ import annotations

import pytest
import torch

from acgan.data.batches import flip_keeps_class, random_horizontal_flip
from acgan.data.images import ImageShape
from acgan.data.source import NAMED_SETS

GRAY, COLOR = ImageShape(1, 32, 32), ImageShape(3, 32, 32)
GLYPHS = ("digits", "mnist", "mnist-pairs", "kmnist", "svhn")


@pytest.mark.parametrize("name", GLYPHS)
def test_mirrored_glyphs_are_other_glyphs(name: str) -> None:
    assert name in NAMED_SETS
    assert not flip_keeps_class(name, COLOR)


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "cifar100", "stl10"])
def test_mirrored_things_stay_what_they_are(name: str) -> None:
    assert name in NAMED_SETS
    assert flip_keeps_class(name, GRAY)


def test_a_folder_goes_by_its_color() -> None:
    assert flip_keeps_class("photos", COLOR)
    assert not flip_keeps_class("scans", GRAY)


def test_about_half_are_mirrored_left_to_right_and_the_rest_stay() -> None:
    images = torch.arange(200 * 2 * 3, dtype=torch.uint8).view(200, 1, 2, 3)
    drawn = random_horizontal_flip(images, torch.Generator().manual_seed(0))
    again = random_horizontal_flip(images, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.uint8
    assert torch.equal(drawn, again)
    horizontally_flipped = 0
    for before, after in zip(images, drawn, strict=True):
        if torch.equal(after, before.flip(2)):
            horizontally_flipped += 1
        else:
            assert torch.equal(after, before)
    assert 70 < horizontally_flipped < 130
