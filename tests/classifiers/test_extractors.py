from __future__ import annotations

from pathlib import Path
from typing import final

import numpy as np
import pytest

from acgan.classifiers.extractor import Answers, Extractor, Progress
from acgan.classifiers.extractors import EXTRACTORS, build_extractor
from acgan.data.images import Images
from acgan.errors import DataError, UsageError


@final
class Fake:
    """Stands for a fitted judge."""

    name = "judge"
    resize_rule = "none"

    def answers(self, images: Images, *, progress: Progress | None = None) -> Answers:
        return Answers(
            np.zeros((len(images), 1), np.float32), np.zeros((len(images), 1), np.float32)
        )

    def weights_hash(self) -> str:
        return "none"


def test_the_names_a_person_writes() -> None:
    assert list(EXTRACTORS) == ["judge", "efficientnet-lite0", "inception"]


def test_the_judge_is_the_one_given() -> None:
    judge: Extractor = Fake()
    assert build_extractor("judge", judge=judge) is judge


def test_efficientnet_needs_nothing() -> None:
    extractor = build_extractor("efficientnet-lite0", judge=Fake())
    assert extractor.name == "efficientnet-lite0-128px"
    assert extractor.answers(np.zeros((1, 1, 8, 8), np.uint8)).features.shape == (1, 1280)


def test_inception_takes_the_file_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*mine\.pth"):
        build_extractor("inception", judge=Fake(), inception_weights=tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg", "there are: judge, efficientnet-lite0, inception"),
        ("efficientnet", "did you mean 'efficientnet-lite0'"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_extractor(name, judge=Fake())
