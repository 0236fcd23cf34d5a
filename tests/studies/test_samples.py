from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from acgan.data.images import DatasetSplits, LabeledImages
from acgan.errors import DataError
from acgan.model.card import ModelInfo
from acgan.model.folder import save_model
from acgan.model.model import Model, load
from acgan.networks.interface import Heads
from acgan.runs.config import RunConfig
from acgan.studies.arms import given_samples, model_samples

Pictures = Callable[[Sequence[int], int], LabeledImages]
ConfigMaker = Callable[..., RunConfig]


@pytest.fixture
def model(tmp_path: Path, tiny_config: ConfigMaker, scarce: DatasetSplits) -> Model:
    config = tiny_config()
    torch.manual_seed(0)
    generator = config.generator.build(scarce.shape, 3)
    discriminator = config.discriminator.build(scarce.shape, 3, Heads())
    save_model(
        tmp_path / "model",
        ModelInfo(config, scarce.shape, scarce.classes, scarce.split_record(), "shapes", 192),
        generator_state=generator.state_dict(),
        discriminator_state=discriminator.state_dict(),
    )
    return load(tmp_path)


def test_no_two_draws_of_a_model_share_a_seed() -> None:
    target_labels: list[range] = []

    def sample(_index: int, count: int, seed: int) -> None:
        target_labels.append(range(seed, seed + count))

    model: Any = SimpleNamespace(
        classes=(0, 1, 2),
        sample=sample,
        record=SimpleNamespace(content_hash=""),
        split={"train": {"content_hash": ""}},
        config=SimpleNamespace(recipe="", seed=0),
        images_seen=1,
    )
    for seed in range(4):
        for index in range(3):
            model_samples(model).generate(index, 10**6, seed)
    target_labels.sort(key=lambda seeds: seeds.start)
    assert target_labels[0].start > 10**6  # those of sheets and other measures are not among them
    assert all(one.stop <= other.start for one, other in pairwise(target_labels))
    with pytest.raises(ValueError, match="use one below a million"):
        model_samples(model).generate(0, 1, 2**31)


def test_a_model_draws_the_class_that_is_asked_for(model: Model) -> None:
    drawn = model_samples(model).generate(2, 3, 0)
    assert (drawn == model.sample(2, 3, seed=3 * 2**32)).all()


def test_fewer_samples_are_the_first_of_more(model: Model, pictures: Pictures) -> None:
    for samples in (model_samples(model), given_samples(pictures([9, 9, 9], 5))):
        assert (samples.generate(1, 4, 0) == samples.generate(1, 7, 0)[:4]).all()


def test_a_model_says_what_it_trained_on(model: Model, scarce: DatasetSplits) -> None:
    samples = model_samples(model)
    assert samples.trained_on == scarce.train.content_hash
    assert samples.identity == f"model {model.record.content_hash}"
    assert samples.available is None


def test_given_samples_are_of_their_class_and_each_is_drawn_once(pictures: Pictures) -> None:
    given = pictures([9, 5, 7], 5)
    samples = given_samples(given)
    assert samples.available == (9, 5, 7)
    drawn = samples.generate(1, 5, 3)
    mine = {image.tobytes() for image in given.images[given.labels == 1]}
    assert {image.tobytes() for image in drawn} == mine
    assert not np.array_equal(samples.generate(0, 4, 0), samples.generate(0, 4, 1))


def test_too_few_given_samples_are_a_sentence(pictures: Pictures) -> None:
    with pytest.raises(DataError, match=r"6 samples of x are needed, 5 exist"):
        given_samples(pictures([9, 5, 7], 5)).generate(1, 6, 0)
