from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from acgan.data.images import ImageShape
from acgan.model.inspection import inspect_images, read_images
from acgan.model.model import load

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
