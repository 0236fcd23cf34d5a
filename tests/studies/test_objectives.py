"""Whole comparisons of tiny runs on real digits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.reference_classifier import (
    ReferenceClassifierConfig,
    reference_classifier_config,
)
from acgan.data.images import LabeledImages
from acgan.errors import DataError, DiskError, UsageError
from acgan.evaluation.evaluation_data import real_data
from acgan.evaluation.reference_quality import measure_quality
from acgan.execution.progress import Stopwatch
from acgan.model.model import load
from acgan.studies import objectives as module
from acgan.studies.objectives import Question, compare_objectives, comparison_chart
from acgan.studies.objectives_result import ObjectiveComparison
from acgan.training.display import Display, Level
from acgan.training.train import prepare_run

pytestmark = pytest.mark.slow

SMALL = (
    "generator.widths=[8, 4]",
    "generator.refinements=0",
    "discriminator.layers=[{width=4, kernel=4, stride=2, norm=false}]",
    "training.batch_size=16",
    "optimizer.schedule=constant",
)
QUESTION = Question(
    "digits", names=("acgan", "gan"), images=48, seeds=(0, 1), per_class=30, options=SMALL
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def quick_judge(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A judge that has seen little, once for all tests here."""

    def config(train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        return reference_classifier_config(train, flip=flip, images=2_000)

    monkeypatch.setenv("ACGAN_CACHE", str(cache))
    monkeypatch.setattr("acgan.classifiers.cache.reference_classifier_config", config)
    monkeypatch.setattr(module, "QUICK_FIT_IMAGES", 1_500)
    monkeypatch.setattr(module, "_ESTIMATE_SECONDS", 0.01)
    monkeypatch.setattr("acgan.training.budget.MAX_SECONDS", 0.01)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})


@pytest.fixture(scope="module")
def done(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ObjectiveComparison]:
    folder = tmp_path_factory.mktemp("comparison")
    with pytest.MonkeyPatch.context() as patched:
        quick_judge.__wrapped__(patched, cache)  # type: ignore[attr-defined]
        return folder, compare_objectives(QUESTION, folder)


def test_every_objective_is_trained_with_every_seed_to_the_same_budget(
    done: tuple[Path, ObjectiveComparison],
) -> None:
    folder, found = done
    assert {name: [row.seed for row in rows] for name, rows in found.rows.items()} == {
        "acgan": [0, 1],
        "gan": [0, 1],
    }
    assert {row.images for rows in found.rows.values() for row in rows} == {48}
    acgan, gan = (load(folder / f"{name}-s1").config for name in ("acgan", "gan"))
    assert acgan.objective.name == "acgan"
    assert gan.objective.name == "gan"
    assert gan.generator.conditioning.mode == "none"
    assert acgan.discriminator == gan.discriminator
    assert acgan.seed == gan.seed == 1


def test_the_figures_are_those_of_the_models_samples(
    done: tuple[Path, ObjectiveComparison],
) -> None:
    folder, found = done
    _, _, splits, _ = prepare_run("digits", options=SMALL)
    reference_classifier = cached_reference_classifier(
        splits, config=reference_classifier_config(splits.train, flip=False, images=2_000)
    )
    samples = load(folder / "acgan-s1").sample(label="all", count=30)
    target_labels = np.repeat(np.arange(10), 30)
    data = real_data(reference_classifier, splits).with_samples(samples, target_labels)
    quality = measure_quality(data, QUESTION.split).to_json()
    row = found.rows["acgan"][1]
    assert row.metrics["accuracy"] == quality["accuracy"]
    assert row.metrics["frechet_ratio"] == pytest.approx(quality["frechet_ratio"])
    assert row.class_accuracy == quality["class_accuracy"]
    assert found.values("gan", "accuracy") == []
    assert min(found.values("gan", "frechet_ratio")) > 1


