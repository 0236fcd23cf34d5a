"""A run is identified by what its data contains, not by where it lies or how files are named."""

from __future__ import annotations

import json
import os
import random
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits
from acgan.data.load import load_data
from acgan.errors import DataError
from acgan.model.folder import read_model_record as load_model
from acgan.training.run import TrainedRun
from acgan.training.train import train

SMALL = (
    "generator.widths=[8, 4]",
    "generator.latent_size=6",
    "discriminator.layers=[{width=6, kernel=4, stride=2, norm=false}]",
    "training.batch_size=16",
    "execution.threads=1",
    "reporting.grid_columns=1",
)
Change = Callable[[Path, random.Random], Path]


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of 8×8 images in ``data/``; twelve and ten, with one pair of equal images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})
    pixels = np.random.default_rng(0).integers(0, 256, (22, 8, 8), np.uint8)
    pixels[1] = pixels[0]
    pixels[13] = pixels[0]  # in another class
    for number, image in enumerate(pixels):
        folder = tmp_path / "data" / ("crème" if number < 12 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    return tmp_path / "data"


def load(source: Path | str) -> DatasetSplits:
    return load_data(DataConfig(source=str(source), cache="cache"))


def start(source: Path | str, **arguments: Any) -> TrainedRun:
    return train(
        str(source), options=SMALL, images=32, data_options={"cache": "cache"}, **arguments
    )


def renamed_files(folder: Path, rng: random.Random) -> Path:
    for path in sorted(folder.rglob("*.png")):
        path.rename(path.with_name(f"{rng.getrandbits(64):x}.png"))
    return folder


def nested_files(folder: Path, rng: random.Random) -> Path:
    for path in sorted(folder.rglob("*.png")):
        inner = path.parent / f"{rng.choice('xyz')} of {path.parent.name}"
        inner.mkdir(exist_ok=True)
        path.rename(inner / path.name)
    return folder


def stored_otherwise(folder: Path, rng: random.Random) -> Path:
    for path in sorted(folder.rglob("*.png")):
        if rng.random() < 0.5:
            with Image.open(path) as image:
                image.save(path.with_suffix(rng.choice([".bmp", ".tif", ".pgm"])))
            path.unlink()
    return folder


def moved(folder: Path, rng: random.Random) -> Path:
    target = folder.parent / f"moved-{rng.getrandbits(32)}" / "elsewhere"
    target.parent.mkdir()
    return folder.rename(target)


def wrapped(folder: Path, rng: random.Random) -> Path:
    outer = folder.with_name(f"wrap-{rng.getrandbits(32)}")
    outer.mkdir()
    folder.rename(outer / "inner")
    return outer


def zipped(folder: Path, rng: random.Random) -> Path:
    target = folder.with_name(f"{rng.getrandbits(32)}.zip")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rng.shuffle(paths)
    with zipfile.ZipFile(target, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as z:
        for path in paths:
            z.write(path, path.relative_to(folder))
    return target


def linked(folder: Path, rng: random.Random) -> Path:
    target = folder.with_name(f"link-{rng.getrandbits(32)}")
    target.symlink_to(folder, target_is_directory=True)
    return target


def decomposed(folder: Path, rng: random.Random) -> Path:
    (folder / "crème").rename(folder / unicodedata.normalize("NFD", "crème"))
    return folder


def relative(folder: Path, rng: random.Random) -> Path:
    return Path(os.path.relpath(folder))


ON_FOLDERS: tuple[Change, ...] = (
    renamed_files,
    nested_files,
    stored_otherwise,
    decomposed,
    moved,
    wrapped,
)
AT_THE_END: tuple[Change, ...] = (zipped, linked, relative)


@pytest.mark.parametrize("seed", range(12))
def test_other_names_and_places_are_the_same_data(shapes: Path, seed: int) -> None:
    rng = random.Random(seed)
    before = load(shapes)
    at = shapes
    for change in sorted(rng.sample(ON_FOLDERS, rng.randint(0, 3)), key=ON_FOLDERS.index):
        at = change(at, rng)
    at = rng.choice(AT_THE_END)(at, rng)
    after = load(at)
    assert after.split_record() == before.split_record()
    assert after.content_hash == before.content_hash


def other_pixel(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.rglob("*.png")))
    with Image.open(path) as image:
        pixels = np.asarray(image).copy()
    pixels[rng.randrange(8), rng.randrange(8)] ^= 1 << rng.randrange(8)
    Image.fromarray(pixels).save(path)


def other_label(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted((folder / "crème").iterdir()))
    path.rename(folder / "b" / f"new-{path.name}")


def other_class_name(folder: Path, rng: random.Random) -> None:
    (folder / "b").rename(folder / rng.choice(["c", "B", "bb"]))


def one_more(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.rglob("*.png")))
    shutil.copy(path, path.with_name("copy.png"))


