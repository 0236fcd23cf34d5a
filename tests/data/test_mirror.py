from __future__ import annotations

import pytest

from acgan.data.images import ImageShape
from acgan.data.mirror import mirror_keeps_class
from acgan.data.sources import NAMED_SETS

GREY, COLOUR = ImageShape(1, 32, 32), ImageShape(3, 32, 32)
GLYPHS = ("digits", "mnist", "kmnist", "svhn")


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
