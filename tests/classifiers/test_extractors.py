from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from acgan.classifiers.extractors import EXTRACTORS, build_extractor
from acgan.errors import DataError, UsageError


def test_the_names_a_person_writes() -> None:
    assert list(EXTRACTORS) == ["efficientnet-lite0", "inception"]


def test_efficientnet_needs_nothing() -> None:
    extractor = build_extractor("efficientnet-lite0")
    assert extractor.name == "efficientnet-lite0-128px"
    assert extractor.predict(np.zeros((1, 1, 8, 8), np.uint8)).features.shape == (1, 1280)


def test_inception_takes_the_file_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*mine\.pth"):
        build_extractor("inception", inception_weights=tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg", "there are: efficientnet-lite0, inception"),
        ("efficientnet", "did you mean 'efficientnet-lite0'"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_extractor(name)
