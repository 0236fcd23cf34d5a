from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.backbones.reference_network import JudgeNetworkConfig, PooledNetworkConfig
from acgan.classifiers.cache import judge_of, judge_path, kept_answers
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import (
    Judge,
    JudgeConfig,
    fit_judge,
    judge_config,
    load_judge,
)
from acgan.data.config import DataConfig
from acgan.data.images import DataParts, LabelledImages, make_classes
from acgan.data.load import load_data
from acgan.errors import DataError

CLASSES = make_classes(["left", "right", "both"])
TINY = JudgeConfig(
    network=JudgeNetworkConfig(stem=4, stages=(8,)),
    fit=FitConfig(
        flip=False, images=640, batch_size=16, peak_rate=0.02, shift_pixels=1, precision="fp32"
    ),
)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def halves(count: int, seed: int) -> LabelledImages:
    """9×8 noise, brighter on the left, on the right or on both sides."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 80, (count, 1, 9, 8))
    images[labels != 1, :, :, :4] += 150
    images[labels != 0, :, :, 4:] += 150
    return LabelledImages(images.astype(np.uint8), labels.astype(np.int64), CLASSES)


def parts() -> DataParts:
    return DataParts("halves", halves(300, 0), halves(60, 1), halves(90, 2))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return fit_judge(halves(300, 0), halves(60, 1), config=TINY)


def test_it_learns_what_it_is_shown(judge: Judge) -> None:
    test = halves(90, 2)
    assert judge.accuracy(test) > 0.95
    assert judge.record.accuracies == {halves(60, 1).content_hash: judge.accuracy(halves(60, 1))}
    assert judge.record.train_images == 300
    assert judge.record.train_hash == halves(300, 0).content_hash


def test_answers_have_their_shapes_and_are_the_networks_own(judge: Judge) -> None:
    images = halves(7, 3).images
    answers = judge.answers(images)
    assert answers.logits.shape == (7, 3)
    assert answers.features.shape == (7, 128)
    assert answers.logits.dtype == answers.features.dtype == np.dtype(np.float32)
    with torch.no_grad():
        plain = judge.network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(answers.logits, plain, rtol=1e-4, atol=1e-5)
    assert judge.answers(images[:0]).features.shape == (0, 128)


def test_an_answer_depends_on_its_image_alone(judge: Judge) -> None:
    images = halves(260, 4).images  # more than one pass
    together = judge.answers(images)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = judge.answers(images[order])
    alone = judge.answers(images[257:258])
    assert np.array_equal(together.features[order], shuffled.features)
    assert np.array_equal(together.logits[order], shuffled.logits)
    assert np.array_equal(together.features[257:258], alone.features)
    assert np.array_equal(together.logits[257:258], alone.logits)


@pytest.mark.parametrize("shape", [(2, 1, 8, 9), (2, 3, 9, 8), (1, 9, 8)])
def test_other_sizes_and_colours_are_refused(judge: Judge, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="reads images of 9×8×1"):
        judge.answers(np.zeros(shape, np.uint8))


def test_same_seed_same_weights() -> None:
    again = fit_judge(halves(300, 0), config=TINY)
    other = fit_judge(halves(300, 0), config=TINY, seed=1)
    assert again.weights_hash() == fit_judge(halves(300, 0), config=TINY).weights_hash()
    assert again.weights_hash() != other.weights_hash()


def test_saved_and_read_bit_for_bit(judge: Judge, tmp_path: Path) -> None:
    judge.save(tmp_path / "judge.safetensors")
    again = load_judge(tmp_path / "judge.safetensors")
    assert again.record == judge.record
    assert again.weights_hash() == judge.weights_hash()
    images = halves(30, 5).images
    assert np.array_equal(again.answers(images).features, judge.answers(images).features)
    assert np.array_equal(again.answers(images).logits, judge.answers(images).logits)


def test_a_judge_of_colour_pictures_is_saved_read_and_alone_with_each_image(
    tmp_path: Path,
) -> None:
    grey = halves(300, 0)
    train = LabelledImages(np.repeat(grey.images, 3, axis=1), grey.labels, CLASSES)
    pooled = PooledNetworkConfig(components=4, stages=(8, 8))
    judge = fit_judge(train, config=TINY.model_copy(update={"network": pooled}))
    assert judge.accuracy(train) > 0.95
    judge.save(tmp_path / "judge.safetensors")
    again = load_judge(tmp_path / "judge.safetensors")
    assert again.record.config.network == pooled
    answers = judge.answers(train.images)
    assert np.array_equal(again.answers(train.images).features, answers.features)
    assert np.array_equal(again.answers(train.images[7:8]).logits, answers.logits[7:8])


@pytest.mark.parametrize(
    ("channels", "flip", "kind", "stages", "most"),
    [
        (1, False, JudgeNetworkConfig, (32, 64, 128), 300_000),
        (1, True, JudgeNetworkConfig, (64, 128, 256), 400_000),
        (3, True, PooledNetworkConfig, (64, 256, 256), 450_000),
        (3, False, PooledNetworkConfig, (64, 256, 256), 450_000),
    ],
)
def test_network_and_budget_follow_from_the_kind_and_number_of_images(
    channels: int, flip: bool, kind: type, stages: tuple[int, ...], most: int
) -> None:
    def chosen(count: int) -> JudgeConfig:
        images = np.zeros((count, channels, 1, 1), np.uint8)
        return judge_config(LabelledImages(images, np.zeros(count, np.int64), CLASSES), flip=flip)

    assert isinstance(chosen(300).network, kind)
    assert chosen(300).network.stages == stages
    assert chosen(300).fit.flip is flip
    assert [chosen(count).fit.images for count in (300, 5_000, 45_000)] == [60_000, 100_000, most]


def test_a_changed_weight_changes_the_hash(judge: Judge, tmp_path: Path) -> None:
    judge.save(tmp_path / "judge.safetensors")
    again = load_judge(tmp_path / "judge.safetensors")
    with torch.no_grad():
        again.network.head.bias[0] += 1e-6
    assert again.weights_hash() != judge.weights_hash()


def test_missing_and_damaged_files_are_said(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    with pytest.raises(DataError, match="there is no judge at"):
        load_judge(path)
    judge.save(path)
    whole = path.read_bytes()
    for broken in (
        b"",
        whole[:-10],
        b"not a judge at all",
        whole.replace(b"acgan-judge", b"acgan-xxxxx"),
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"damaged or no judge .* fit anew"):
            load_judge(path)
    path.write_bytes(whole.replace(b'\\"format\\":1', b'\\"format\\":9'))
    with pytest.raises(DataError, match="format 9, not 1"):
        load_judge(path)


def test_one_class_is_refused() -> None:
    images = np.zeros((4, 1, 9, 8), np.uint8)
    with pytest.raises(DataError, match="at least two"):
        fit_judge(LabelledImages(images, np.zeros(4, np.int64), CLASSES[:1]), config=TINY)


def test_the_cache_fits_once(tmp_path: Path) -> None:
    steps: list[int] = []

    def progress(seen: int, total: int, loss: float) -> None:
        steps.append(seen)

    first = judge_of(parts(), config=TINY, folder=tmp_path, progress=progress)
    assert len(steps) == 40
    assert set(first.record.accuracies) == {
        parts().validation.content_hash,
        parts().test.content_hash,
    }
    second = judge_of(parts(), config=TINY, folder=tmp_path, progress=progress)
    assert len(steps) == 40
    assert second.record == first.record
    assert second.weights_hash() == first.weights_hash()


def test_other_data_config_or_seed_is_another_judge(tmp_path: Path) -> None:
    train = halves(300, 0)
    other = TINY.model_copy(update={"fit": TINY.fit.model_copy(update={"flip": True})})
    paths = {
        judge_path(train, TINY, 0, tmp_path),
        judge_path(train, TINY, 1, tmp_path),
        judge_path(train, other, 0, tmp_path),
        judge_path(halves(300, 9), TINY, 0, tmp_path),
    }
    assert len(paths) == 4
    assert judge_path(halves(300, 0), TINY, 0, tmp_path) in paths


def test_a_damaged_file_in_the_cache_is_fitted_anew(tmp_path: Path) -> None:
    first = judge_of(parts(), config=TINY, folder=tmp_path)
    path = judge_path(parts().train, TINY, 0, tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    assert judge_of(parts(), config=TINY, folder=tmp_path).weights_hash() == first.weights_hash()
    assert load_judge(path).record == first.record


def test_another_test_part_is_measured_without_a_new_fit(tmp_path: Path) -> None:
    first = judge_of(parts(), config=TINY, folder=tmp_path)
    other = DataParts("halves", parts().train, parts().validation, halves(30, 8))
    second = judge_of(other, config=TINY, folder=tmp_path)
    assert second.weights_hash() == first.weights_hash()
    assert other.test.content_hash in second.record.accuracies
    kept = load_judge(judge_path(other.train, TINY, 0, tmp_path))
    assert kept.record.accuracies == second.record.accuracies


def test_kept_answers_are_the_judges_own_bit_for_bit(judge: Judge, tmp_path: Path) -> None:
    data = halves(90, 2)
    fresh = judge.answers(data.images)
    for _ in range(2):
        kept = kept_answers(judge, data, tmp_path)
        assert np.array_equal(kept.logits, fresh.logits)
        assert np.array_equal(kept.features, fresh.features)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    kept_answers(judge, data, tmp_path)
    assert file.stat().st_mtime_ns == before, "read, not computed again"
    file.write_bytes(file.read_bytes()[:50])
    assert np.array_equal(kept_answers(judge, data, tmp_path).logits, fresh.logits)
    kept_answers(judge, halves(90, 3), tmp_path)
    kept_answers(fit_judge(halves(300, 0), config=TINY, seed=1), data, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_on_digits_it_reaches_its_bar_and_with_shuffled_labels_it_does_not() -> None:
    digits = load_data(DataConfig(source="digits"))
    judge = fit_judge(digits.train, images=40_000)
    assert judge.accuracy(digits.test) >= 0.96

    shuffled = np.random.default_rng(0).permutation(digits.train.labels)
    planted = LabelledImages(digits.train.images, shuffled, digits.classes)
    fooled = fit_judge(planted, images=10_000)
    assert fooled.accuracy(digits.test) < 0.3
