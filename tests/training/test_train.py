"""`train`: what a person asks for becomes a configuration, a run folder and a finished run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import acgan
from acgan.data.images import DatasetSplits
from acgan.errors import AcganError, DataError, UsageError
from acgan.training.run import TrainedRun
from acgan.training.train import prepare_run, train

SMALL = (
    "generator.widths=[8, 4]",
    "generator.latent_size=6",
    "discriminator.layers=[{width=6, kernel=4, stride=2, norm=false}]",
    "training.batch_size=16",
    "execution.threads=1",
    "reporting.grid_columns=1",
)


@pytest.fixture(scope="module")
def pictures(tiny_splits: DatasetSplits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of PNGs, one sub-folder per class."""
    root = tmp_path_factory.mktemp("data") / "shapes"
    images = np.concatenate([tiny_splits.train.images, tiny_splits.test.images])
    labels = np.concatenate([tiny_splits.train.labels, tiny_splits.test.labels])
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / tiny_splits.classes[label].name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(folder / f"{number:03d}.png")
    return root


@pytest.fixture
def start(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainedRun]:
    """`train` on the folder with a tiny network, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})

    def call(*options: str, data: str = str(pictures), **arguments: Any) -> TrainedRun:
        cache = {"cache": str(tmp_path / "cache"), **arguments.pop("data_options", {})}
        return train(data, options=(*SMALL, *options), data_options=cache, **arguments)

    return call


def config_of(run: TrainedRun) -> dict[str, Any]:
    return dict(json.loads((run.folder / "config.json").read_text()))


def test_the_same_call_says_that_it_is_complete(start: Callable[..., TrainedRun]) -> None:
    run = start(images=48)
    assert re.fullmatch(r"shapes-small-\w+-[0-9a-f]{8}", run.folder.name)
    assert run.folder.parent == Path("runs")
    assert (run.resumed_at, run.images_seen) == (0, 48)
    again = start(images=48)
    assert (again.folder, again.resumed_at, again.images_seen) == (run.folder, 48, 48)


@pytest.mark.slow
def test_a_larger_budget_goes_on_unless_rates_fall_towards_its_end(
    start: Callable[..., TrainedRun],
) -> None:
    run = start("optimizer.schedule=constant", images=48)
    further = start("optimizer.schedule=constant", images=96)
    assert (further.folder, further.resumed_at, further.images_seen) == (run.folder, 48, 96)
    assert start(images=48).folder != start(images=96).folder


def test_another_trajectory_is_another_folder(start: Callable[..., TrainedRun]) -> None:
    folders = {
        start(images=16).folder,
        start(images=16, seed=1).folder,
        start("optimizer.beta1=0.1", images=16).folder,
        start("reporting.log_every_images=8", images=16).folder,
    }
    assert len(folders) == 3, "but what is reported is no trajectory"


def test_python_reaches_it_from_the_package() -> None:
    assert acgan.train is train


@pytest.mark.parametrize(
    ("options", "arguments", "budget"),
    [
        ((), {"images": 32}, {"total_images": 32}),
        (("training.total_epochs=1",), {}, {"total_epochs": 1}),
        (("training.total_images=16",), {}, {"total_images": 16}),
        (("training.max_minutes=0.001",), {}, {"max_minutes": 0.001}),
    ],
)
def test_a_budget_that_is_asked_for_replaces_the_recipes(
    options: tuple[str, ...],
    arguments: dict[str, Any],
    budget: dict[str, Any],
    start: Callable[..., TrainedRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("acgan.training.start.measuring_seconds", lambda minutes: 0.01)
    training = config_of(start(*options, **arguments))["training"]
    found = {key: training[key] for key in ("total_images", "total_epochs", "max_minutes")}
    assert {key: value for key, value in found.items() if value is not None} == budget


@pytest.mark.parametrize(
    ("options", "arguments", "error", "words"),
    [
        ((), {"images": 5, "max_minutes": 1.0}, UsageError, "not both"),
        (("training.batch_size=5000",), {}, UsageError, "fewer than a batch of 5000"),
        (("training.batchsize=5",), {}, UsageError, "did you mean 'batch_size'"),
        ((), {"data": "no-such-place"}, AcganError, "no-such-place"),
        ((), {"recipe": "acgan-mnist"}, UsageError, "acgan-mnist"),
        ((), {"data_options": {"only_class": ("ring",)}, "images": 16}, None, ""),
        ((), {"init_from": "nowhere"}, UsageError, "no model at nowhere"),
        ((), {"execution": {"device": "cuda"}, "images": 16}, UsageError, "no cuda device"),
    ],
)
def test_mistakes_get_their_sentence_before_any_folder_is_filled(
    options: tuple[str, ...],
    arguments: dict[str, Any],
    error: type[Exception] | None,
    words: str,
    start: Callable[..., TrainedRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    if error is None:
        start(*options, **arguments)
        return
    with pytest.raises(error, match=re.escape(words)):
        start(*options, **arguments)
    assert not list(Path().glob("runs/*/checkpoints"))


def noise(root: Path, classes: int, images: int) -> Path:
    """A folder of ``images`` images of each class; of one class without folders."""
    random = np.random.default_rng(classes)
    for label in range(classes):
        home = root / f"class{label}" if classes > 1 else root
        home.mkdir(parents=True)
        for number in range(images):
            pixels = random.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(home / f"{number}.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("classes", range(1, 5))
def test_advice_on_few_images_works_as_given(classes: int, tmp_path: Path) -> None:
    options = {"cache": str(tmp_path / "cache")}
    for images in range(1, 11):
        data = str(noise(tmp_path / f"of{images}", classes, images))
        with pytest.raises((DataError, UsageError)) as caught:
            prepare_run(data, data_options=options, images=4)
        advice = re.findall(r"-o (\S+)", str(caught.value))
        assert bool(advice) == (caught.type is UsageError)
        assert images < 4 or advice
        assert not re.search(r"\b1 images", str(caught.value))
        if advice:
            prepare_run(data, data_options=options, images=4, options=advice)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "images"), [(1, 4), (2, 3)])
def test_two_training_images_are_trained(
    start: Callable[..., TrainedRun], classes: int, images: int, tmp_path: Path
) -> None:
    data = noise(tmp_path / "few", classes, images)
    run = start("training.batch_size=2", data=str(data), images=4, announce=True)
    assert run.images_seen == 4


def test_too_few_images_are_counted_in_one_sentence(
    start: Callable[..., TrainedRun], tmp_path: Path
) -> None:
    words = "3 images are too few to train: the training split has only 1 of them and needs at le"
    with pytest.raises(DataError, match=words):
        start(data=str(noise(tmp_path / "few", 1, 3)))


def test_one_class_alone_is_refused_for_an_acgan(
    start: Callable[..., TrainedRun], tmp_path: Path
) -> None:
    folder = tmp_path / "one" / "only"
    folder.mkdir(parents=True)
    for number in range(30):
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    with pytest.raises((UsageError, DataError), match="at least two"):
        start(data=str(tmp_path / "one"), recipe="small-gray")


def test_weights_of_another_network_are_refused_with_the_difference(
    start: Callable[..., TrainedRun],
) -> None:
    first = start(images=16)
    second = start(images=16, init_from=first.folder)
    assert second.folder != first.folder
    assert re.fullmatch("[0-9a-f]{64}", config_of(second)["init_from"])
    with pytest.raises(UsageError, match=r"--init-from do not fit.*\n.*latent_size: 6 → 7"):
        start("generator.latent_size=7", images=16, init_from=first.folder)


@pytest.mark.slow
def test_what_will_be_trained_is_said_first(
    start: Callable[..., TrainedRun], recording: Any
) -> None:
    display = recording()
    start(images=16, display=display, announce=True)
    assert display.says("data: shapes, 3 classes of 8×8×1", "training")
    assert display.says("classes: ", "ring (40)")
    assert display.says("recipe: small-")
    assert display.says("every setting: config.json")
    assert display.says("16 images will take about", "measured just now")
    assert not display.says("brightness and contrast only")
    assert not display.says("is meant for")


@pytest.mark.slow
def test_a_recipe_for_other_images_is_named_as_such(
    start: Callable[..., TrainedRun], recording: Any
) -> None:
    display = recording()
    start(images=16, recipe="small-color", display=display, announce=True)
    assert display.says("small-color is meant for color images; these are gray")


@pytest.mark.slow
def test_what_color_means_to_gray_images_is_said(
    start: Callable[..., TrainedRun], recording: Any
) -> None:
    display = recording()
    start("augmentation={policy=['color']}", images=16, display=display, announce=True)
    assert display.says("for gray images, color means brightness and contrast only")
    assert display.says("the discriminator's input is changed by color")
    assert not display.says("textures")


@pytest.mark.slow
def test_what_d_is_shown_is_said_and_how_textures_go_without(
    start: Callable[..., TrainedRun], recording: Any
) -> None:
    """The set is small, so that the default shifts; its recipe does not."""
    chosen, asked, without = recording(), recording(), recording()
    start(images=16, display=chosen, announce=True)
    assert chosen.says(
        "changed by translation (for textures", "-o augmentation.policy=[]", "texture-128"
    )
    both = "augmentation={policy=['translation','color']}"
    start(both, images=16, display=asked, announce=True)
    assert asked.says("changed by translation and color (for textures", "policy=[color]")
    start("augmentation.policy=[]", images=16, display=without, announce=True)
    assert not without.says("augmentation:")
    noisy = recording()
    start("augmentation={policy=[], noise=0.1}", images=16, display=noisy, announce=True)
    assert noisy.says("the discriminator's input is changed by noise")
    assert not noisy.says("textures")
