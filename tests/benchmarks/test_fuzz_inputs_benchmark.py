from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from acgan.errors import DataError


@pytest.fixture
def fuzz(
    load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path))
    return load_script("fuzz_inputs")


@pytest.mark.slow
def test_a_few_inputs_of_each_kind(fuzz: ModuleType) -> None:
    for kind in fuzz.KINDS:
        for number in range(4):
            outcome = fuzz.play(3, number, kind)
            assert outcome.result in ("used", "refused"), outcome


def test_findings_are_found_and_inputs_repeat(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fuzz.play(0, 5, "labels")[:3] == fuzz.play(0, 5, "labels")[:3]
    for error in (IndexError("bug"), DataError("bell \a"), DataError(""), DataError("x" * 20_000)):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(fuzz, "load_data", fail)
        assert fuzz.play(0, 5, "labels").result == "crashed"


@pytest.mark.slow
def test_idx_inputs_reach_the_code_behind_the_checksums(fuzz: ModuleType) -> None:
    found = [fuzz.play(0, number, "idx") for number in range(100)]
    assert {"used", "refused"} == {each.result for each in found}
    assert any("not the published file" in each.detail for each in found)
    assert any("labels beyond" in each.detail for each in found)


def test_the_time_limit_is_for_the_product_alone(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: list[str] = []

    def make(_rng: object, _scratch: Path) -> Callable[[], None]:
        assert not ready
        return lambda: ready.append("product")

    monkeypatch.setitem(fuzz.KINDS, "idx", (make, 1))
    assert fuzz.play(0, 0, "idx", lambda: ready.append("made")).result == "used"
    assert ready == ["made", "product"]
