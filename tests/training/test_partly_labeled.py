"""Training with part of the labels: what a batch holds, that hidden labels stay hidden, resume."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.data.images import DatasetSplits, Images, LabeledImages, Labels
from acgan.model.model import load
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.classification import UNLABELED
from acgan.runs.config import RunConfig
from acgan.training.batches import LabelSource, RealBatches
from acgan.training.randomness import Streams
from acgan.training.signals import InterruptedRunError
from acgan.training.step import source_of_unlabeled

TinyConfig = Callable[..., RunConfig]
Train = Callable[..., Any]
Content = Callable[[Path], dict[str, bytes]]

SIZE, KNOWN = 16, 6  # of a batch, 0.4 of it labeled
ROWS = np.array([0, 1, 2, 30, 31, 32, 60])  # 7 of 96 images
SHARE = {"training": {"labeled_share": 0.4}}
MODES = {
    "acgan": {"everything": True, "objective": {"name": "acgan"}, **SHARE},
    "sgan": {
        "objective": {"name": "sgan"},
        "generator": {"conditioning": {"mode": "none"}},
        "training": {"labeled_share": 0.4, "discriminator_steps": 2, "batch_size": 8},
    },
    "feature matching": {
        "everything": True,
        "objective": {"name": "sgan", "generator_loss": "feature-matching"},
        "generator": {"conditioning": {"mode": "none"}},
        "augmentation": {"policy": ["translation"], "noise": 0.1},
        **SHARE,
    },
}


def partly(splits: DatasetSplits) -> DatasetSplits:
    return replace(splits, labeled_rows=ROWS)


def turned(part: LabeledImages, *, but: Any = ()) -> LabeledImages:
    """Every label is another one, but for some rows'."""
    labels = (part.labels + 1) % len(part.classes)
    labels[list(but)] = part.labels[list(but)]
    return LabeledImages(part.images, labels, part.classes)


def batches(splits: DatasetSplits, *, seed: int = 0, share: float = 0.4) -> Any:
    """``batches(splits)(images_seen)``: that batch, as arrays."""
    real = RealBatches(splits, batch_size=SIZE, labeled_share=share, horizontal_flip=False)

    def after(images_seen: int) -> tuple[Images, Labels]:
        images, labels = real.after(images_seen, Streams(seed))
        return images.numpy(), labels.numpy()

    return after


def rows_of(splits: DatasetSplits, images: Images) -> list[int]:
    places = {image.tobytes(): row for row, image in enumerate(splits.train.images)}
    return [places[image.tobytes()] for image in images]


def test_a_part_of_each_batch_is_labeled_the_rest_is_all_images_in_turn(
    tiny_splits: DatasetSplits,
) -> None:
    splits = partly(tiny_splits)
    found = batches(splits)
    known: list[int] = []
    others: list[int] = []
    for number in range(20):
        images, labels = found(number * SIZE)
        rows = rows_of(splits, images)
        assert labels.dtype == np.int64
        assert labels[:KNOWN].tolist() == splits.train.labels[rows[:KNOWN]].tolist()
        assert labels[KNOWN:].tolist() == [UNLABELED] * (SIZE - KNOWN)
        known += rows[:KNOWN]
        others += rows[KNOWN:]
    for seen, whole in ((known, ROWS.tolist()), (others, list(range(96)))):
        for start in range(0, len(seen) - len(whole) + 1, len(whole)):
            assert sorted(seen[start : start + len(whole)]) == whole
    assert others[:96] != list(range(96))


def test_batches_are_a_function_of_seed_and_images_seen(tiny_splits: DatasetSplits) -> None:
    splits = partly(tiny_splits)
    straight = batches(splits)
    in_order = [straight(start) for start in (0, 16, 32, 48)]
    for start, (images, labels) in zip((48, 0), (in_order[3], in_order[0]), strict=True):
        again = batches(splits)(start)
        np.testing.assert_array_equal(again[0], images)
        np.testing.assert_array_equal(again[1], labels)
    other, _ = batches(splits, seed=1)(0)
    assert rows_of(splits, other) != rows_of(splits, in_order[0][0])


def test_with_all_labels_a_batch_is_one_window_and_nothing_is_hidden(
    tiny_splits: DatasetSplits,
) -> None:
    images, labels = zip(*(batches(tiny_splits)(start) for start in range(0, 96, 16)), strict=True)
    rows = rows_of(tiny_splits, np.concatenate(images))
    assert sorted(rows) == list(range(96))
    np.testing.assert_array_equal(np.concatenate(labels), tiny_splits.train.labels[rows])


@pytest.mark.parametrize(("share", "known"), [(0.001, 1), (0.5, 8), (0.99, 16)])
def test_at_least_one_is_labeled(tiny_splits: DatasetSplits, share: float, known: int) -> None:
    _, labels = batches(partly(tiny_splits), share=share)(32)
    assert (labels != UNLABELED).sum() == known


