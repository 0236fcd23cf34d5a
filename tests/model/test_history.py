from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from acgan.data.images import DatasetSplits
from acgan.errors import DataError
from acgan.model.history import generator_at, saved_checkpoints
from acgan.model.model import load
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.sampling.sampler import sample_images
from acgan.training.display import SilentDisplay
from acgan.training.start import run_training


@pytest.fixture(params=["batchnorm", "concatenate", "one-hot", "multiply"])
def run(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tiny_splits: DatasetSplits,
    tiny_config: Callable[..., RunConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A tiny run with checkpoints at 0, 48, 96, 144 and 192 images."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("acgan.training.start.draw_summary", lambda folder: {})
    config = tiny_config(generator={"conditioning": {"mode": request.param}})
    run_training(config, tiny_splits, RunFolder(tmp_path / "run"), SilentDisplay())
    return tmp_path / "run"


def test_the_last_checkpoint_is_the_model(run: Path) -> None:
    model = load(run)
    assert saved_checkpoints(run, before=model.images_seen)[-1].images_seen < model.images_seen
    last = saved_checkpoints(run, before=model.images_seen + 1)[-1]
    assert last.images_seen == model.images_seen
    generator = generator_at(last, model)
    assert not generator.training
    theirs = dict(model.generator.named_parameters())
    for name, parameter in generator.named_parameters():
        assert torch.equal(parameter, theirs[name]), name
    own = dict(model.generator.named_buffers())
    for name, buffer in generator.named_buffers():
        if name.endswith("running_mean"):  # of other latents, but as many
            spread = own[name.replace("mean", "var")].sqrt()
            assert ((buffer - own[name]).abs() < 0.25 * spread).all(), name
            assert not torch.equal(buffer, own[name])


def test_earlier_ones_draw_other_images_and_the_model_stays(run: Path) -> None:
    model = load(run)
    before = model.sample(count=2)
    kept = saved_checkpoints(run, before=model.images_seen)
    assert [each.images_seen for each in kept] == sorted(each.images_seen for each in kept)
    assert kept[0].images_seen == 0
    pictures = [
        sample_images(generator_at(each, model), [0, 1, 2], [5, 5, 5]).tobytes() for each in kept
    ]
    assert len(set(pictures)) == len(kept)
    assert (
        sample_images(generator_at(kept[0], model), [0, 1, 2], [5, 5, 5]).tobytes() == pictures[0]
    )
    np.testing.assert_array_equal(model.sample(count=2), before)


def test_damage_is_a_sentence(run: Path) -> None:
    model = load(run)
    first = saved_checkpoints(run, before=model.images_seen)[0]
    tensors = first.path / "tensors.safetensors"
    content = bytearray(tensors.read_bytes())
    content[len(content) // 2] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(DataError, match=f"{first.path.name} cannot be used"):
        generator_at(first, model)


def test_what_a_retry_took_over_from_is_passed_over(tmp_path: Path) -> None:
    for name in (
        "000000000000-r0",
        "000000000100-r0",
        "000000000200-r0",
        "000000000300-r0",
        "000000000200-r1",
        "000000000400-r1",
        ".tmp-x",
        "notes",
    ):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    kept = saved_checkpoints(tmp_path, before=400)
    assert [each.path.name for each in kept] == [
        "000000000000-r0",
        "000000000100-r0",
        "000000000200-r1",
    ]


def test_a_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert saved_checkpoints(tmp_path, before=10) == ()
