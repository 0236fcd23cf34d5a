"""Inception's path, on random weights in a file: the real ones are no part of any package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from acgan.classifiers.extractor import PretrainedExtractor
from acgan.classifiers.inception import load_inception
from acgan.errors import DataError


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights drawn so that activations neither vanish nor explode over the depth."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save({}, path)
        patch.setattr(nn.Module, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], str(path))
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights: Path) -> PretrainedExtractor:
    return load_inception(weights)


def some(count: int, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, channels, 24, 32)).astype(np.uint8)


@pytest.mark.slow
def test_answers_are_torch_fidelitys(extractor: PretrainedExtractor, weights: Path) -> None:
    """Logits without the last layer's bias, as Inception score needs them, included."""
    images = some(2)
    predictions = extractor.predict(images)
    assert predictions.features.shape == (2, 2048)
    assert predictions.logits.shape == (2, 1008)
    assert predictions.logits.dtype == predictions.features.dtype == np.dtype(np.float32)
    original = FeatureExtractorInceptionV3(
        "original", ["2048", "logits_unbiased", "logits"], str(weights)
    )
    with torch.inference_mode():
        features, logits, biased = original(torch.from_numpy(images))
    assert features.std() > 1e-3
    np.testing.assert_allclose(predictions.features, features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predictions.logits, logits, rtol=1e-4, atol=1e-4)
    assert (biased - logits).abs().max() > 0.01


@pytest.mark.slow
def test_it_says_what_it_is(extractor: PretrainedExtractor) -> None:
    assert extractor.name == "inception"
    assert "299×299" in extractor.resize_rule


@pytest.mark.full
def test_an_answer_depends_on_its_image_alone(extractor: PretrainedExtractor) -> None:
    images = some(10)
    together = extractor.predict(images)
    alone = extractor.predict(images[9:])
    np.testing.assert_array_equal(alone.features, together.features[9:])
    np.testing.assert_array_equal(alone.logits, together.logits[9:])
    backwards = extractor.predict(images[::-1])
    np.testing.assert_array_equal(backwards.features, together.features[::-1])


@pytest.mark.full
def test_gray_is_repeated_to_three_channels(extractor: PretrainedExtractor) -> None:
    gray = some(1, channels=1)
    repeated = extractor.predict(np.repeat(gray, 3, axis=1))
    np.testing.assert_allclose(extractor.predict(gray).features, repeated.features, rtol=1e-5)


@pytest.mark.slow
def test_loading_draws_no_random_numbers_and_gives_equal_hashes(
    extractor: PretrainedExtractor, weights: Path
) -> None:
    before = torch.get_rng_state()
    assert load_inception(weights).weights_hash() == extractor.weights_hash()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth does not hold the weights of torch-fid"):
        load_inception(tmp_path / "other.pth")
