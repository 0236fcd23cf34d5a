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

from acgan.data.images import DataParts, Images, LabelledImages, Labels
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.classification import UNLABELLED
from acgan.runs.config import RunConfig
from acgan.training.batches import LabelSource, RealBatches
from acgan.training.randomness import Streams
from acgan.training.signals import InterruptedRunError
from acgan.training.step import as_they_come

TinyConfig = Callable[..., RunConfig]
Train = Callable[..., Any]
Content = Callable[[Path], dict[str, bytes]]

SIZE, KNOWN = 16, 6  # of a batch, 0.4 of it labelled
ROWS = np.array([0, 1, 2, 30, 31, 32, 60])  # 7 of 96 images
SHARE = {"training": {"labelled_share": 0.4}}
MODES = {
    "acgan": {"everything": True, "objective": {"name": "acgan"}, **SHARE},
    "sgan": {
        "objective": {"name": "sgan"},
        "generator": {"conditioning": {"mode": "none"}},
        "training": {"labelled_share": 0.4, "discriminator_steps": 2, "batch_size": 8},
    },
    "feature matching": {
        "everything": True,
        "objective": {"name": "sgan", "generator_loss": "feature-matching"},
        "generator": {"conditioning": {"mode": "none"}},
        "augmentation": {"policy": ["translation"], "noise": 0.1},
        **SHARE,
    },
}


def partly(parts: DataParts) -> DataParts:
    return replace(parts, labelled_rows=ROWS)


def turned(part: LabelledImages, *, but: Any = ()) -> LabelledImages:
    """Every label is another one, but for some rows'."""
    labels = (part.labels + 1) % len(part.classes)
    labels[list(but)] = part.labels[list(but)]
    return LabelledImages(part.images, labels, part.classes)


def batches(parts: DataParts, *, seed: int = 0, share: float = 0.4) -> RealBatches:
    return RealBatches(parts, Streams(seed), batch_size=SIZE, labelled_share=share)


def rows_of(parts: DataParts, images: Images) -> list[int]:
    places = {image.tobytes(): row for row, image in enumerate(parts.train.images)}
    return [places[image.tobytes()] for image in images]


def test_a_part_of_each_batch_is_labelled_the_rest_is_all_images_in_turn(
    tiny_parts: DataParts,
) -> None:
    parts = partly(tiny_parts)
    found = batches(parts)
    known: list[int] = []
    others: list[int] = []
    for number in range(20):
        images, labels = found.after(number * SIZE)
        rows = rows_of(parts, images)
        assert labels.dtype == np.int64
        assert labels[:KNOWN].tolist() == parts.train.labels[rows[:KNOWN]].tolist()
        assert labels[KNOWN:].tolist() == [UNLABELLED] * (SIZE - KNOWN)
        known += rows[:KNOWN]
        others += rows[KNOWN:]
    for seen, whole in ((known, ROWS.tolist()), (others, list(range(96)))):
        for start in range(0, len(seen) - len(whole) + 1, len(whole)):
            assert sorted(seen[start : start + len(whole)]) == whole
    assert others[:96] != list(range(96))


def test_batches_are_a_function_of_seed_and_images_seen(tiny_parts: DataParts) -> None:
    parts = partly(tiny_parts)
    straight = batches(parts)
    in_order = [straight.after(start) for start in (0, 16, 32, 48)]
    for start, (images, labels) in zip((48, 0), (in_order[3], in_order[0]), strict=True):
        again = batches(parts).after(start)
        np.testing.assert_array_equal(again[0], images)
        np.testing.assert_array_equal(again[1], labels)
    other, _ = batches(parts, seed=1).after(0)
    assert rows_of(parts, other) != rows_of(parts, in_order[0][0])


def test_with_all_labels_a_batch_is_one_window_and_nothing_is_hidden(tiny_parts: DataParts) -> None:
    images, labels = zip(
        *(batches(tiny_parts).after(start) for start in range(0, 96, 16)), strict=True
    )
    rows = rows_of(tiny_parts, np.concatenate(images))
    assert sorted(rows) == list(range(96))
    np.testing.assert_array_equal(np.concatenate(labels), tiny_parts.train.labels[rows])


@pytest.mark.parametrize(("share", "known"), [(0.001, 1), (0.5, 8), (0.99, 16)])
def test_at_least_one_is_labelled(tiny_parts: DataParts, share: float, known: int) -> None:
    _, labels = batches(partly(tiny_parts), share=share).after(32)
    assert (labels != UNLABELLED).sum() == known


