from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from acgan.backbones.reference_network import ReferenceNetworkConfig
from acgan.data.images import DatasetSplits, Images, LabeledImages
from acgan.errors import DataError, UsageError
from acgan.studies import usefulness as module
from acgan.studies.arm_fits import Fitted, fit_arm
from acgan.studies.arms import Arm, Samples, UsefulnessConfig, given_samples, usefulness_config
from acgan.studies.usefulness import expected_time, usefulness
from acgan.studies.usefulness_report import usefulness_section
from acgan.studies.usefulness_result import ArmResult, Usefulness

Pictures = Callable[[Sequence[int], int], LabeledImages]
CONFUSION = np.array([[3, 1, 0], [0, 2, 2], [1, 0, 7]], np.int64)


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Fits that take no time, and what each was asked to learn from."""
    target_labels: list[dict[str, Any]] = []

    def fake(images: LabeledImages, *others: Any, **options: Any) -> Fitted:
        target_labels.append({"images": images, **options})
        return Fitted(CONFUSION + len(target_labels) * np.eye(3, dtype=np.int64), 60, 0.5, 0.1)

    monkeypatch.setattr(module, "fit_arm", fake)
    return target_labels


def unlimited(pictures: Pictures, calls: list[tuple[int, int, int]]) -> Samples:
    def draw(index: int, count: int, seed: int) -> Images:
        calls.append((index, count, seed))
        return pictures([count if k == index else 0 for k in range(3)], 100 + seed).images

    return Samples(draw, identity="formula")


def test_figures_follow_from_the_confusion_matrix_as_in_scikit_learn() -> None:
    arm = Arm("real", "real", (1, 1, 1), (0, 0, 0))
    truth = np.repeat(np.arange(3), CONFUSION.sum(axis=1))
    read = np.concatenate([np.repeat(np.arange(3), row) for row in CONFUSION])
    result = ArmResult(arm, (CONFUSION,), (1.0,))
    assert result.accuracy == pytest.approx((12 / 16,))
    assert result.macro_f1 == pytest.approx((f1_score(truth, read, average="macro"),))
    assert result.recall[0] == pytest.approx(recall_score(truth, read, average=None))
    assert result.mean_recall([0, 2]) == pytest.approx(((0.75 + 0.875) / 2,))


def test_a_class_without_tested_images_is_left_out_and_one_never_read_has_no_f1() -> None:
    confusion = np.array([[4, 0, 0], [2, 0, 0], [0, 0, 0]], np.int64)
    result = ArmResult(Arm("real", "real", (1,) * 3, (0,) * 3), (confusion,), (1.0,))
    assert result.macro_f1 == pytest.approx(((0.8 + 0) / 2,))
    assert np.isnan(result.recall[0, 2])
    assert result.to_json()["recall"] == [[1.0, 0.0, None]]


def test_every_arm_is_fitted_at_every_seed_to_its_own_images(
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
) -> None:
    calls: list[tuple[int, int, int]] = []
    study = usefulness(skewed, unlimited(pictures, calls), config=quick, seeds=(0, 1, 5))
    arms = [each.arm for each in study.results]
    assert [each["seed"] for each in instant] == [0] * len(arms) + [1] * len(arms) + [5] * len(arms)
    for arm, target_labels in zip(arms * 3, instant, strict=True):
        counts = np.array(arm.real) + np.array(arm.synthetic)
        assert target_labels["images"].class_counts.tolist() == counts.tolist()
        assert target_labels["augmented"] == arm.augmented
        assert target_labels["batch_size"] == 16
    # Each class's samples are drawn once a seed, as many as the greediest arm takes.
    assert calls == [(k, n, seed) for seed in (0, 1, 5) for k, n in ((0, 40), (1, 20), (2, 36))]
    assert study.protocol["steps"] == [60]
    assert study.protocol["samples"] == "formula"


def test_smaller_arms_hold_a_part_of_the_larger_ones_samples(
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
) -> None:
    config = quick.model_copy(update={"ratios": (0.5, 1.0)})
    usefulness(skewed, unlimited(pictures, []), config=config)
    half, whole = instant[5]["images"].images, instant[6]["images"].images
    assert len(half) == 64 + 32
    assert len(whole) == 64 + 64
    assert {image.tobytes() for image in half} < {image.tobytes() for image in whole}


def test_the_smallest_arm_sets_the_batch_of_all(
    quick: UsefulnessConfig, pictures: Pictures, instant: list[dict[str, Any]]
) -> None:
    splits = DatasetSplits("few", pictures([3] * 3, 0), pictures([9] * 3, 1), pictures([9] * 3, 2))
    usefulness(splits, unlimited(pictures, []), config=quick)
    assert {each["batch_size"] for each in instant} == {9}


def test_equal_training_sets_are_fitted_once(
    scarce: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
) -> None:
    study = usefulness(scarce, unlimited(pictures, []), config=quick)
    # real, samples only and the mix, two of them augmented too
    assert len(instant) == 3 * 5
    assert study.by_key["balanced"].accuracy == study.by_key["real"].accuracy
    assert (
        "“real, oversampled to equal classes” is the same training set as “real” here."
        in study.notes
    )
    assert study.rare == ()


@pytest.mark.slow
def test_a_killed_study_goes_on_where_it_stopped(
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = quick.model_copy(
        update={"fit": quick.fit.model_copy(update={"images": 48})}  # three steps
    )
    whole = usefulness(skewed, unlimited(pictures, []), config=config, folder=tmp_path / "whole")
    made = 0

    def counted(*arguments: Any, **options: Any) -> Fitted:
        nonlocal made
        if made == 17:
            raise KeyboardInterrupt
        made += 1
        return fit_arm(*arguments, **options)

    monkeypatch.setattr(module, "fit_arm", counted)
    folder = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        usefulness(skewed, unlimited(pictures, []), config=config, folder=folder)
    with (folder / "fits.jsonl").open("ab") as log:
        log.write(b'{"arm":"real","confu')  # what a kill in the middle of a write leaves
    made = -100
    resumed = usefulness(skewed, unlimited(pictures, []), config=config, folder=folder)
    arms = len(whole.results)
    assert made == -100 + 3 * arms - 17
    assert confusions(resumed) == confusions(whole)
    calls: list[tuple[int, int, int]] = []
    usefulness(skewed, unlimited(pictures, calls), config=config, folder=folder)
    assert made == -100 + 3 * arms - 17
    assert calls == []


@pytest.mark.parametrize("change", ["config", "network", "samples", "seeds", "tested", "train"])
def test_kept_fits_of_another_study_are_not_taken(
    change: str,
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    options: dict[str, Any] = {"config": quick, "seeds": (0, 1, 2), "folder": tmp_path}
    source = unlimited(pictures, [])
    first = usefulness(skewed, source, **options)
    arms, with_samples = len(first.results), sum(each.arm.has_samples for each in first.results)
    before, splits = len(instant), skewed
    match change:
        case "config":
            fit = quick.fit.model_copy(update={"peak_lr": 0.02})
            options["config"] = quick.model_copy(update={"fit": fit})
        case "network":
            network = ReferenceNetworkConfig(stem=4, stages=(16, 16))
            options["config"] = quick.model_copy(update={"network": network})
        case "samples":
            source = Samples(source.generate, identity="another formula")
        case "seeds":
            options["seeds"] = (0, 1, 3)
        case "tested":
            options["split"] = "validation"
        case "train":
            splits = DatasetSplits(
                "other", pictures([40, 20, 4], 9), skewed.validation, skewed.test
            )
    usefulness(splits, source, **options)
    new = {"samples": 3 * with_samples, "seeds": arms}.get(change, 3 * arms)
    assert len(instant) - before == new


def test_the_log_can_be_read_by_people(
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    usefulness(skewed, unlimited(pictures, []), config=quick, folder=tmp_path)
    row = json.loads((tmp_path / "fits.jsonl").read_text().splitlines()[0])
    assert list(row) == ["arm", "seed", "confusion", "steps", "loss", "seconds", "key"]
    assert (row["arm"], row["seed"], row["steps"]) == ("real", 0, 60)


@pytest.mark.slow
def test_progress_rises_to_the_end(
    skewed: DatasetSplits, quick: UsefulnessConfig, pictures: Pictures
) -> None:
    told: list[tuple[str, int, int]] = []
    config = quick.model_copy(update={"fit": quick.fit.model_copy(update={"images": 32})})
    usefulness(
        skewed,
        unlimited(pictures, []),
        config=config,
        progress=lambda *args: told.append(args),
    )
    done = [each[1] for each in told]
    assert done == sorted(done)
    assert told[0] == ("fit 1 of 30 (seed 0, real): images", 16, 30 * 32)
    assert told[-1][1:] == (30 * 32, 30 * 32)


def test_the_time_is_announced_for_the_fits_that_are_left(
    scarce: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "measure_images_per_second", lambda *_: 96.0)
    said: list[str] = []

    def study(*seeds: int) -> None:
        source = unlimited(pictures, [])
        usefulness(scarce, source, config=quick, seeds=seeds, folder=tmp_path, announce=said.append)

    study(0, 1, 2)
    study(0, 1, 2)  # all cached: no time to announce
    study(0, 1, 2, 7)
    kept = "(96 images/s); finished fits are kept"
    assert said == [
        f"usefulness: at most 15 fits of 960 images take 2 min 30 s {kept}",
        f"usefulness: at most 5 fits of 960 images take 50 s {kept}",
    ]
    assert expected_time(scarce, quick) == said[0]


def test_a_quick_study_has_the_same_table_of_fewer_fits_and_says_so(
    skewed: DatasetSplits, pictures: Pictures, instant: list[dict[str, Any]]
) -> None:
    full = usefulness_config(skewed.train, flip=False)
    config = full.quick()
    assert 4 * config.fit.images == full.fit.images
    studies = [usefulness(skewed, unlimited(pictures, []), config=c) for c in (config, full)]
    short, long = (usefulness_section(each) for each in studies)
    assert [type(each) for each in short.blocks] == [type(each) for each in long.blocks]
    assert {each.key for each in short.metrics} < {each.key for each in long.metrics}
    sentence = "Indicative only: each fit uses 12,000 images, that of the full study 48,000"
    assert short.findings[0].sentence.startswith(sentence)
    assert not any("Indicative" in each.sentence for each in long.findings)


def test_given_samples_that_are_too_few_for_an_arm_leave_it_out(
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
) -> None:
    study = usefulness(skewed, pictures([40, 20, 9], 7), config=quick)
    assert "synthetic" in study.by_key
    assert "balanced" not in study.by_key
    assert any("Left out because samples are missing" in note for note in study.notes)
    assert any(
        "training images of the samples' generator are unknown" in note for note in study.notes
    )


@pytest.mark.parametrize("seeds", [(), (0,), (0, 1), (0, 0, 1), (0, 1, 2, 2), (0, 1, -1)])
def test_fewer_than_three_different_seeds_are_refused(
    seeds: tuple[int, ...], scarce: DatasetSplits, quick: UsefulnessConfig, pictures: Pictures
) -> None:
    with pytest.raises(UsageError, match="at least three different seeds"):
        usefulness(scarce, pictures([9, 9, 9], 1), config=quick, seeds=seeds)


@pytest.mark.slow
def test_mistakes_are_a_sentence(
    scarce: DatasetSplits, quick: UsefulnessConfig, pictures: Pictures
) -> None:
    good = pictures([9, 9, 9], 1)

    def study(splits: DatasetSplits = scarce, samples: LabeledImages | Samples = good) -> None:
        usefulness(splits, samples, config=quick)

    with pytest.raises(DataError, match="trained on other images than this training split"):
        study(samples=Samples(given_samples(good).generate, "x", trained_on="another hash"))
    with pytest.raises(DataError, match="too few for any arm"):
        study(samples=pictures([2, 2, 2], 1))
    with pytest.raises(DataError, match="the samples' classes are o, x, bar"):
        study(samples=LabeledImages(good.images, good.labels, good.classes[::-1]))
    with pytest.raises(DataError, match="no image of o; leave that class out"):
        study(DatasetSplits("a", pictures([6, 6, 0], 1), good, good))
    with pytest.raises(DataError, match="no images to test on"):
        study(DatasetSplits("a", scarce.train, good, pictures([0, 0, 0], 1)))
    with pytest.raises(DataError, match="generate samples of the data's size"):
        study(samples=LabeledImages(np.zeros((27, 1, 9, 9), np.uint8), good.labels, good.classes))


def test_the_rare_classes_are_the_third_with_the_fewest_images(
    skewed: DatasetSplits,
    quick: UsefulnessConfig,
    pictures: Pictures,
    instant: list[dict[str, Any]],
) -> None:
    study = usefulness(skewed, unlimited(pictures, []), config=quick)
    assert study.is_skewed
    assert study.rare == (2,)


def test_what_suits_the_data(scarce: DatasetSplits) -> None:
    glyphs = usefulness_config(scarce.train, flip=False).fit
    things = usefulness_config(scarce.train, flip=True, images=1000).fit
    assert (glyphs.flip, glyphs.shift_pixels > 0, glyphs.images) == (False, True, 48_000)
    assert (things.flip, things.images) == (True, 1000)


def confusions(study: Usefulness) -> dict[str, Any]:
    return {
        key: [matrix.tolist() for matrix in each.confusions] for key, each in study.by_key.items()
    }
