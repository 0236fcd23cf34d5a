"""Names of classes that are hard to type: what a command displays can be pasted into the next."""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import make_classes
from acgan.data.load import load_data
from acgan.evaluation.sample_sets import load_sample_folder

from .conftest import save_untrained

Acgan = Callable[..., Any]
ODD = (
    *("3", "0", "-x", "--help", "one, two", "one", 'it\'s "q"', "$HOME `x`", "c\nb", "a\tc"),
    *(os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff\xfe"), "crème", "日本", "n" * 240, "A", "a"),
    *("a b", "a-b", "[red]"),
)


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four gray 8×12 images of each class."""
    folder = tmp_path_factory.mktemp("names") / "data"
    random = np.random.default_rng(0)
    for name in ODD:
        (folder / name).mkdir(parents=True)
        for number in range(4):
            pixels = random.integers(0, 255, (8, 12), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """An untrained model of these classes."""
    classes = load_data(DataConfig(source=str(data), cache=str(data.parent / "cache"))).classes
    assert {each.name for each in classes} == {each.name for each in make_classes(ODD)}
    return save_untrained(tmp_path_factory.mktemp("run") / "odd", classes)


def displayed(message: str) -> list[str]:
    """Return the names of a list in a message; those with commas have quotes."""
    text = re.search(r"[Cc]lasses: (.*?)(?: \(or an index.*)?$", message.strip())
    assert text is not None
    found = re.findall(r"""(?:'([^']*)'|"([^"]*)"|([^,]+))(?:, |$)""", text[1])
    return [first or second or third for first, second, third in found]


def typed(name: str) -> str:
    """Return what a command gets of a name that is pasted into a shell, quoted."""
    return shlex.split(shlex.join(["acgan", name]))[1]


@pytest.mark.slow
def test_each_displayed_name_selects_its_class(acgan: Acgan, run: Path, tmp_path: Path) -> None:
    known = json.loads((run / "model" / "classes.json").read_text())
    names = displayed(acgan("sample", run, "--class", "no such").err)
    assert len(names) == len(known) == len(ODD)
    folders = [each["folder"] for each in known]
    decomposed = [unicodedata.normalize("NFD", each["name"]) for each in known]
    for number, spellings in enumerate((names, folders, decomposed)):
        words = [f"--class={typed(name)}" for name in spellings]
        done = acgan("sample", run, *words, "--out", tmp_path / f"{number}", "--json")
        assert done.code == 0, done.err
        images = json.loads(done.out)["images"]
        assert [image["label"] for image in images] == list(range(len(ODD)))
    for first, last in zip(names[::5], names[::-5], strict=True):
        words = ["--class", typed(first), "--to-class", typed(last), "--steps", "2"]
        done = acgan("interpolate", run, *words, "--out", tmp_path / "path.png")
        assert done.code == 0, done.err


@pytest.mark.slow
def test_each_displayed_name_selects_its_images(acgan: Acgan, data: Path) -> None:
    config = DataConfig(source=str(data), cache=str(data.parent / "cache"))
    names = displayed(acgan("train", data, "--only-class", "no such").err)
    classes = load_data(config).classes
    assert len(names) == len(classes)
    for name, entry in zip(names[::2], classes[::2], strict=True):
        only = load_data(config.model_copy(update={"only_class": (typed(name),)}))
        assert [each.name for each in only.classes] == [entry.name]


@pytest.mark.slow
def test_samples_are_evaluated_as_the_classes_that_they_are_of(
    acgan: Acgan, run: Path, data: Path, tmp_path: Path
) -> None:
    assert acgan("sample", run, "--out", tmp_path / "samples").code == 0
    splits = load_data(DataConfig(source=str(data), cache=str(data.parent / "cache")))
    found = load_sample_folder(
        tmp_path / "samples", splits, total=99, seed=0, progress=lambda *_: None
    )
    manifest = json.loads((tmp_path / "samples" / "manifest.json").read_text())
    expected = {}
    for image in manifest["images"]:
        with Image.open(tmp_path / "samples" / image["file"]) as file:
            expected[np.asarray(file).tobytes()] = image["label"]
    assert len(expected) == len(ODD)
    for pixels, label in zip(found.samples, found.target_labels, strict=True):
        assert expected[pixels.tobytes()] == label
