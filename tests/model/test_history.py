"""`generator_at` returns the generator that a run saved at a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from acgan.data.images import DatasetSplits
from acgan.errors import DataError
from acgan.model.model import generator_at, load
from acgan.runs.checkpoint import saved_checkpoints
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.sampling.sampler import sample_images
from acgan.training.display import SilentDisplay
from acgan.training.run import run_training


@pytest.fixture
def run(
    tmp_path: Path,
    tiny_splits: DatasetSplits,
    tiny_config: Callable[..., RunConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A tiny run with checkpoints at 0, 48, 96, 144 and 192 images."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.run.draw_summary", lambda folder: {})
    run_training(tiny_config(), tiny_splits, RunFolder(tmp_path / "run"), SilentDisplay())
    return tmp_path / "run"


def test_the_last_checkpoint_has_the_generator_of_the_model_bit_for_bit(run: Path) -> None:
    model = load(run)
    assert saved_checkpoints(run, before=model.images_seen)[-1].images_seen < model.images_seen
    last = saved_checkpoints(run, before=model.images_seen + 1)[-1]
    assert last.images_seen == model.images_seen
    generator = generator_at(model, last)
    assert not generator.training
    expected = model.generator.state_dict()
    assert any(name.endswith("running_mean") for name in expected)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.slow
def test_an_earlier_checkpoint_has_the_model_that_the_run_had_then(
    tmp_path: Path,
    tiny_splits: DatasetSplits,
    tiny_config: Callable[..., RunConfig],
    monkeypatch: pytest.MonkeyPatch,
    run: Path,
) -> None:
    """The checkpoint at 96 images of a run of 192 is the model of a run of 96."""
    shorter = tiny_config(training={"total_images": 96})
    run_training(shorter, tiny_splits, RunFolder(tmp_path / "shorter"), SilentDisplay())
    (then,) = [c for c in saved_checkpoints(run, before=192) if c.images_seen == 96]
    expected = load(tmp_path / "shorter").generator.state_dict()
    for name, tensor in generator_at(load(run), then).state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.slow
def test_earlier_ones_generate_other_images_and_the_model_stays(run: Path) -> None:
    model = load(run)
    before = model.sample(count=2)
    saved = saved_checkpoints(run, before=model.images_seen)
    images = [sample_images(generator_at(model, each), [0, 1, 2], [5, 5, 5]) for each in saved]
    assert saved[0].images_seen == 0
    assert len({each.tobytes() for each in images}) == len(saved)
    np.testing.assert_array_equal(model.sample(count=2), before)


def test_damage_is_a_sentence(run: Path) -> None:
    model = load(run)
    first = saved_checkpoints(run, before=model.images_seen)[0]
    tensors = first.path / "tensors.safetensors"
    content = bytearray(tensors.read_bytes())
    content[len(content) // 2] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(DataError, match=f"{first.path.name} cannot be used"):
        generator_at(model, first)
