from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from acgan.data.config import DataConfig
from acgan.data.images import ImageShape
from acgan.data.load import load_data
from acgan.model.folder import save_model
from acgan.model.inspection import inspect_images, read_images
from acgan.model.model import load
from acgan.networks.interface import Heads

Acgan = Callable[..., Any]


@pytest.fixture
def pictures(tiny_run: Path, tmp_path: Path) -> list[Path]:
    """A drawn picture of the model's own size, and a color one of another."""
    own, other = tmp_path / "own.png", tmp_path / "other.jpg"
    load(tiny_run).images("seven")[0].save(own)
    colors = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    Image.fromarray(colors).save(other)
    return [own, other]


def test_a_table_and_a_warning(acgan: Acgan, tiny_run: Path, pictures: list[Path]) -> None:
    done = acgan("inspect", tiny_run, *pictures)
    assert done.code == 0
    assert "not calibrated" in done.err
    header, own, other = done.out.splitlines()
    assert header.split() == ["image", "source", "real", "class", "class", "class", "changes"]
    assert "own.png" in own
    assert "resized" not in own
    assert "center-cropped and resized from 40×50, converted to gray" in other


def test_json_has_every_class(acgan: Acgan, tiny_run: Path, pictures: list[Path]) -> None:
    values = json.loads(acgan("inspect", tiny_run, *pictures, "--json").out)
    model = load(tiny_run)
    own = torch.from_numpy(model.sample("seven")).float() / 127.5 - 1
    with torch.no_grad():
        answer = model.discriminator(own)
    assert answer.class_logits is not None
    shares = answer.class_logits.softmax(1)[0].tolist()
    expected = dict(zip([each.name for each in model.classes], shares, strict=True))
    assert values[0]["class_probabilities"] == pytest.approx(expected, abs=1e-6)
    ordered = list(values[0]["class_probabilities"].values())
    assert ordered == sorted(ordered, reverse=True)
    logit = answer.source_logits.item()
    assert values[0]["source_logit"] == pytest.approx(logit, abs=1e-6)
    assert values[0]["source_probability"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    assert [value["changes"] == "" for value in values] == [True, False]


def test_an_answer_does_not_depend_on_the_other_pictures(tiny_run: Path) -> None:
    model = load(tiny_run)
    images = model.sample(count=30)
    together = inspect_images(model, images)
    assert len(together) == 90
    for index in (0, 40, 89):
        (alone,) = inspect_images(model, images[index : index + 1])
        assert alone.source_logit == pytest.approx(together[index].source_logit, abs=1e-6)


def test_only_cross_entropy_makes_a_probability(tiny_run: Path) -> None:
    model = load(tiny_run)
    objective = model.config.objective.model_copy(update={"source_loss": "hinge"})
    config = model.config.model_copy(update={"objective": objective})
    object.__setattr__(model.record.info, "config", config)
    (answer,) = inspect_images(model, model.sample("zero"))
    assert answer.source_probability is None


def test_a_picture_of_the_same_proportions_is_not_cut(tmp_path: Path) -> None:
    Image.new("L", (24, 16), 9).save(tmp_path / "a.png")
    pixels, (note,) = read_images([tmp_path / "a.png"], ImageShape(3, 8, 12))
    assert pixels.shape == (1, 3, 8, 12)
    assert note == "resized from 16×24, converted to color"
    assert (pixels == 9).all()


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("text.png", 3, "not an image"),
        ("empty.png", 3, "not an image"),
        ("cut.png", 3, "damaged or cut off"),
        ("missing.png", 2, "does not exist"),
        ("folder", 2, "is a folder; name image files"),
    ],
)
def test_pictures_that_are_none(
    acgan: Acgan, tiny_run: Path, tmp_path: Path, name: str, code: int, sentence: str
) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    (tmp_path / "folder").mkdir()
    done = acgan("inspect", tiny_run, tmp_path / "whole.png", tmp_path / name)
    assert (done.code, done.out) == (code, "")
    assert str(tmp_path / name) in done.err
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1