def test_the_same_question_again_trains_and_judges_nothing(
    done: tuple[Path, ObjectiveComparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = done

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(module, "measure_quality", never)
    before = (folder / "acgan-s0" / "metrics.jsonl").read_bytes()
    assert compare_objectives(QUESTION, folder).to_json() == found.to_json()
    assert (folder / "acgan-s0" / "metrics.jsonl").read_bytes() == before


def test_what_a_kill_interrupts_goes_on_to_the_same_figures(
    done: tuple[Path, ObjectiveComparison], tmp_path: Path
) -> None:
    def kill(_: ObjectiveComparison) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_objectives(QUESTION, tmp_path, on_result=kill)
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"name": "gan", "se')  # cut in a line
    counts: list[int] = []
    again = compare_objectives(
        QUESTION,
        tmp_path,
        on_result=lambda found: counts.append(sum(map(len, found.rows.values()))),
    )
    assert counts == [1, 2, 3, 4]
    assert again.to_json() == done[1].to_json()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": 64}, "another comparison (images: 48 → 64)"),
        ({"options": (*SMALL, "training.horizontal_flip=always")}, "another comparison (options"),
    ],
)
def test_another_question_is_refused_in_the_same_folder(
    done: tuple[Path, ObjectiveComparison], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        compare_objectives(replace(QUESTION, **changes), done[0])
    assert words in str(refused.value)


def test_more_seeds_and_objectives_join_what_is_there(
    done: tuple[Path, ObjectiveComparison], tmp_path: Path
) -> None:
    one = replace(QUESTION, names=("acgan", "adc"), seeds=(0,))
    compare_objectives(one, tmp_path)
    both = compare_objectives(replace(QUESTION, names=("acgan", "gan"), seeds=(0, 1)), tmp_path)
    assert both.to_json() == done[1].to_json()


def test_minutes_become_images_by_each_objectives_speed_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    speeds = {"acgan": 10.0, "gan": 20.0}
    monkeypatch.setattr(
        module, "measure_rates", lambda runs, *_, **__: {k: speeds[k] for k in runs}
    )
    question = replace(QUESTION, images=None, minutes=0.08, seeds=(0,))
    found = compare_objectives(question, tmp_path)
    assert {name: rows[0].images for name, rows in found.rows.items()} == {"acgan": 48, "gan": 96}
    speeds["acgan"] = 1000.0  # the first measurement holds
    assert compare_objectives(question, tmp_path).to_json() == found.to_json()


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (replace(QUESTION, minutes=1.0), "--images or as --minutes"),
        (replace(QUESTION, images=None, minutes=0.0), "above 0"),
        (replace(QUESTION, seeds=(1, 1)), "each once"),
        (replace(QUESTION, seeds=()), "at least one seed"),
        (replace(QUESTION, per_class=0), "--per-class"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    question: Question, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        compare_objectives(question, tmp_path / "new")
    assert words in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_said_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="choose another place with --out"):
        compare_objectives(QUESTION, tmp_path / "file")


def test_one_class_is_nothing_to_compare_by(tmp_path: Path) -> None:
    from PIL import Image

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        image = random.integers(0, 255, (8, 8)).astype(np.uint8)
        Image.fromarray(image).save(pictures / f"{number}.png")
    with pytest.raises(DataError, match="one class"):
        compare_objectives(replace(QUESTION, data=str(pictures)), tmp_path / "out")


def test_the_picture_is_drawn_from_the_first_seeds_models(
    done: tuple[Path, ObjectiveComparison],
) -> None:
    folder, found = done
    assert comparison_chart(found, folder).startswith(b"\x89PNG")


class Messages(Display):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, text: str, level: Level = "info") -> None:
        self.texts.append(text)

    def _nothing(self, *_arguments: Any, **_options: Any) -> None:
        pass

    start = update = metrics = close = _nothing


def test_a_quick_comparison_announces_its_time_with_the_fit_and_resumes(
    done: tuple[Path, ObjectiveComparison], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "measure_rates", lambda runs, *_, **__: dict.fromkeys(runs, 3.0))
    monkeypatch.setattr("acgan.classifiers.cache.fit_images_per_second", lambda *_: 15.0)
    question = replace(QUESTION, quick=True, seeds=(0,))
    progress: list[tuple[str, int, int]] = []

    def stop(_: ObjectiveComparison) -> None:
        raise KeyboardInterrupt

    display = Messages()
    with pytest.raises(KeyboardInterrupt):
        compare_objectives(
            question,
            tmp_path,
            display=display,
            watch=Stopwatch(lambda *each: progress.append(each)),
            on_result=stop,
        )
    # Two runs of 48 images and 300 samples at 3 images/s, and 1,500 images of the fit at 15.
    assert display.texts[2:4] == [
        "2 runs (2 objectives × 1 seed), 0 done: about 5 min 32 s left, 1 min 40 s of it to fit "
        "the reference classifier, which is cached for the next time",
        "run 1 of 2: acgan, seed 0; about 3 min 52 s left",
    ]
    stages = [stage for stage, _, _ in progress]
    assert stages[0] == "fitting the reference classifier: images"
    assert "reference-classifier: samples" in stages
    assert progress[0][2] == 1_500
    display = Messages()
    found = compare_objectives(question, tmp_path, display=display)
    assert display.texts[1] == ("2 runs (2 objectives × 1 seed), 1 done: about 1 min 56 s left")
    assert not any("run 1 of 2" in text for text in display.texts)
    assert found.table()[0] == done[1].table()[0], "the same table"
    assert found.indicative
    assert found.baseline != done[1].baseline, "another reference classifier"
    with pytest.raises(UsageError, match="quick: True → False"):
        compare_objectives(replace(question, quick=False), tmp_path)


def test_a_folder_of_an_older_version_continues(
    done: tuple[Path, ObjectiveComparison], tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    copytree(done[0], folder)
    path = folder / "comparison.json"
    values = json.loads(path.read_text())
    del values["question"]["quick"]
    path.write_text(json.dumps(values))
    assert compare_objectives(QUESTION, folder).to_json() == done[1].to_json()


def test_the_time_left_is_announced_and_follows_the_finished_runs() -> None:
    now = [0.0]
    left = module.TimeLeft({("a", 0): 10.0, ("b", 0): 30.0, ("c", 0): 20.0}, lambda: now[0])
    assert left.seconds == 60
    now[0] = 20.0  # twice as long as expected
    left.finish(("a", 0))
    assert left.seconds == 100
    now[0] = 40.0  # forty expected seconds in forty
    left.finish(("b", 0))
    assert left.seconds == 20
    left.finish(("unknown", 0))
    left.finish(("c", 0))
    assert left.seconds == 0