def same(first: Any, second: Any) -> bool:
    """Whether two runs ended with the same weights."""
    for network in ("generator", "discriminator"):
        ours, theirs = (run.model.record.state(network) for run in (first, second))
        if any(not torch.equal(ours[name], theirs[name]) for name in ours):
            return False
    return True


@pytest.mark.slow
def test_hidden_labels_reach_nothing(
    tiny_config: TinyConfig,
    tmp_path: Path,
    train_tiny: Train,
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other labels of the unlabeled, same weights, logs and sheets; of the labeled, others.

    And the test finds a leak: with batches that look up all labels it fails.
    """
    config = tiny_config(objective={"name": "acgan"}, **SHARE)
    splits = partly(tiny_splits)
    misled = replace(splits, train=turned(splits.train, but=ROWS))
    mistaught = replace(splits, train=turned(splits.train))
    run = train_tiny(tmp_path / "run", config, splits=splits)
    hidden = train_tiny(tmp_path / "hidden", config, splits=misled)
    assert same(run, hidden)
    for name in ("metrics.jsonl", "samples/real.png"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "hidden" / name).read_bytes()
    assert not same(run, train_tiny(tmp_path / "taught", config, splits=mistaught))
    after = RealBatches.after

    def leaky(self: RealBatches, *where: Any) -> tuple[torch.Tensor, torch.Tensor]:
        images, _ = after(self, *where)
        rows = rows_of(leaking, images.numpy())
        return images, torch.from_numpy(leaking.train.labels[rows])

    monkeypatch.setattr(RealBatches, "after", leaky)
    leaking = splits
    leaked = train_tiny(tmp_path / "leaked", config, splits=splits)
    leaking = misled
    assert not same(leaked, train_tiny(tmp_path / "leaked other", config, splits=misled))


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_stopping_and_going_on_changes_nothing(
    mode: dict[str, Any],
    tiny_config: TinyConfig,
    tmp_path: Path,
    train_tiny: Train,
    straight: Any,
    tiny_splits: DatasetSplits,
    recording: Any,
    content: Content,
) -> None:
    config, splits = tiny_config(**mode), partly(tiny_splits)
    display = recording().at(80, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, display, splits=splits)
    assert train_tiny(tmp_path / "stopped", config, splits=splits).resumed_at == 80
    assert content(tmp_path / "stopped") == content(straight(config, splits))


@pytest.mark.slow
def test_a_run_tells_how_many_labels_it_had(
    tiny_config: TinyConfig,
    straight: Any,
    tiny_splits: DatasetSplits,
    logged: Any,
) -> None:
    run = straight(tiny_config(**MODES["sgan"]), partly(tiny_splits))
    last = logged(run).figures[-1]
    assert {"real_train", "real_held_out"} <= last["class_accuracy"].keys()
    model, split = load(run), load(run).split
    assert split["train"]["images"] == 96
    assert split["train"]["labeled"]["per_class"] == {"bar": 3, "cross": 2, "ring": 2}
    card = (model.record.folder / "README.md").read_text()
    assert "Of the training images 7 had a label (2 to 3 of each class)" in card
    whole = load(straight(tiny_config()))
    assert "labeled" not in whole.split["train"]
    assert "had a label" not in (whole.record.folder / "README.md").read_text()


@pytest.mark.slow
def test_fakes_are_asked_for_as_often_as_labels_say(
    tiny_config: TinyConfig, tmp_path: Path, train_tiny: Train, tiny_splits: DatasetSplits
) -> None:
    """A class without a single label is one that nobody can ask for."""
    known = np.flatnonzero(tiny_splits.train.labels != 1)[:8]
    splits = replace(tiny_splits, labeled_rows=known)
    asked: list[torch.Tensor] = []
    draw = LabelSource.sample

    def watched(self: Any, *given: Any) -> torch.Tensor:
        asked.append(draw(self, *given))
        return asked[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LabelSource, "sample", watched)
        train_tiny(tmp_path, tiny_config(objective={"name": "acgan"}), splits=splits)
    assert set(torch.cat(asked).tolist()) == {0, 2}


def test_the_source_is_asked_of_images_source_of_unlabeled() -> None:
    """The labeled come too often to be examples of what is real, unless all are labeled."""
    answer = DiscriminatorOutput(torch.arange(4.0), torch.eye(4), torch.zeros(4, 1))
    labels = torch.tensor([2, UNLABELED, 0, UNLABELED])
    shown = source_of_unlabeled(answer, labels)
    assert shown.source_logits.tolist() == [1.0, 3.0]
    assert shown.class_logits is answer.class_logits
    for whole in (torch.tensor([0, 1, 2, 0]), torch.full((4,), UNLABELED)):
        assert source_of_unlabeled(answer, whole).source_logits.tolist() == [0, 1, 2, 3]