def one_less(folder: Path, rng: random.Random) -> None:
    rng.choice(sorted(folder.rglob("*.png"))).unlink()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("change", [other_pixel, other_label, other_class_name, one_more, one_less])
def test_any_other_pixel_label_or_class_name_is_other_data(
    shapes: Path, change: Callable[[Path, random.Random], None], seed: int
) -> None:
    before = load(shapes)
    change(shapes, random.Random(seed))
    assert load(shapes).content_hash != before.content_hash


@pytest.mark.slow
def test_each_spelling_of_a_path_continues_the_same_run(shapes: Path) -> None:
    first = start("data")
    Path("link").symlink_to("data")
    for spelling in ("data/", "./data", shapes, "link", f"{shapes.parent}/x/../data"):
        (shapes.parent / "x").mkdir(exist_ok=True)
        again = start(spelling)
        assert (again.folder, again.resumed_at) == (first.folder, 32)
    saved = json.loads((first.folder / "config.json").read_text())
    assert saved["data"]["source"] == f"{shapes.parent}/x/../data", "for people and `evaluate`"


@pytest.mark.parametrize("named", [True, False])
def test_a_run_continues_where_its_data_was_renamed(shapes: Path, named: bool) -> None:
    first = start("data", run="mine" if named else None)
    shapes.rename("other")
    renamed_files(Path("other"), random.Random(0))
    again = start("other", run="mine" if named else None)
    assert (again.folder, again.resumed_at) == (first.folder, 32)


@pytest.mark.slow
def test_other_names_give_the_same_weights(shapes: Path) -> None:
    first = start("data", run="first")
    second = start(zipped(renamed_files(shapes, random.Random(1)), random.Random(2)), run="second")
    weights = [
        (run.folder / "model" / "generator.safetensors").read_bytes() for run in (first, second)
    ]
    assert weights[0] == weights[1]
    assert first.model.record.content_hash == second.model.record.content_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_more, "1 image more in class"),
        (one_less, "1 image fewer in class"),
        (other_label, "1 image more in class 'b', 1 image fewer in class 'crème'"),
        (other_pixel, "as many images as before, but pixels, labels or splits differ"),
    ],
)
def test_changed_data_are_described(
    shapes: Path, change: Callable[[Path, random.Random], None], words: str
) -> None:
    start("data", run="mine")
    change(shapes, random.Random(0))
    with pytest.raises(DataError, match=f"was started with other data: .*{words}"):
        start("data", run="mine")


@pytest.mark.slow
def test_spellings_of_one_path_are_one_folder(shapes: Path) -> None:
    """What is displayed of a path with bytes that are not UTF-8 can be typed back, too."""
    composed, decomposed = (unicodedata.normalize(form, "dé") for form in ("NFC", "NFD"))
    shapes.rename(composed)
    first = start(decomposed, run=f"run-{composed}")
    again = start(composed, run=f"run-{decomposed}")
    assert (again.folder, again.resumed_at) == (first.folder, 32)
    found = load_model(Path(f"run-{decomposed}"))
    assert found.content_hash == first.model.record.content_hash
    shapes.with_name(composed).rename(os.fsdecode(b"d\xff"))
    assert start(r"d\xff", run=first.folder).resumed_at == 32
