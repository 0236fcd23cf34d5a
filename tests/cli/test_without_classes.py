"""A folder of pictures without sub-folders, from training to samples, on the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.model.model import load

Acgan = Callable[..., Any]

TINY = (
    *("-o", "generator.widths=[8,8]", "-o", "generator.latent_size=8"),
    *("-o", "discriminator.layers=[{width=8,kernel=4,stride=2,norm=false}]"),
    *("-o", "training.batch_size=8", "--device", "cpu", "--precision", "fp32"),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 24 gray 8×8 images; the cache and the run of all tests lie beside them."""
    base = tmp_path_factory.mktemp("without-classes")
    random = np.random.default_rng(0)
    (base / "images").mkdir()
    for index in range(24):
        pixels = random.integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(base / "images" / f"{index}.png")
    return base


@pytest.fixture
def folder(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACGAN_CACHE", str(base / "cache"))
    monkeypatch.chdir(base)
    return base / "images"


@pytest.fixture
def run(acgan: Acgan, folder: Path) -> Path:
    """The run, trained once."""
    if not Path("run").exists():
        done = acgan("train", folder, "--images", 16, "--run", "run", *TINY)
        assert done.code == 0, done.err
        assert "data: images, images of 8×8×1" in done.err
        assert "recipe: small-gray, small-gray without classes" in done.err
        assert "acgan sample run --count 16 --out samples" in done.out
    return Path("run")


@pytest.mark.slow
def test_it_trains_a_model_without_classes_and_the_same_command_goes_on(
    acgan: Acgan, folder: Path, run: Path
) -> None:
    config = load(run).config
    assert config.objective.name == "gan"
    assert config.generator.conditioning.mode == "none"
    again = acgan("train", folder, "--images", 16, "--run", "run", *TINY)
    assert "was complete already" in again.out


@pytest.mark.slow
def test_samples_lie_in_no_class_folder(acgan: Acgan, run: Path) -> None:
    done = acgan("sample", run, "--count", 3, "--seed", 5, "--out", "drawn", "--json")
    assert (done.code, done.err) == (0, "")
    names = sorted(path.name for path in Path("drawn").iterdir())
    assert names == ["5.png", "6.png", "7.png", "manifest.json"]
    manifest = json.loads(Path("drawn/manifest.json").read_text())
    assert json.loads(done.out)["images"] == manifest["images"]
    for entry, image in zip(manifest["images"], load(run).sample(count=3, seed=5), strict=True):
        assert (entry["class_name"], entry["label"]) == (None, None)
        content = Path("drawn", entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        with Image.open(Path("drawn", entry["file"])) as picture:
            np.testing.assert_array_equal(np.asarray(picture), image[0])
    more = acgan("sample", run, "--count", 2, "--out", "drawn")
    assert more.code == 0, more.err
    seeds = [each["seed"] for each in json.loads(Path("drawn/manifest.json").read_text())["images"]]
    assert seeds == [0, 1, 5, 6, 7]
    with Image.open("drawn/0.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), load(run).sample(seed=0)[0, 0])
    assert acgan("sample", run, "--count", 3, "--seed", 5, "--out", "drawn.npz").code == 0
    with np.load("drawn.npz") as arrays:
        assert arrays.files == ["images", "seeds"]
        np.testing.assert_array_equal(arrays["images"], load(run).sample(count=3, seed=5)[:, 0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sample", "run", "--class", "image"), "leave the class out"),
        (("sample", "run", "--class", "0", "--grid", "s.png"), "leave the class out"),
        (("interpolate", "run", "--to-seed", 1, "--class", "image", "--out", "w.png"), "leave"),
        (("interpolate", "run", "--to-class", "image", "--out", "w.png"), "leave the class out"),
    ],
)
def test_asking_for_a_class_is_refused(
    acgan: Acgan, run: Path, arguments: tuple[object, ...], sentence: str
) -> None:
    done = acgan(*arguments)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert not Path("samples").exists()
    assert load(run).conditional is False


def test_grids_paths_tables_and_inspection(acgan: Acgan, run: Path, folder: Path) -> None:
    grid = acgan("sample", run, "--count", 9, "--grid", "grid.png")
    assert grid.code == 0, grid.err
    path = acgan("interpolate", run, "--seed", 1, "--to-seed", 2, "--out", "path.png")
    assert path.code == 0, path.err
    for picture in ("grid.png", "path.png"):
        with Image.open(picture) as image:
            image.verify()
    shown = acgan("show", run)
    assert "no classes, 8×8×1 pixels" in shown.out
    said = acgan("inspect", run, folder / "0.png", "--json")
    assert json.loads(said.out)[0]["class_probabilities"] is None


def test_a_study_of_usefulness_is_refused_before_anything_is_drawn(
    acgan: Acgan, run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError("work for nothing")

    monkeypatch.setattr("acgan.evaluation.prepare.sample_model", never)
    monkeypatch.setattr("acgan.evaluation.prepare.cached_reference_classifier", never)
    alone = tmp_path / "alone"  # pictures from elsewhere
    alone.mkdir()
    for index in range(2):
        shutil.copy(folder / f"{index}.png", alone)
    for made in (run, alone):
        done = acgan("evaluate", made, "--usefulness", "--extractor", "none", "--data", folder)
        assert (done.code, "Traceback" in done.err) == (2, False), done.err
        assert "--usefulness trains classifiers on samples of known classes" in done.err


def test_a_recipe_with_classes_is_refused_with_what_to_do(acgan: Acgan, folder: Path) -> None:
    done = acgan("train", folder, "--recipe", "small-gray", "--images", 16, *TINY)
    assert done.code == 2
    assert "needs images of at least two classes" in done.err
    assert "leave --recipe out" in done.err
    assert not Path("runs").exists()


def test_a_conditional_model_still_asks_where_to_start(
    acgan: Acgan, tiny_run: Path, tmp_path: Path
) -> None:
    done = acgan("interpolate", tiny_run, "--to-seed", 1, "--out", tmp_path / "path.png")
    assert done.code == 2
    assert "--class NAME" in done.err
