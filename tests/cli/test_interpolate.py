from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.model.model import load
from acgan.plots.grid import strip

Acgan = Callable[..., Any]


def test_a_strip(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "strip.png"
    options = ["--class", "seven", "--to-class", "zero", "--seed", 3, "--steps", 5]
    done = acgan("interpolate", tiny_run, *options, "--out", out)
    assert (done.code, done.err) == (0, "")
    assert str(out) in done.out
    expected = strip(load(tiny_run).interpolate("seven", "zero", seed=3, steps=5))
    with Image.open(out) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_an_animation(acgan: Acgan, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "way.gif"
    options = ["--class", 1, "--to-seed", 9, "--steps", 6, "--out", out]
    done = acgan("interpolate", tiny_run, *options, "--precision", "fp32", "--json")
    assert json.loads(done.out) == {"file": str(out), "steps": 6, "precision": "fp32"}
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == 6


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (
            "--class zero --out x.png",
            2,
            "name the end of the path: --to-class NAME, --to-seed N",
        ),
        ("--class zero --to-seed 0 --out x.png", 2, "both ends are the same image"),
        ("--class zero --to-class 0 --out x.png", 2, "both ends are the same image"),
        ("--class zero --to-class sevn --out x.png", 2, "did you mean 'seven'?"),
        ("--class zer --to-seed 2 --out x.png", 2, "did you mean 'zero'?"),
        ("--class zero --to-seed -2 --out x.png", 2, "the seed must be"),
        ("--class zero --to-seed 2 --steps 1 --out x.png", 2, "the number of steps must be from 2"),
        ("--class zero --to-seed 2 --truncation 0 --out x.png", 2, "the truncation must be"),
        ("--class zero --to-seed 2 --out x.mp4", 2, "in .png (a strip) or .gif"),
        ("--class zero --to-seed 2", 2, "missing option '--out'"),
        ("--class zero --to-seed 2 --out file/x.png", 5, "in the way"),
    ],
)
def test_mistakes_get_their_sentence(
    acgan: Acgan,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    done = acgan("interpolate", tiny_run, *options.split())
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
