from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from acgan.classifiers.fit import FitConfig
from acgan.data.images import DatasetSplits, LabeledImages
from acgan.errors import DataError
from acgan.studies.arm_fits import Fitted, cached_fits, fit_arm, initial_network, network_hash
from acgan.studies.arms import UsefulnessConfig

Pictures = Callable[[Sequence[int], int], LabeledImages]


def some_fit(steps: int) -> Fitted:
    return Fitted(np.eye(3, dtype=np.int64) * steps, steps, 0.25, 1.0)


@pytest.mark.slow
def test_the_number_of_steps_does_not_depend_on_the_number_of_images(
    scarce: DatasetSplits, quick: UsefulnessConfig, pictures: Pictures
) -> None:
    for images in (scarce.train, pictures([60, 60, 60], 4)):
        fitted = fit_arm(
            images,
            scarce.train,
            scarce.test,
            quick,
            batch_size=12,
            augmented=False,
            seed=0,
        )
        assert fitted.steps == 960 // 12
        assert fitted.confusion.sum(axis=1).tolist() == [200, 200, 200]


def test_an_arm_that_would_get_another_number_of_steps_is_refused(
    scarce: DatasetSplits, quick: UsefulnessConfig
) -> None:
    with pytest.raises(ValueError, match="12 images are fewer than a batch of 16"):
        fit_arm(
            scarce.train,
            scarce.train,
            scarce.test,
            quick,
            batch_size=16,
            augmented=False,
            seed=0,
        )


def test_equal_seeds_give_equal_initial_weights_and_other_seeds_others(
    scarce: DatasetSplits, quick: UsefulnessConfig
) -> None:
    first, again, other = (initial_network(quick.network, scarce.train, seed) for seed in (0, 0, 1))
    assert network_hash(first) == network_hash(again) != network_hash(other)


def test_the_random_state_of_torch_is_left_alone(
    scarce: DatasetSplits, quick: UsefulnessConfig
) -> None:
    before = torch.get_rng_state()
    fit_arm(
        scarce.train,
        scarce.train,
        scarce.test,
        quick.model_copy(update={"fit": quick.fit.model_copy(update={"images": 32})}),
        batch_size=8,
        augmented=True,
        seed=0,
    )
    assert torch.equal(before, torch.get_rng_state())


def test_augmentation_reaches_the_fit(
    scarce: DatasetSplits, quick: UsefulnessConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[FitConfig] = []

    def recorded(network: nn.Module, train: LabeledImages, fit: FitConfig, **_: Any) -> None:
        fits.append(fit)

    monkeypatch.setattr("acgan.studies.arm_fits.fit_classifier", recorded)
    for augmented in (False, True):
        fit_arm(
            scarce.train,
            scarce.train,
            scarce.test,
            quick,
            batch_size=8,
            augmented=augmented,
            seed=0,
        )
    assert [fit.shift_pixels for fit in fits] == [0, 1]
    assert [fit.batch_size for fit in fits] == [8, 8]


def never() -> Fitted:
    raise AssertionError("it was kept")


def test_what_is_kept_is_not_made_again(tmp_path: Path) -> None:
    with cached_fits(tmp_path) as cache:
        cache.get({"arm": [1, 2]}, {"arm": "real", "seed": 0}, lambda: some_fit(3))

    with cached_fits(tmp_path) as cache:
        again = cache.get({"arm": [1, 2]}, {}, never)
        assert cache.get({"arm": [1, 3]}, {}, lambda: some_fit(4)).steps == 4
    assert dataclasses.asdict(again)["steps"] == 3
    assert again.confusion.tolist() == [[3, 0, 0], [0, 3, 0], [0, 0, 3]]


def test_half_a_line_that_a_kill_left_is_cut_off(tmp_path: Path) -> None:
    with cached_fits(tmp_path) as cache:
        for index in range(2):
            cache.get(index, {"seed": index}, lambda: some_fit(3))
    log = tmp_path / "fits.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    with cached_fits(tmp_path) as cache:
        assert cache.get(0, {}, never).steps == 3
        cache.get(1, {"seed": 1}, lambda: some_fit(5))
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row["seed"], row["steps"]) for row in rows] == [(0, 3), (1, 5)]


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    with cached_fits(None) as cache:
        assert cache.get("a", {}, lambda: some_fit(1)).steps == 1
        assert cache.get("a", {}, never).steps == 1
    assert not list(tmp_path.iterdir())


def test_a_damaged_log_is_a_sentence_and_the_folder_is_free_after_it(tmp_path: Path) -> None:
    (tmp_path / "fits.jsonl").write_bytes(b'{"key": "a"}\n')
    for _ in range(2):
        damaged = pytest.raises(DataError, match=r"line 1 of .*fits.jsonl is damaged; delete that")
        with damaged, cached_fits(tmp_path):
            pass
