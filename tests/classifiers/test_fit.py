from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from acgan.classifiers.fit import FitConfig, augment, fit_classifier, one_cycle
from acgan.data.images import LabeledImages, make_classes
from acgan.errors import DataError, DivergedError

CLASSES = make_classes(["dark", "bright"])


class Linear(nn.Module):
    """One linear layer on the pixels, which remembers what it was shown."""

    def __init__(self, pixels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layer = nn.Linear(pixels, 2)
        self.dropout = nn.Dropout(dropout)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.clone())
        logits: Tensor = self.layer(self.dropout(images.flatten(1).float() / 255))
        return logits


def numbered(count: int) -> LabeledImages:
    """Image i is filled with the value i."""
    images = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 1, 4, 4))
    return LabeledImages(images, (np.arange(count) >= count // 2).astype(np.int64), CLASSES)


def config(**changes: Any) -> FitConfig:
    plain = {"flip": False, "images": 60, "batch_size": 10, "shift_pixels": 0, "precision": "fp32"}
    return FitConfig(**{**plain, **changes})


def fitted(seed: int, **changes: Any) -> Linear:
    network = Linear(16, dropout=0.5)
    fit_classifier(network, numbered(30), config(shift_pixels=1, **changes), seed=seed)
    return network


def test_whether_to_mirror_must_be_said() -> None:
    with pytest.raises(ValidationError, match="flip"):
        FitConfig(images=10)  # type: ignore[call-arg]


def test_rate_climbs_to_its_peak_falls_to_zero_and_is_never_zero() -> None:
    rates = np.array([one_cycle(step, 100, 0.2) for step in range(100)])
    assert rates.min() > 0
    assert 0.97 < rates.max() <= 1
    assert abs(int(rates.argmax()) - 20) <= 1
    assert rates.sum() == pytest.approx(50, rel=0.01)  # the area of a triangle
    assert [one_cycle(step, 4, 0.0) for step in range(4)] == [0.875, 0.625, 0.375, 0.125]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd-nesterov"])
def test_same_seed_same_bits_and_the_global_generator_is_left_alone(optimizer: str) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = fitted(1, optimizer=optimizer)
    torch.manual_seed(11)
    network = Linear(16, dropout=0.5)
    state = torch.get_rng_state()
    fit_classifier(network, numbered(30), config(shift_pixels=1, optimizer=optimizer), seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(before, state)  # making the network did draw
    assert torch.equal(first.layer.weight, network.layer.weight)
    assert not torch.equal(first.layer.weight, fitted(2, optimizer=optimizer).layer.weight)
    assert not first.training


def test_every_image_is_seen_once_before_any_is_seen_again() -> None:
    network = Linear(16)
    fit_classifier(network, numbered(30), config(images=90, batch_size=9), seed=0)
    shown = torch.cat(network.seen)[:, 0, 0, 0]
    assert len(shown) == 90
    for start in (0, 30, 60):
        assert sorted(shown[start : start + 30].tolist()) == list(range(30))
    assert shown[:30].tolist() != shown[30:60].tolist()


def test_the_budget_is_counted_in_images_and_reported() -> None:
    told: list[tuple[int, int, float]] = []
    fit_classifier(
        Linear(16), numbered(30), config(), seed=0, progress=lambda *state: told.append(state)
    )
    assert [(seen, total) for seen, total, _ in told] == [(n, 60) for n in range(10, 61, 10)]


def test_fewer_images_than_a_batch_still_fit() -> None:
    network = Linear(16)
    fit_classifier(network, numbered(4), config(images=40, batch_size=32), seed=0)
    assert [len(batch) for batch in network.seen] == [4] * 10


def test_it_learns_and_decay_spares_the_biases() -> None:
    network = Linear(16)
    fit_classifier(
        network, numbered(30), config(images=6_000, peak_lr=0.05, label_smoothing=0), seed=0
    )
    data = numbered(30)
    read = network(torch.from_numpy(data.images)).argmax(1).numpy()
    assert (read == data.labels).mean() > 0.9

    frozen = Linear(16)
    frozen.dropout.p = 1.0  # nothing reaches the weights but the decay
    bias = frozen.layer.bias.clone()
    weight = frozen.layer.weight.clone()
    one_class = LabeledImages(data.images, np.zeros(30, np.int64), CLASSES)
    fit_classifier(frozen, one_class, config(weight_decay=5.0, optimizer="sgd-nesterov"), seed=0)
    assert frozen.layer.weight.norm() < 0.99 * weight.norm()
    assert frozen.layer.bias[0] > bias[0]


def test_a_fit_that_diverges_says_so() -> None:
    network = Linear(16)
    nn.init.constant_(network.layer.weight, float("nan"))
    with pytest.raises(DivergedError, match=r"nan after 10 images; use a peak_lr below 0\.003"):
        fit_classifier(network, numbered(30), config(), seed=0)


def test_one_image_is_refused() -> None:
    with pytest.raises(DataError, match="at least two"):
        fit_classifier(Linear(16), numbered(1), config(), seed=0)


def images(count: int = 200) -> Tensor:
    return torch.randint(0, 256, (count, 3, 6, 5), dtype=torch.uint8)


FILL = torch.tensor([7, 8, 9], dtype=torch.uint8)


def test_no_augmentation_changes_nothing() -> None:
    before = images()
    assert torch.equal(augment(before, config(), FILL), before)


def test_shifts_are_crops_of_the_reflected_image_in_all_directions() -> None:
    torch.manual_seed(0)
    before = images()
    after = augment(before, config(shift_pixels=2), FILL).numpy()
    padded = np.pad(before.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    found = set()
    for index in range(len(before)):
        places = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(padded[index, :, y : y + 6, x : x + 5], after[index])
        ]
        assert len(places) == 1, "each image is one crop, the same for all channels"
        found.update(places)
    assert found == {(y, x) for y in range(5) for x in range(5)}


def test_half_of_the_images_are_mirrored_only_if_asked_for() -> None:
    torch.manual_seed(0)
    before = images()
    after = augment(before, config(flip=True), FILL)
    horizontally_flipped = (after == before.flip(3)).all(dim=(1, 2, 3))
    same = (after == before).all(dim=(1, 2, 3))
    assert (horizontally_flipped ^ same).all()
    assert 70 < int(horizontally_flipped.sum()) < 130


def test_an_erased_square_has_the_fill_color_and_its_size() -> None:
    torch.manual_seed(0)
    before = torch.full((200, 3, 6, 5), 255, dtype=torch.uint8)
    after = augment(before, config(erase_pixels=3), FILL)
    hole = after[:, 0] == 7
    assert torch.equal(after[:, 2] == 9, hole)
    assert (after[:, 0][~hole] == 255).all()
    sizes = hole.sum(dim=(1, 2))
    assert sizes.max() == 9
    assert sizes.min() >= 4  # cut off at a corner
