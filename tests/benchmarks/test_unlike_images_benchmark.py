from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.mark.slow
def test_the_table_of_the_digits(
    load_script: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_script("unlike_images").main(["digits"]) == 0
    _, _, row = capsys.readouterr().out.splitlines()
    name, real, *changed, digits = row.strip("| ").split(" | ")
    assert name == "digits"
    assert max(float(real), float(digits)) <= 0.02
    assert min(map(float, changed)) >= 0.99


def test_an_unknown_set_is_refused(load_script: Callable[[str], ModuleType]) -> None:
    assert load_script("unlike_images").main(["digitz"]) == 2
