from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import acgan as acgan_package
from acgan.cli.main import execute
from acgan.data.images import ClassName, ImageShape, make_classes
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig

PACKAGE = str(Path(acgan_package.__file__).parents[1])


@dataclass(frozen=True)
class Outcome:
    """How a command line ended."""

    code: int
    out: str
    err: str


Acgan = Callable[..., Outcome]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an untrained model of three classes of gray 8×12 images; do not change it."""
    classes = make_classes(["zero", "seven", "T-shirt/top"], [["0"], ["7"], []])
    return save_untrained(tmp_path_factory.mktemp("runs") / "tiny", classes)


def save_untrained(run: Path, classes: tuple[ClassName, ...]) -> Path:
    """Save a run with an untrained model of gray 8×12 images, thirty of each split."""
    config = RunConfig.model_validate(
        {
            "recipe": "small-gray",
            "generator": {"family": "deconv", "latent_size": 8, "widths": [8, 8]},
            "discriminator": {"layers": [{"width": 8, "kernel": 4, "stride": 2}]},
            "training": {"total_images": 1000},
        }
    )
    shape = ImageShape(1, 8, 12)
    torch.manual_seed(0)
    generator = config.generator.build(shape, len(classes))
    discriminator = config.discriminator.build(shape, len(classes), Heads())
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(5)
    part = {
        "content_hash": "a" * 64,
        "images": 30,
        "per_class": {each.name: 30 // len(classes) for each in classes},
    }
    info = ModelInfo(
        config=config,
        shape=shape,
        classes=classes,
        split={"train": part, "validation": part, "test": part},
        data_name="digits",
        images_seen=640,
    )
    save_model(
        run / "model",
        info,
        generator_state=generator.state_dict(),
        discriminator_state=discriminator.state_dict(),
    )
    (run / "config.json").write_text(config.model_dump_json())
    return run


@pytest.fixture
def acgan(capsys: pytest.CaptureFixture[str]) -> Acgan:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def acgan_process(tmp_path: Path) -> Acgan:
    """Runs a command line in a process of its own, as a person does."""

    def run(*arguments: object, **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "acgan", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": PACKAGE, **environment},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
