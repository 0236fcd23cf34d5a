from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.backbones.reference_network import PooledNetworkConfig, ReferenceNetworkConfig
from acgan.classifiers.cache import (
    cached_predictions,
    cached_reference_classifier,
    reference_classifier_path,
)
from acgan.classifiers.fit import FitConfig
from acgan.classifiers.reference_classifier import (
    ReferenceClassifier,
    ReferenceClassifierConfig,
    fit_reference_classifier,
    load_reference_classifier,
    reference_classifier_config,
)
from acgan.data.config import DataConfig
from acgan.data.images import DatasetSplits, LabeledImages, make_classes
from acgan.data.load import load_data
from acgan.errors import DataError, DiskError

CLASSES = make_classes(["left", "right", "both"])
TINY = ReferenceClassifierConfig(
    network=ReferenceNetworkConfig(stem=4, stages=(8,)),
    fit=FitConfig(
        flip=False, images=640, batch_size=16, peak_lr=0.02, shift_pixels=1, precision="fp32"
    ),
)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def halves(count: int, seed: int) -> LabeledImages:
    """9×8 noise, brighter on the left, on the right or on both sides."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 80, (count, 1, 9, 8))
    images[labels != 1, :, :, :4] += 150
    images[labels != 0, :, :, 4:] += 150
    return LabeledImages(images.astype(np.uint8), labels.astype(np.int64), CLASSES)


def splits() -> DatasetSplits:
    return DatasetSplits("halves", halves(300, 0), halves(60, 1), halves(90, 2))


@pytest.fixture(scope="module")
def reference_classifier() -> ReferenceClassifier:
    return fit_reference_classifier(halves(300, 0), halves(60, 1), config=TINY)


def test_it_learns_what_it_is_shown(reference_classifier: ReferenceClassifier) -> None:
    test = halves(90, 2)
    assert reference_classifier.accuracy(test) > 0.95
    assert reference_classifier.record.accuracies == {
        halves(60, 1).content_hash: reference_classifier.accuracy(halves(60, 1))
    }
    assert reference_classifier.record.train_images == 300
    assert reference_classifier.record.train_hash == halves(300, 0).content_hash


def test_answers_have_their_shapes_and_are_the_networks_own(
    reference_classifier: ReferenceClassifier,
) -> None:
    images = halves(7, 3).images
    predictions = reference_classifier.predict(images)
    assert predictions.logits.shape == (7, 3)
    assert predictions.features.shape == (7, 128)
    assert predictions.logits.dtype == predictions.features.dtype == np.dtype(np.float32)
    with torch.no_grad():
        plain = reference_classifier.network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(predictions.logits, plain, rtol=1e-4, atol=1e-5)
    assert reference_classifier.predict(images[:0]).features.shape == (0, 128)


def test_an_answer_depends_on_its_image_alone(reference_classifier: ReferenceClassifier) -> None:
    images = halves(260, 4).images  # more than one pass
    together = reference_classifier.predict(images)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = reference_classifier.predict(images[order])
    alone = reference_classifier.predict(images[257:258])
    assert np.array_equal(together.features[order], shuffled.features)
    assert np.array_equal(together.logits[order], shuffled.logits)
    assert np.array_equal(together.features[257:258], alone.features)
    assert np.array_equal(together.logits[257:258], alone.logits)


@pytest.mark.parametrize("shape", [(2, 1, 8, 9), (2, 3, 9, 8), (1, 9, 8)])
def test_other_sizes_and_colors_are_refused(
    reference_classifier: ReferenceClassifier, shape: tuple[int, ...]
) -> None:
    with pytest.raises(DataError, match="takes images of 9×8×1"):
        reference_classifier.predict(np.zeros(shape, np.uint8))


def test_same_seed_same_weights() -> None:
    again = fit_reference_classifier(halves(300, 0), config=TINY)
    other = fit_reference_classifier(halves(300, 0), config=TINY, seed=1)
    assert (
        again.weights_hash() == fit_reference_classifier(halves(300, 0), config=TINY).weights_hash()
    )
    assert again.weights_hash() != other.weights_hash()


def test_saved_and_read_bit_for_bit(
    reference_classifier: ReferenceClassifier, tmp_path: Path
) -> None:
    reference_classifier.save(tmp_path / "classifier.safetensors")
    again = load_reference_classifier(tmp_path / "classifier.safetensors")
    assert again.record == reference_classifier.record
    assert again.weights_hash() == reference_classifier.weights_hash()
    images = halves(30, 5).images
    assert np.array_equal(
        again.predict(images).features, reference_classifier.predict(images).features
    )
    assert np.array_equal(again.predict(images).logits, reference_classifier.predict(images).logits)


def test_a_classifier_of_color_images_is_saved_read_and_alone_with_each_image(
    tmp_path: Path,
) -> None:
    gray = halves(300, 0)
    train = LabeledImages(np.repeat(gray.images, 3, axis=1), gray.labels, CLASSES)
    pooled = PooledNetworkConfig(components=4, stages=(8, 8))
    reference_classifier = fit_reference_classifier(
        train, config=TINY.model_copy(update={"network": pooled})
    )
    assert reference_classifier.accuracy(train) > 0.95
    reference_classifier.save(tmp_path / "classifier.safetensors")
    again = load_reference_classifier(tmp_path / "classifier.safetensors")
    assert again.record.config.network == pooled
    predictions = reference_classifier.predict(train.images)
    assert np.array_equal(again.predict(train.images).features, predictions.features)
    assert np.array_equal(again.predict(train.images[7:8]).logits, predictions.logits[7:8])


@pytest.mark.parametrize(
    ("channels", "flip", "kind", "stages", "most"),
    [
        (1, False, ReferenceNetworkConfig, (32, 64, 128), 300_000),
        (1, True, ReferenceNetworkConfig, (64, 128, 256), 400_000),
        (3, True, PooledNetworkConfig, (64, 256, 256), 450_000),
        (3, False, PooledNetworkConfig, (64, 256, 256), 450_000),
    ],
)
def test_network_and_budget_follow_from_the_kind_and_number_of_images(
    channels: int, flip: bool, kind: type, stages: tuple[int, ...], most: int
) -> None:
    def chosen(count: int) -> ReferenceClassifierConfig:
        images = np.zeros((count, channels, 1, 1), np.uint8)
        return reference_classifier_config(
            LabeledImages(images, np.zeros(count, np.int64), CLASSES), flip=flip
        )

    assert isinstance(chosen(300).network, kind)
    assert chosen(300).network.stages == stages
    assert chosen(300).fit.flip is flip
    assert [chosen(count).fit.images for count in (300, 5_000, 45_000)] == [60_000, 100_000, most]
    assert [chosen(count).rounds for count in (7, 93, 96, 300, 1_000, 2_000, 3_000)] == [
        (448,) * 10,
        (5_952,) * 10,
        (6_000,) * 10,
        (6_000,) * 10,
        (20_000,) * 3,
        (40_000, 20_000),
        (60_000,),
    ]


def test_a_changed_weight_changes_the_hash(
    reference_classifier: ReferenceClassifier, tmp_path: Path
) -> None:
    reference_classifier.save(tmp_path / "classifier.safetensors")
    again = load_reference_classifier(tmp_path / "classifier.safetensors")
    with torch.no_grad():
        again.network.head.bias[0] += 1e-6
    assert again.weights_hash() != reference_classifier.weights_hash()


def test_missing_and_damaged_files_are_said(
    reference_classifier: ReferenceClassifier, tmp_path: Path
) -> None:
    path = tmp_path / "classifier.safetensors"
    with pytest.raises(DataError, match="no reference classifier at"):
        load_reference_classifier(path)
    reference_classifier.save(path)
    whole = path.read_bytes()
    for broken in (
        b"",
        whole[:-10],
        b"not a classifier at all",
        whole.replace(b"acgan-reference-classifier", b"acgan-reference-xxxxxxxxxx"),
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"damaged or no reference classifier .* fit it again"):
            load_reference_classifier(path)
    path.write_bytes(whole.replace(b'\\"format\\":3', b'\\"format\\":9'))
    with pytest.raises(DataError, match="format 9, but this version reads 3"):
        load_reference_classifier(path)


def test_one_class_is_refused() -> None:
    images = np.zeros((4, 1, 9, 8), np.uint8)
    with pytest.raises(DataError, match="at least two"):
        fit_reference_classifier(
            LabeledImages(images, np.zeros(4, np.int64), CLASSES[:1]), config=TINY
        )


def test_the_cache_fits_once(tmp_path: Path) -> None:
    steps: list[int] = []

    def progress(seen: int, total: int, loss: float) -> None:
        steps.append(seen)

    first = cached_reference_classifier(splits(), config=TINY, folder=tmp_path, progress=progress)
    assert len(steps) == 40
    assert set(first.record.accuracies) == {
        splits().validation.content_hash,
        splits().test.content_hash,
    }
    second = cached_reference_classifier(splits(), config=TINY, folder=tmp_path, progress=progress)
    assert len(steps) == 40
    assert second.record == first.record
    assert second.weights_hash() == first.weights_hash()


def test_a_cache_that_cannot_be_written_is_said_with_the_way_out(
    reference_classifier: ReferenceClassifier, tmp_path: Path
) -> None:
    occupied = tmp_path / "cache"
    occupied.touch()
    for write in (
        lambda: cached_reference_classifier(splits(), config=TINY, folder=occupied),
        lambda: cached_predictions(reference_classifier, halves(20, 0), occupied),
    ):
        with pytest.raises(DiskError, match="choose another place with ACGAN_CACHE"):
            write()


def test_other_data_config_or_seed_is_another_classifier(tmp_path: Path) -> None:
    train = halves(300, 0)
    other = TINY.model_copy(update={"fit": TINY.fit.model_copy(update={"flip": True})})
    paths = {
        reference_classifier_path(train, TINY, 0, tmp_path, None),
        reference_classifier_path(train, TINY, 1, tmp_path, None),
        reference_classifier_path(train, other, 0, tmp_path, None),
        reference_classifier_path(halves(300, 9), TINY, 0, tmp_path, None),
    }
    assert len(paths) == 4
    assert reference_classifier_path(halves(300, 0), TINY, 0, tmp_path, None) in paths


def test_a_damaged_file_in_the_cache_is_fitted_anew(tmp_path: Path) -> None:
    first = cached_reference_classifier(splits(), config=TINY, folder=tmp_path)
    path = reference_classifier_path(splits().train, TINY, 0, tmp_path, None)
    path.write_bytes(path.read_bytes()[:100])
    assert (
        cached_reference_classifier(splits(), config=TINY, folder=tmp_path).weights_hash()
        == first.weights_hash()
    )
    assert load_reference_classifier(path).record == first.record


def test_another_test_part_is_measured_without_a_new_fit(tmp_path: Path) -> None:
    first = cached_reference_classifier(splits(), config=TINY, folder=tmp_path)
    other = DatasetSplits("halves", splits().train, splits().validation, halves(30, 8))
    second = cached_reference_classifier(other, config=TINY, folder=tmp_path)
    assert second.weights_hash() == first.weights_hash()
    assert other.test.content_hash in second.record.accuracies
    kept = load_reference_classifier(
        reference_classifier_path(other.train, TINY, 0, tmp_path, None)
    )
    assert kept.record.accuracies == second.record.accuracies


def test_cached_predictions_are_the_same_bit_for_bit(
    reference_classifier: ReferenceClassifier, tmp_path: Path
) -> None:
    data = halves(90, 2)
    fresh = reference_classifier.predict(data.images)
    for _ in range(2):
        kept = cached_predictions(reference_classifier, data, tmp_path)
        assert np.array_equal(kept.logits, fresh.logits)
        assert np.array_equal(kept.features, fresh.features)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    cached_predictions(reference_classifier, data, tmp_path)
    assert file.stat().st_mtime_ns == before, "read, not computed again"
    file.write_bytes(file.read_bytes()[:50])
    assert np.array_equal(
        cached_predictions(reference_classifier, data, tmp_path).logits, fresh.logits
    )
    cached_predictions(reference_classifier, halves(90, 3), tmp_path)
    cached_predictions(
        fit_reference_classifier(halves(300, 0), config=TINY, seed=1), data, tmp_path
    )
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.full
def test_on_digits_it_reaches_its_bar_and_with_shuffled_labels_it_does_not() -> None:
    digits = load_data(DataConfig(source="digits"))
    reference_classifier = fit_reference_classifier(digits.train, images=40_000)
    assert reference_classifier.accuracy(digits.test) >= 0.96

    shuffled = np.random.default_rng(0).permutation(digits.train.labels)
    planted = LabeledImages(digits.train.images, shuffled, digits.classes)
    fooled = fit_reference_classifier(planted, images=10_000)
    assert fooled.accuracy(digits.test) < 0.3
