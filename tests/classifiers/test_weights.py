from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.classifiers.extractor import hash_weights, load_weights
from acgan.errors import DataError


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
        ([torch.ones(2)], "no weights by name"),
        ({"epoch": 3}, "no weights by name"),
        ({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, "b holds values"),
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
