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
    "training.batch_size=8",
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


Content = dict[tuple[str, str], list[Any]]
"""Pixels, uint8 (H, W) or (H, W, 3), by split and class; no splits have the name ''."""


def some_content(rng: random.Random) -> Content:
    """Return two to four classes, gray or in color, with or without splits, some images equal."""
    names = rng.sample(["crème", "각", "b", "B", "7", "10", "a b", "日本"], rng.randint(2, 4))
    splits = rng.choice([[""], ["train", "test"], ["train", "test", "val"]])
    shape = rng.choice([(6, 6), (5, 7, 3)])
    pixels = np.random.default_rng(rng.getrandbits(32))
    content = {
        (split, name): list(pixels.integers(0, 256, (rng.randint(5, 9), *shape), np.uint8))
        for split in splits
        for name in names
    }
    for images in content.values():
        images.append(rng.choice(rng.choice([images, *content.values()])))
    return content


class Unmarked(zipfile.ZipInfo):
    """A member whose name is UTF-8 without the mark for it, as Info-ZIP and macOS write it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode(), self.flag_bits


def write_somehow(content: Content, home: Path, rng: random.Random) -> Path:
    """Write images with random names, forms, folders and formats, into a folder or a zip."""
    folder = home / f"{rng.getrandbits(64):x}"
    wrapping = "deep/" * rng.randint(0, 2)
    other_words = rng.random() < 0.5
    split_above, merged = rng.random() < 0.5, rng.random() < 0.5
    for (split, name), images in content.items():
        spelled = unicodedata.normalize(rng.choice(["NFC", "NFD"]), name)
        word = {"train": "Training", "test": "testing", "val": "dev"}.get(split, "")
        pieces = [word if other_words else split, spelled][:: 1 if split_above else -1]
        at = folder / wrapping / Path(*filter(None, pieces))
        at = at / "inner" if merged and (split_above or not split) else at
        at.mkdir(parents=True, exist_ok=True)
        for image in rng.sample(images, len(images)):
            suffix = rng.choice([".png", ".bmp", ".tif", ".TIFF", ".pnm", ".webp"])
            suffix = ".png" if image.ndim == 2 and suffix == ".webp" else suffix  # it is in color
            stem = rng.choice(["{}", "-{}", "é {}", "img_{}.old"]).format(rng.getrandbits(40))
            Image.fromarray(image).save(at / f"{stem}{suffix}", lossless=True)
    if rng.random() < 0.5:
        return folder
    paths = [path for path in folder.rglob("*") if path.is_file() or rng.random() < 0.5]
    rng.shuffle(paths)
    kind = rng.choice([zipfile.ZipInfo, Unmarked])
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in paths:
            member = kind(f"{path.relative_to(folder)}{'/' * path.is_dir()}")
            member.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
            archive.writestr(member, b"" if path.is_dir() else path.read_bytes())
    return folder.with_suffix(".zip")


def change_one_thing(content: Content, rng: random.Random) -> None:
    """Change a pixel, label, class name, split or the number of equal images."""
    places = list(content)
    first, second = rng.sample(places, 2)
    at = rng.randrange(len(content[first]))
    match rng.choice(["pixel", "label", "swap", "rename", "rename in full", "double", "remove"]):
        case "pixel":
            content[first][at] = content[first][at] ^ np.uint8(1 << rng.randrange(8))
        case "label":  # or split
            content[second].append(content[first].pop(at))
        case "swap":
            content[first], content[second] = content[second], content[first]
        case "rename":
            other = {place: (place[0], place[1].replace(first[1], "new")) for place in places}
            renamed = {other[place]: images for place, images in content.items()}
            content.clear()
            content.update(renamed)
        case "rename in full":  # each class gets the name of another one
            names = sorted({name for _, name in places})
            turned = dict(zip(names, names[1:] + names[:1], strict=True))
            renamed = {(split, turned[name]): images for (split, name), images in content.items()}
            content.update(renamed)
        case "double":
            content[first].append(content[first][at])
        case "remove":
            content[first].pop(at)


@pytest.mark.parametrize("seed", range(20))
def test_content_alone_is_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    rng = random.Random(seed)
    content = some_content(rng)
    first, second = (load(write_somehow(content, tmp_path, rng)) for _ in range(2))
    assert first.split_record() == second.split_record()
    for split in ("train", "validation", "test"):
        one, other = getattr(first, split), getattr(second, split)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    change_one_thing(content, rng)
    assert load(write_somehow(content, tmp_path, rng)).content_hash != first.content_hash


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_each_writing_of_the_images_trains_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The default folder is the same, and so is each byte of the first checkpoint."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})
    rng = random.Random(seed)
    content = {
        place: [np.resize(each, (8, 8)) for each in images]
        for place, images in some_content(rng).items()
    }
    found = set()
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        written = write_somehow(content, tmp_path / place, rng)
        source = rng.choice([str(written), f"{written}/", os.path.relpath(written)])
        run = start(source, recipe="small-gray")
        files = sorted(path for path in (run.folder / "checkpoints").rglob("*") if path.is_file())
        content_of_files = tuple((path.name, path.read_bytes()) for path in files)
        found.add((run.folder.name.partition("-")[2], content_of_files))
    assert len(found) == 1


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
