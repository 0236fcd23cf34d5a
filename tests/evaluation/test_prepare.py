from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers import cache as cache_module
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import (
    ReferenceClassifierConfig,
    fit_reference_classifier,
)
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.data.load import load_data
from acgan.errors import DataError, UsageError
from acgan.evaluation.prepare import EvaluationRequest, prepare_evaluation, training_data
from acgan.execution.progress import Stopwatch
from acgan.model.model import Model

Untrained = Callable[..., Model]
SMALL: dict[str, Any] = {"extractors": (), "samples": 20}


@pytest.fixture(autouse=True)
def small_reference_classifiers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """Fit reference classifiers quickly, cache them in the folder of the test; list their flips."""
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    flips: list[bool] = []

    def config(_train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        return ReferenceClassifierConfig(
            network=ReferenceNetworkConfig(stem=4, stages=(8, 8)),
            fit=FitConfig(flip=flip, images=640, batch_size=32, precision="fp32"),
        )

    def fit(*splits: LabeledImages, config: ReferenceClassifierConfig, **more: Any) -> Any:
        flips.append(config.fit.flip)
        return fit_reference_classifier(*splits, config=config, **more)

    monkeypatch.setattr(cache_module, "reference_classifier_config", config)
    monkeypatch.setattr(cache_module, "fit_reference_classifier", fit)
    return flips


def image_folder(folder: Path, seeds: range, *, mode: str = "L", side: int = 8) -> Path:
    for seed in seeds:
        pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
        place = folder / ("dark" if seed % 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).convert(mode).save(place / f"{seed}.png")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> tuple[DataConfig, DatasetSplits]:
    config = DataConfig(source=str(image_folder(tmp_path / "own", range(60))))
    return config, load_data(config)


def test_a_model_is_held_against_its_own_split(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config, splits = own
    model = untrained(splits, config)
    watch = Stopwatch()
    for path in (tmp_path / "run", tmp_path / "run" / "model"):
        prepared = prepare_evaluation(EvaluationRequest(path, **SMALL), watch)
        evidence = prepared.data
        assert evidence.held_out is True
        assert prepared.own_training_split
        assert evidence.splits.split_record() == splits.split_record()
        assert np.array_equal(evidence.sample_set.samples, model.sample(count=10))
        assert evidence.sample_set.run == tmp_path / "run"
        assert evidence.sample_set.name == "run"
        assert evidence.required_reference_classifier.record.train_hash == splits.train.content_hash
        assert "accuracy on the 6 test images" in prepared.notes[0]
    assert list(watch.seconds) == ["data", "samples", "reference classifier"]


def test_a_judge_knows_labels_that_were_hidden_from_the_model(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config = own[0].model_copy(update={"labeled_per_class": 5})
    untrained(load_data(config), config, objective={"name": "acgan"})
    for data in (None, config.source):  # the same split, whether or not labels are hidden in it
        prepared = prepare_evaluation(
            EvaluationRequest(tmp_path / "run", data=data, **SMALL), Stopwatch()
        )
        assert prepared.data.held_out is True
        assert prepared.own_training_split
        assert prepared.data.required_reference_classifier.record.train_images == len(own[1].train)
        assert any("with the labels of 10 training images" in note for note in prepared.notes)


def test_data_that_have_moved_are_named_again(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config, splits = own
    untrained(splits, config)
    (tmp_path / "own").rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"was trained on .*own', and there is no such.* --data"):
        prepare_evaluation(EvaluationRequest(tmp_path / "run", **SMALL), Stopwatch())
    request = EvaluationRequest(tmp_path / "run", data=str(tmp_path / "moved"), **SMALL)
    assert prepare_evaluation(request, Stopwatch()).data.held_out is True


@pytest.mark.slow
def test_only_a_run_names_the_path_of_its_data(
    own: tuple[DataConfig, DatasetSplits],
    untrained: Untrained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, splits = own
    untrained(splits, config)
    (tmp_path / "run" / "model").rename(tmp_path / "download")
    read: list[str] = []

    def load(wanted: DataConfig, **options: Any) -> DatasetSplits:
        read.append(wanted.source)
        return load_data(wanted, **options)

    monkeypatch.setattr("acgan.evaluation.prepare.load_data", load)
    with pytest.raises(UsageError, match=r"download names the path .*own.*add --data PATH"):
        prepare_evaluation(EvaluationRequest(tmp_path / "download", **SMALL), Stopwatch())
    assert not read
    other = str(image_folder(tmp_path / "other", range(100, 160)))
    request = EvaluationRequest(tmp_path / "download", data=other, other_data=True, **SMALL)
    assert prepare_evaluation(request, Stopwatch()).data.held_out is None
    assert read == [other]
    request = EvaluationRequest(tmp_path / "download", data=config.source, **SMALL)
    assert prepare_evaluation(request, Stopwatch()).data.held_out is True


@pytest.mark.parametrize("name", ["run", "download"])
def test_no_folder_names_roots_or_caches(
    own: tuple[DataConfig, DatasetSplits],
    untrained: Untrained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    foreign = {"cache": str(tmp_path / "foreign"), "root": str(tmp_path / "root")}
    config, splits = own
    untrained(splits, config.model_copy(update=foreign))
    if name == "download":
        (tmp_path / "run" / "model").rename(tmp_path / name)
    (tmp_path / "foreign").mkdir()
    thesis = tmp_path / "foreign" / ".tmp-thesis"
    thesis.write_text("mine")
    request = EvaluationRequest(tmp_path / name, data=config.source, **SMALL)
    assert prepare_evaluation(request, Stopwatch()).data.held_out is True
    assert list((tmp_path / "foreign").iterdir()) == [thesis]
    monkeypatch.delenv("ACGAN_DATA", raising=False)
    named = untrained(splits, DataConfig(source="mnist", **foreign), "named")
    with pytest.raises(UsageError, match=r"trained with `--data-root=.*root`, and folders"):
        training_data(named)
    assert training_data(named, "here").root == "here"
    monkeypatch.setenv("ACGAN_DATA", "there")
    assert training_data(named).root is training_data(named).cache is None


def test_other_data_need_an_option(
    own: tuple[DataConfig, DatasetSplits], untrained: Untrained, tmp_path: Path
) -> None:
    config, splits = own
    untrained(splits, config)
    other = str(image_folder(tmp_path / "other", range(100, 160)))
    with pytest.raises(DataError, match=r"no held-out reference.* --other-data"):
        prepare_evaluation(EvaluationRequest(tmp_path / "run", data=other, **SMALL), Stopwatch())
    prepared = prepare_evaluation(
        EvaluationRequest(tmp_path / "run", data=other, other_data=True, **SMALL), Stopwatch()
    )
    assert prepared.data.held_out is True
    assert not prepared.own_training_split
    assert any("Memorization was not measured" in n for n in prepared.notes)
    (tmp_path / "own").rename(tmp_path / "gone")
    prepared = prepare_evaluation(
        EvaluationRequest(tmp_path / "run", data=other, other_data=True, **SMALL), Stopwatch()
    )
    assert prepared.data.held_out is None
    assert any("it was not checked" in note for note in prepared.notes)


def test_the_training_data_of_a_folder_of_images_is_unknown(
    own: tuple[DataConfig, DatasetSplits], tmp_path: Path
) -> None:
    made = image_folder(tmp_path / "made", range(200, 240))
    prepared = prepare_evaluation(EvaluationRequest(made, data=own[0].source, **SMALL), Stopwatch())
    assert prepared.data.held_out is None
    assert prepared.own_training_split
    assert len(prepared.data.sample_set.samples) == 20
    assert any("is unknown" in note for note in prepared.notes)


def test_color_folders_are_mirrored_unless_one_knows_better(
    small_reference_classifiers: list[bool], tmp_path: Path
) -> None:
    data = str(image_folder(tmp_path / "photos", range(60), mode="RGB"))
    made = image_folder(tmp_path / "made", range(200, 220), mode="RGB")
    assert (
        prepare_evaluation(EvaluationRequest(made, data=data, **SMALL), Stopwatch()).horizontal_flip
        is True
    )
    assert (
        prepare_evaluation(
            EvaluationRequest(made, data=data, horizontal_flip=False, **SMALL), Stopwatch()
        ).horizontal_flip
        is False
    )
    assert small_reference_classifiers == [True, False]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "holds no model; name the real data .* --data DATA"),
        ({"data": "digts"}, "digits"),
        ({"data": "OWN", "image_size": (9, 9)}, "are of 8×8×1, but own has images of 9×9×1"),
        ({"data": "OWN", "extractors": ("vgg",)}, "efficientnet-lite0, inception"),
        ({"data": "OWN", "samples": 1}, ""),
    ],
)
def test_mistakes_with_pictures(
    own: tuple[DataConfig, DatasetSplits], tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    made = image_folder(tmp_path / "made", range(200, 220))
    given = {**SMALL, **changes}
    if given.get("data") == "OWN":
        given["data"] = own[0].source
    request = EvaluationRequest(made, **given)
    if sentence:
        with pytest.raises((DataError, UsageError), match=sentence):
            prepare_evaluation(request, Stopwatch())
    else:
        assert (
            len(prepare_evaluation(request, Stopwatch()).data.sample_set.samples) == 2
        )  # one a class


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_size": (16, 16)}, "--image-size is for folders of images"),
        ({"other_data": True}, "--other-data needs --data"),
        ({"samples": 1}, "fewer than the 2 classes"),
        ({"inception_weights": Path("none.pth"), "extractors": ("inception",)}, "none.pth"),
    ],
)
def test_mistakes_with_models(
    own: tuple[DataConfig, DatasetSplits],
    untrained: Untrained,
    small_reference_classifiers: list[bool],
    tmp_path: Path,
    changes: dict[str, Any],
    sentence: str,
) -> None:
    config, splits = own
    untrained(splits, config)
    with pytest.raises((DataError, UsageError), match=sentence):
        prepare_evaluation(EvaluationRequest(tmp_path / "run", **{**SMALL, **changes}), Stopwatch())
    assert not small_reference_classifiers  # none is fitted for nothing


@pytest.mark.parametrize("damaged", ["data", "samples"])
def test_files_that_cannot_be_used_are_skipped_on_request(
    own: tuple[DataConfig, DatasetSplits], tmp_path: Path, damaged: str
) -> None:
    made = image_folder(tmp_path / "made", range(200, 220))
    place = Path(own[0].source) if damaged == "data" else made
    (place / "dark" / "broken.png").write_bytes(b"no image")

    def prepared(bad_files: str | None) -> Any:
        request = EvaluationRequest(made, data=own[0].source, bad_files=bad_files, **SMALL)
        return prepare_evaluation(request, Stopwatch())

    with pytest.raises(DataError, match=r"broken\.png"):
        prepared(None)
    with pytest.raises(UsageError, match="bad_files"):
        prepared("eat")
    done = prepared("skip")
    assert len(done.data.sample_set.samples) == 20
    assert done.data.sample_set.origin["skipped_files"] == (damaged == "samples")
    assert len(done.data.splits.skipped) == (damaged == "data")


def test_the_time_of_a_fit_is_said_before_the_samples_and_not_if_it_is_cached(
    own: tuple[DataConfig, DatasetSplits], tmp_path: Path
) -> None:
    made = image_folder(tmp_path / "made", range(200, 220))
    request = EvaluationRequest(made, data=own[0].source, **SMALL)
    events: list[str] = []
    watch = Stopwatch(done=lambda part, _seconds: events.append(part))
    prepare_evaluation(request, watch, announce=events.append)
    assert max(map(len, events)) <= 120
    fit = next(i for i, each in enumerate(events) if each.startswith("fitting"))
    advice = events[1:fit]
    assert advice[0].startswith("Only 6 test images")
    assert "cross-fitting" in " ".join(advice)
    del events[1:fit]
    assert events[0] == "data"
    assert re.fullmatch(
        r"fitting the reference classifier to 48 training images takes about [\d.]+ s "
        r"\([\d,]+ images/s\)",
        events[1],
    )
    assert "continues where it stopped" in events[2]
    assert events[3:] == ["samples", "reference classifier"]
    again: list[str] = []
    prepare_evaluation(request, Stopwatch(), announce=again.append)
    assert again == advice


def test_a_path_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model at"):
        prepare_evaluation(EvaluationRequest(tmp_path / "nothing", **SMALL), Stopwatch())


@pytest.mark.parametrize("made_by", ["model", "pictures"])
def test_what_is_planned_with_the_samples_can_be_refused_before_any_work(
    own: tuple[DataConfig, DatasetSplits],
    untrained: Untrained,
    small_reference_classifiers: list[bool],
    tmp_path: Path,
    made_by: str,
) -> None:
    config, splits = own
    path = tmp_path / "run"
    if made_by == "model":
        untrained(splits, config)
    else:
        image_folder(path, range(100, 110))
    told: list[tuple[Model | None, str, bool]] = []

    def refuse(model: Model | None, found: DatasetSplits, target_labels: bool) -> None:
        told.append((model, found.train.content_hash, target_labels))
        raise UsageError("not with these")

    request = EvaluationRequest(path, data=config.source, **SMALL)
    with pytest.raises(UsageError, match="not with these"):
        prepare_evaluation(request, Stopwatch(), check=refuse)
    [(model, content, target_labels)] = told
    assert (model is not None, content, target_labels) == (
        made_by == "model",
        splits.train.content_hash,
        True,
    )
    assert not small_reference_classifiers
