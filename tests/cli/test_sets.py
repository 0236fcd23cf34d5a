"""A set of models on the command line: training, samples, evaluation, comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.classifiers import cache as cache_module
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import ReferenceClassifierConfig
from acgan.data.images import LabeledImages
from acgan.model.model import load
from acgan.studies import arms
from acgan.studies.arms import UsefulnessConfig

Acgan = Callable[..., Any]
NAMES = ("bar", "cup", "jar", "lid", "pot")
MEMBERS = {"00-bar-to-jar": NAMES[:3], "01-lid-to-pot": NAMES[3:]}
PER_CLASS = 40  # of which 8 to train on
SMALL_NETWORK = ReferenceNetworkConfig(stem=4, stages=(8, 8))
SMALL_FIT = FitConfig(flip=False, images=320, batch_size=32, precision="fp32")
TINY = (
    *("-o", "generator.widths=[8,8]", "-o", "generator.latent_size=8"),
    *("-o", "discriminator.layers=[{width=8,kernel=4,stride=2,norm=false}]"),
    *("-o", "training.batch_size=8", "--device", "cpu", "--precision", "fp32"),
    *("-o", "data.validation_share=0.4", "-o", "data.test_share=0.4"),
)
SET = ("--classes-per-model", 3, "--images", 80, *TINY)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the data, cache and runs of all tests here."""
    place = tmp_path_factory.mktemp("sets")
    for label, name in enumerate(NAMES):
        (place / "things" / name).mkdir(parents=True)
        for index in range(PER_CLASS):
            random = np.random.default_rng([label, index])
            pixels = random.integers(0, 90, (8, 8), np.uint8)
            pixels[:, label : label + 2] += 150
            Image.fromarray(pixels).save(place / "things" / name / f"{index}.png")
    return place


