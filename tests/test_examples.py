"""The examples run as a user runs them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

MINIMAL = Path(__file__).parents[1] / "examples" / "minimal_acgan.py"


def run_example(folder: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Run the example for three batches without this repository's modules; return the grid."""
    command = [sys.executable, "-W", "error", str(MINIMAL)]
    command += ["--images", "400", "--seed", "3", "--out", name]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
    with Image.open(folder / name) as image:
        return np.asarray(image)


def test_the_minimal_example_saves_the_same_labeled_grid_twice(tmp_path: Path) -> None:
    first = run_example(tmp_path, "first.png")
    assert first.shape == (560, 600)
    margin, digits = first[:, :40], first[:, 40:]
    for label in range(10):
        assert margin[label * 56 : (label + 1) * 56].max() > 128  # the row's name
    assert digits.std() > 5
    assert np.array_equal(first, run_example(tmp_path, "again.png"))


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
