"""The README's commands are run as they stand, on a run made small by options laid after them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acgan.cli.main import execute

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHORT = ("--images", "256", "-o", "training.batch_size=16")


def blocks() -> list[str]:
    """What stands between fences without a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [text for language, text in fenced if not language]


def commands() -> list[list[str]]:
    lines = [line for block in blocks() for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("acgan ")]


def photos(folder: Path) -> None:
    """Two classes of color pictures of another size than asked for."""
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for index in range(24):
            pixels = random.integers(0, 256, (70, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


@pytest.mark.slow
def test_every_command_of_the_readme_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    photos(tmp_path / "my-photos")
    shutil.copytree(tmp_path / "my-photos" / "cats", tmp_path / "unsorted")
    run = tmp_path / "run"
    assert execute(["train", "digits", *SHORT, "--run", str(run)]) == 0
    with Image.open(run / "samples" / "real.png") as picture:
        picture.save(tmp_path / "my-digit.png")
    named = {"RUN": str(run), "OTHER-RUN": str(tmp_path / "other-run")}
    found = commands()
    assert {command[1] for command in found} >= {"train", "sample", "interpolate", "inspect"}
    for command in found:
        arguments = [named.get(word, word) for word in command[1:]]
        if arguments[:2] == ["train", "mnist"]:
            continue  # needs the real files: the test below
        if arguments[0] == "train":
            minutes = "--max-minutes" in arguments
            arguments += [*SHORT[2:]] if minutes else [*SHORT, "-o", "reporting.grid_columns=2"]
            if minutes:
                arguments[arguments.index("--max-minutes") + 1] = "0.05"
        if arguments[0] == "evaluate":
            arguments += ["--samples", "200"]
        if arguments[0] == "compare-objectives":
            at = arguments.index("--minutes")
            few = "--seed 0 --objective acgan --objective gan --per-class 20"
            arguments[at : at + 2] = [*SHORT, *few.split()]
        if arguments[0] == "compare":
            shutil.copytree(run, named["OTHER-RUN"])
        code = execute(arguments)
        assert code == 0, (arguments, capsys.readouterr().err)
    assert (tmp_path / "sevens" / "seven" / "0.png").exists()
    assert (tmp_path / "morph.gif").exists()
    assert (run / "evaluation" / "report.html").exists()
    assert (tmp_path / "compare.html").exists()
    assert (tmp_path / "compared" / "objectives.png").exists()


@pytest.mark.real_data
def test_the_command_on_mnist_works(tmp_path: Path) -> None:
    (command,) = [c for c in commands() if c[1:3] == ["train", "mnist"]]
    command[command.index("--data-root") + 1] = os.environ["ACGAN_DATA"]
    assert execute([*command[1:], *SHORT, "--run", str(tmp_path / "run")]) == 0


def test_paths_that_the_readme_names_exist() -> None:
    linked = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    tree = [line.split()[0] for line in blocks()[-1].splitlines() if not line.startswith(" ")]
    for path in [*linked, *tree]:
        assert (ROOT / path).exists(), path