@pytest.fixture(scope="module")
def digits_model(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with the statistics of the embedded digits."""
    splits, info = load_data(DataConfig(source="digits")), load(tiny_run).record.info
    config, shape = info.config, splits.shape
    folder = tmp_path_factory.mktemp("digits") / "model"
    save_model(
        folder,
        dataclasses.replace(info, shape=shape, classes=splits.classes, split=splits.split_record()),
        generator_state=config.generator.build(shape, 10).state_dict(),
        discriminator_state=config.discriminator.build(shape, 10, Heads()).state_dict(),
        statistics=splits.statistics,
    )
    return folder


def digit(name: str, folder: Path) -> Path:
    """A drawing: ``like`` those of the training data, a ``negative``, a ``photo`` of ink."""
    pixels = load_data(DataConfig(source="digits")).test.images[7, 0]
    image = Image.fromarray(255 - pixels if name == "negative" else pixels)
    if name == "photo":
        drawn = Image.fromarray(255 - pixels).resize((300, 300), Image.Resampling.BICUBIC)
        paper = np.linspace(190, 225, 900 * 700).reshape(900, 700)
        paper += np.random.default_rng(0).normal(0, 3, paper.shape)
        ink = np.full((900, 700), 255.0)
        ink[320:620, 210:510] = np.asarray(drawn)
        gray = (paper * (0.25 + 0.75 * ink / 255)).clip(0, 255).astype(np.uint8)
        image = Image.merge("RGB", [Image.fromarray(gray)] * 3)
    image.save(folder / f"{name}.png")
    return folder / f"{name}.png"


def test_an_image_like_the_training_data_passes(
    acgan: Acgan, digits_model: Path, tmp_path: Path
) -> None:
    for invert in ("never", "auto"):
        done = acgan("inspect", digits_model, digit("like", tmp_path), "--invert", invert, "--json")
        (value,) = json.loads(done.out)
        assert value["changes"] == ""
        assert (value["comparison"]["unlike"], value["comparison"]["inverted"]) == (False, False)
        assert "unlike" not in done.err


def test_dark_ink_on_light_paper_is_named_and_inverted_on_demand(
    acgan: Acgan, digits_model: Path, tmp_path: Path
) -> None:
    negative = digit("negative", tmp_path)
    done = acgan("inspect", digits_model, negative, "--json")
    assert "border has gray level 255, that of training images 0 to 3" in done.err
    assert "use --invert auto" in done.err
    assert json.loads(done.out)[0]["comparison"]["unlike"]
    inverted = acgan("inspect", digits_model, negative, "--invert", "auto", "--json")
    assert "inverted (distance to the training images" in inverted.err
    assert "warning" not in inverted.err
    (value,) = json.loads(inverted.out)
    (like,) = json.loads(acgan("inspect", digits_model, digit("like", tmp_path), "--json").out)
    assert value["changes"] == "inverted"
    assert value["class_probabilities"] == like["class_probabilities"]
    forced = acgan("inspect", digits_model, negative, "--invert", "always", "--json")
    assert json.loads(forced.out) == [value]


def test_a_photo_of_a_digit_gets_the_whole_message(
    acgan: Acgan, digits_model: Path, tmp_path: Path
) -> None:
    photo = digit("photo", tmp_path)
    done = acgan("inspect", digits_model, photo)
    assert "border has gray level" in done.err
    assert "use --invert auto" in done.err
    assert "converted to gray" in done.out
    inverted = acgan("inspect", digits_model, photo, "--invert", "auto")
    assert "inverted" in inverted.out
    assert "warning: unlike the training images" in inverted.err
    assert "crop it to its object" in inverted.err


def test_a_model_without_statistics_says_so(
    acgan: Acgan, tiny_run: Path, pictures: list[Path]
) -> None:
    done = acgan("inspect", tiny_run, pictures[0], "--invert", "always", "--json")
    assert "not compared" in done.err
    (value,) = json.loads(done.out)
    assert (value["comparison"], value["changes"]) == (None, "inverted")
    refused = acgan("inspect", tiny_run, pictures[0], "--invert", "auto")
    assert (refused.code, refused.out) == (2, "")
    assert "--invert always or --invert never" in refused.err


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4, 4), "enlarged 7.0 times"),
        ((400, 20), "the crop keeps 5 % of the image"),
        ((28, 30), ""),
    ],
)
def test_lossy_conversions_are_listed(tmp_path: Path, size: tuple[int, int], expected: str) -> None:
    Image.new("L", size, 9).save(tmp_path / "a.png")
    _, (note,) = read_images([tmp_path / "a.png"], ImageShape(1, 28, 28))
    assert expected in note
    assert ("(" in note) == bool(expected)
