"""The README's commands and its Python example run as they stand, with smaller budgets."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.cli.main import execute
from acgan.data.images import LabeledImages

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL_NETWORKS = (
    *("generator.widths=[8,8]", "generator.latent_size=8"),
    "discriminator.layers=[{width=8,kernel=4,stride=2,norm=false}]",
    *("training.batch_size=16", "execution.precision=fp32", "reporting.grid_columns=2"),
)


def blocks(language: str) -> list[str]:
    """Return the text of the fenced blocks in a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [text for found, text in fenced if found == language]


def commands() -> list[list[str]]:
    """Return the arguments of every `acgan` command."""
    lines = [line for block in blocks("") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("acgan ")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: two classes of color images of another size than requested."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "my-photos" / name).mkdir(parents=True)
        for index in range(24):
            pixels = random.integers(0, 256, (70, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my-photos" / name / f"{index}.png")
    shutil.copytree(tmp_path / "my-photos" / "cats", tmp_path / "unsorted")
    return tmp_path


def run_all(for_train: list[str], for_evaluate: list[str]) -> None:
    """Run every command with these options added to the long ones; check what it writes."""
    found = commands()
    assert {command[0] for command in found} >= {"train", "sample", "evaluate", "interpolate"}
    for number, command in enumerate(found):
        arguments = ["run" if word == "RUN" else word for word in command]
        if arguments[0] == "train":
            run = "run" if arguments[1] == "digits" else f"run-{number}"
            arguments += ["--run", run, *for_train]
        if arguments[0] == "evaluate":
            arguments += for_evaluate
        assert execute(arguments) == 0, arguments
    assert len(list(Path("sevens/seven").glob("*.png"))) == 100
    for name in ("grid.png", "morph.gif", "run/evaluation/report.html"):
        assert Path(name).exists(), name


@pytest.mark.slow
def test_every_command_of_the_readme_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small_classifier(_train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        network = ReferenceNetworkConfig(stem=4, stages=(8, 8))
        fit = FitConfig(flip=False, images=640, batch_size=64, precision="fp32")
        return ReferenceClassifierConfig(network=network, fit=fit)

    monkeypatch.setattr("acgan.classifiers.cache.reference_classifier_config", small_classifier)
    for_train = ["--images", "32", *(word for each in SMALL_NETWORKS for word in ("-o", each))]
    run_all(for_train, ["--samples", "200", "--extractor", "none"])


@pytest.mark.full
def test_every_command_of_the_readme_works_with_its_own_networks(place: Path) -> None:
    run_all(["--images", "256", "-o", "training.batch_size=16"], ["--samples", "200"])


@pytest.mark.slow
def test_the_python_example_of_the_readme_works(place: Path) -> None:
    (example,) = blocks("python")
    shorter = example.replace("images=100_000", f"images=32, options={SMALL_NETWORKS}")
    assert shorter != example
    names: dict[str, object] = {}
    exec(shorter, names)
    sevens = names["sevens"]
    assert isinstance(sevens, np.ndarray)
    assert (sevens.shape, sevens.dtype) == ((16, 1, 28, 28), np.uint8)


def test_paths_that_the_readme_names_exist() -> None:
    linked = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    root, *tree = blocks("")[-1].splitlines()
    rooms = [f"{root}{room}" for line in tree for room in re.findall(r"\b(\w+)/(?=\s|$)", line)]
    assert len(rooms) > 10
    for path in [*linked, *rooms]:
        assert (ROOT / path).exists(), path
