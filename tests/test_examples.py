"""The examples run as a user runs them."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MINIMAL = Path(__file__).parents[1] / "examples" / "minimal_acgan.py"


OPTIONS = ["--images", "400", "--seed", "3", "--out"]


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.slow
def test_the_minimal_example_saves_the_same_labeled_grid_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once as a command without this repository's modules, once in this process."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(MINIMAL), *OPTIONS, "first.png"],
        cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "saved first.png" in done.stdout
    first = read(tmp_path / "first.png")
    assert first.shape == (560, 600)
    margin, digits = first[:, :40], first[:, 40:]
    for label in range(10):
        assert margin[label * 56 : (label + 1) * 56].max() > 128  # the row's name
    assert digits.std() > 5
    again = tmp_path / "again.png"
    monkeypatch.setattr(sys, "argv", [str(MINIMAL), *OPTIONS, str(again)])
    runpy.run_path(str(MINIMAL), run_name="__main__")
    assert f"saved {again}" in capsys.readouterr().out
    assert np.array_equal(first, read(again))


def test_the_minimal_example_stands_alone() -> None:
    tree = ast.parse(MINIMAL.read_text(encoding="utf-8"))
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert "torch" in imported
    assert "acgan" not in imported