def same(first: Any, second: Any) -> bool:
    """Whether two runs ended with the same weights."""
    for network in ("generator", "discriminator"):
        ours, theirs = (run.model.record.state(network) for run in (first, second))
        if any(not torch.equal(ours[name], theirs[name]) for name in ours):
            return False
    return True


def test_hidden_labels_reach_nothing(
    tiny_config: TinyConfig,
    tmp_path: Path,
    train_tiny: Train,
    tiny_parts: DataParts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other labels of the unlabelled, same weights, logs and sheets; of the labelled, others.

    And the test finds a leak: with batches that look up all labels it fails.
    """
    config = tiny_config(objective={"name": "acgan"}, **SHARE)
    parts = partly(tiny_parts)
    misled = replace(parts, train=turned(parts.train, but=ROWS))
    mistaught = replace(parts, train=turned(parts.train))
    run = train_tiny(tmp_path / "run", config, parts=parts)
    hidden = train_tiny(tmp_path / "hidden", config, parts=misled)
    assert same(run, hidden)
    for name in ("metrics.jsonl", "samples/real.png"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "hidden" / name).read_bytes()
    assert not same(run, train_tiny(tmp_path / "taught", config, parts=mistaught))
    after = RealBatches.after

    def leaky(self: RealBatches, images_seen: int) -> tuple[Images, Labels]:
        images, _ = after(self, images_seen)
        return images, leaking.train.labels[rows_of(leaking, images)]

    monkeypatch.setattr(RealBatches, "after", leaky)
    leaking = parts
    leaked = train_tiny(tmp_path / "leaked", config, parts=parts)
    leaking = misled
    assert not same(leaked, train_tiny(tmp_path / "leaked other", config, parts=misled))


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_stopping_and_going_on_changes_nothing(
    mode: dict[str, Any],
    tiny_config: TinyConfig,
    tmp_path: Path,
    train_tiny: Train,
    tiny_parts: DataParts,
    recording: Any,
    content: Content,
) -> None:
    config, parts = tiny_config(**mode), partly(tiny_parts)
    train_tiny(tmp_path / "straight", config, parts=parts)
    display = recording().at(80, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, display, parts=parts)
    assert train_tiny(tmp_path / "stopped", config, parts=parts).resumed_at == 80
    assert content(tmp_path / "stopped") == content(tmp_path / "straight")


def test_a_run_tells_how_many_labels_it_had(
    tiny_config: TinyConfig, tmp_path: Path, train_tiny: Train, tiny_parts: DataParts, logged: Any
) -> None:
    run = train_tiny(tmp_path / "run", tiny_config(**MODES["sgan"]), parts=partly(tiny_parts))
    last = logged(tmp_path / "run").figures[-1]
    assert {"real_train", "real_held_out"} <= last["class_accuracy"].keys()
    split = run.model.split
    assert split["train"]["images"] == 96
    assert split["train"]["labelled"]["per_class"] == [3, 2, 2]
    card = (run.model.record.folder / "README.md").read_text()
    assert "Of the training images 7 had a label (2 to 3 of each class)" in card
    whole = train_tiny(tmp_path / "whole", tiny_config())
    assert "labelled" not in whole.model.split["train"]
    assert "had a label" not in (whole.model.record.folder / "README.md").read_text()


def test_fakes_are_asked_for_as_often_as_labels_say(
    tiny_config: TinyConfig, tmp_path: Path, train_tiny: Train, tiny_parts: DataParts
) -> None:
    """A class without a single label is one that nobody can ask for."""
    known = np.flatnonzero(tiny_parts.train.labels != 1)[:8]
    parts = replace(tiny_parts, labelled_rows=known)
    asked: list[torch.Tensor] = []
    draw = LabelSource.draw

    def watched(self: Any, *given: Any) -> torch.Tensor:
        asked.append(draw(self, *given))
        return asked[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LabelSource, "draw", watched)
        train_tiny(tmp_path, tiny_config(objective={"name": "acgan"}), parts=parts)
    assert set(torch.cat(asked).tolist()) == {0, 2}


def test_the_source_is_asked_of_images_as_they_come() -> None:
    """The labelled come too often to be examples of what is real, unless all are labelled."""
    answer = DiscriminatorOutput(torch.arange(4.0), torch.eye(4), torch.zeros(4, 1))
    labels = torch.tensor([2, UNLABELLED, 0, UNLABELLED])
    shown = as_they_come(answer, labels)
    assert shown.source_logits.tolist() == [1.0, 3.0]
    assert shown.class_logits is answer.class_logits
    for whole in (torch.tensor([0, 1, 2, 0]), torch.full((4,), UNLABELLED)):
        assert as_they_come(answer, whole).source_logits.tolist() == [0, 1, 2, 3]
