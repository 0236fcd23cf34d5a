from __future__ import annotations

import pytest
import torch

from acgan.data.batches import mirror_keeps_class, mirrored_at_random
from acgan.data.images import ImageShape
from acgan.data.source import NAMED_SETS

GREY, COLOUR = ImageShape(1, 32, 32), ImageShape(3, 32, 32)
GLYPHS = ("digits", "mnist", "mnist-pairs", "kmnist", "svhn")


@pytest.mark.parametrize("name", GLYPHS)
def test_mirrored_glyphs_are_other_glyphs(name: str) -> None:
    assert name in NAMED_SETS
    assert not mirror_keeps_class(name, COLOUR)


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "cifar100", "stl10"])
def test_mirrored_things_stay_what_they_are(name: str) -> None:
    assert name in NAMED_SETS
    assert mirror_keeps_class(name, GREY)


def test_a_folder_goes_by_its_colour() -> None:
    assert mirror_keeps_class("photos", COLOUR)
    assert not mirror_keeps_class("scans", GREY)


def test_about_half_are_mirrored_left_to_right_and_the_rest_stay() -> None:
    images = torch.arange(200 * 2 * 3, dtype=torch.uint8).view(200, 1, 2, 3)
    drawn = mirrored_at_random(images, torch.Generator().manual_seed(0))
    again = mirrored_at_random(images, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.uint8
    assert torch.equal(drawn, again)
    mirrored = 0
    for before, after in zip(images, drawn, strict=True):
        if torch.equal(after, before.flip(2)):
            mirrored += 1
        else:
            assert torch.equal(after, before)
    assert 70 < mirrored < 130
