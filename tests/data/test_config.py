"""What a person may write about data, and the sentences for what they may not."""

from __future__ import annotations

from typing import Any

import pytest

from acgan.config import validate
from acgan.data.config import DataConfig, parse_image_size
from acgan.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("64", (64, 64)), ("48x64", (48, 64)), (" 48 X 64 ", (48, 64)), ("3×5", (3, 5))],
)
def test_sizes_are_read(text: str, size: tuple[int, int]) -> None:
    assert parse_image_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "64x", "x64", "64x64x3", "big", "-4", "64.5", "9999"])
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="image size"):
        parse_image_size(text)


@pytest.mark.parametrize("value", [32, "32", "32x32", [32, 32], (32, 32)])
def test_the_config_takes_sizes_in_every_form(value: Any) -> None:
    assert validate(DataConfig, {"image_size": value}, where="test").image_size == (32, 32)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fraction": 0}, "fraction"),
        ({"fraction": 1.5}, "fraction"),
        ({"per_class": 0}, "per_class"),
        ({"long_tail": 0.5}, "long_tail"),
        ({"fraction": 0.5, "per_class": 3}, "fraction and per_class exclude"),
        ({"validation_share": 0.5, "test_share": 0.5}, "less than 1"),
        ({"validation_share": 0}, "validation_share"),
        ({"image_size": "x"}, "image size"),
        ({"image_size": True}, "image_size"),
        ({"bad_files": "ignore"}, "bad_files"),
        ({"frction": 0.5}, "did you mean 'fraction'"),
    ],
)
def test_wrong_values_get_a_sentence(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        validate(DataConfig, values, where="test")


def test_a_config_survives_json() -> None:
    config = DataConfig(source="x", image_size=(3, 4), only_class=("a", "b"))
    assert DataConfig.model_validate_json(config.model_dump_json()) == config