@pytest.fixture(autouse=True)
def quick(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small reference classifiers and studies; no sync to the disk, no summary plots."""

    def small_classifier(_train: LabeledImages, *, flip: bool) -> ReferenceClassifierConfig:
        return ReferenceClassifierConfig(network=SMALL_NETWORK, fit=SMALL_FIT)

    def small_study(_train: LabeledImages, *, flip: bool) -> UsefulnessConfig:
        return UsefulnessConfig(fit=SMALL_FIT, network=SMALL_NETWORK, ratios=(1.0,))

    monkeypatch.setenv("ACGAN_CACHE", str(place / "cache"))
    monkeypatch.chdir(place)
    monkeypatch.setattr(cache_module, "reference_classifier_config", small_classifier)
    monkeypatch.setattr(arms, "usefulness_config", small_study)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})


@pytest.fixture
def trained(acgan: Acgan, place: Path) -> Path:
    """The set, trained once; the same command finds it complete."""
    done = acgan("train", "things", "--run", "set", *SET)
    assert done.code == 0, done.err
    return Path("set")


@pytest.mark.slow
def test_one_command_trains_all_and_then_finds_them_complete(acgan: Acgan, place: Path) -> None:
    first = acgan("train", "things", "--run", "fresh", *SET)
    assert first.code == 0, first.err
    assert "data: things, 5 classes of 8×8×1 (40 training" in first.err
    assert "model 1 of 2: bar, cup, jar" in first.err
    assert "model 2 of 2: lid, pot" in first.err
    assert {each.name for each in Path("fresh/members").iterdir()} == MEMBERS.keys()
    assert load("fresh").images_seen == 80, "the budget is that of the whole"
    again = acgan("train", "things", "--run", "fresh", *SET)
    assert "was complete already" in again.out
    assert "model 1 of 2" not in again.err


@pytest.mark.slow
def test_samples_of_every_member(acgan: Acgan, trained: Path) -> None:
    done = acgan("sample", trained, "--class", "jar", "--class", "pot", "--count", 2, "--out", "d")
    assert done.code == 0, done.err
    for member, name in zip(MEMBERS, ("jar", "pot"), strict=True):
        alone = load(trained / "members" / member).sample(name, 2)
        for seed in range(2):
            with Image.open(Path("d", name, f"{seed}.png")) as picture:
                np.testing.assert_array_equal(np.asarray(picture), alone[seed, 0])


@pytest.mark.slow
def test_paths_stay_inside_a_member(acgan: Acgan, trained: Path) -> None:
    inside = acgan("interpolate", trained, "--class", "lid", "--to-class", "pot", "--out", "w.png")
    assert inside.code == 0, inside.err
    across = acgan("interpolate", trained, "--class", "bar", "--to-class", "pot", "--out", "a.png")
    assert (across.code, Path("a.png").exists()) == (2, False)
    assert "from 'bar' lead to 'cup' or 'jar'" in " ".join(across.err.split())


def test_inspect_names_the_members(acgan: Acgan, trained: Path) -> None:
    picture = "things/bar/0.png"
    said = acgan("inspect", trained, picture)
    assert said.code == 2
    assert "this model is a set of 2" in said.err
    for member, names in MEMBERS.items():
        own = trained / "model" / "members" / member
        assert str(own) in said.err
        done = acgan("inspect", own, picture, "--json")
        assert done.code == 0, done.err
        assert tuple(sorted(json.loads(done.out)[0]["class_probabilities"])) == names


def test_show_and_runs_report_the_whole_set(acgan: Acgan, trained: Path) -> None:
    shown = acgan("show", trained)
    assert "5 classes, 8×8×1 pixels" in shown.out
    assert "a set of 2 models; networks of one model with 3 classes" in shown.out
    values = json.loads(acgan("show", trained, "--json").out)
    assert (values["classes"], values["models"]) == (5, 2)
    [row] = json.loads(acgan("runs", trained, "--json").out)
    assert (row["state"], row["images_seen"], row["total_images"]) == ("complete", 80, 80)
    members = json.loads(acgan("runs", trained / "members", "--json").out)
    assert {each["name"]: each["images_seen"] for each in members} == {
        "00-bar-to-jar": 48,
        "01-lid-to-pot": 32,
    }


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--classes-per-model", 1), "at least 2"),
        (("--classes-per-model", 3, "--init-from", "set"), "--init-from starts one model"),
        (("--classes-per-model", 3, "--recipe", "gan-gray"), "remove classes_per_model"),
        (
            ("--classes-per-model", 2, "-o", "data.labeled_per_class=2"),
            "divides training images by class",
        ),
        (("--classes-per-model", 2, "-o", "training.batch_size=20"), "fewer than a batch of 20"),
    ],
)
def test_what_a_set_cannot_be_is_refused_before_anything_is_written(
    acgan: Acgan, trained: Path, options: tuple[object, ...], sentence: str
) -> None:
    done = acgan("train", "things", "--run", "never", "--images", 80, *TINY, *options)
    assert done.code == 2
    assert sentence in " ".join(done.err.split()), done.err
    assert "Traceback" not in done.err
    assert not Path("never").exists()


@pytest.mark.slow
def test_it_is_evaluated_to_the_end_and_compared(acgan: Acgan, trained: Path) -> None:
    words = ("--samples", 240, "--extractor", "none")
    refused = acgan("evaluate", trained, "--quick")
    assert refused.code == 2
    assert "--quick shortens --usefulness" in refused.err
    done = acgan("evaluate", trained, *words, "--usefulness", "--quick")
    assert done.code == 0, done.err
    announced = [line for line in done.err.splitlines() if line.startswith("usefulness: at most")]
    assert len(announced) == 2, "before the samples, and before the fits"
    assert done.err.index(announced[0]) < done.err.index("  samples: ")
    assert "Indicative only: each fit uses" in " ".join(done.out.split())
    report = json.loads((trained / "evaluation" / "report.json").read_text("utf-8"))
    sections = {each["key"]: each for each in report["sections"]}
    assert sections.keys() == {
        *("fidelity", "labels", "diversity", "memorization", "latent", "usefulness")
    }
    metrics = {each["key"]: each for section in sections.values() for each in section["metrics"]}
    for key in (
        "gan_test_accuracy[reference-classifier]",
        "variance_ratio[reference-classifier]",
        "style_consistency[pixels]",
    ):
        assert metrics[key]["value"] is not None, key
    assert len(metrics["gan_test_accuracy[reference-classifier]"]["per_class"]) == len(NAMES)
    assert metrics["near_copies[pixels]"]["value"] is not None
    assert report["config"]["classes_per_model"] == 3
    notes = " ".join(sections["latent"]["notes"])
    assert "The models of a set are separate runs" in notes
    page = (trained / "evaluation" / "report.html").read_text("utf-8")
    assert "jar" in page
    assert "pot" in page

    member = trained / "members" / "01-lid-to-pot"
    alone = acgan("evaluate", member, *words)
    assert alone.code == 0, alone.err
    assert json.loads((member / "evaluation" / "report.json").read_text("utf-8"))["samples"] == 240
    assert acgan("train", "things", "--run", "whole", "--images", 80, *TINY).code == 0
    assert acgan("evaluate", "whole", *words).code == 0
    compared = acgan("compare", trained, "whole", "--out", "side-by-side.html", "--json")
    assert compared.code == 0, compared.err
    values = json.loads(compared.out)
    assert values["seeds"] == [], "a set and a single model are not two seeds of one run"
    assert any(row["key"] == "gan_test_accuracy[reference-classifier]" for row in values["metrics"])
    assert "whole" in Path("side-by-side.html").read_text("utf-8")
