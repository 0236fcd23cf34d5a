"""Regularizers and augmentation in steps and whole runs: who sees what, and what is remembered."""

from __future__ import annotations

import signal
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from acgan.augmentation.augmentation import Augmentation
from acgan.data.images import DatasetSplits
from acgan.objectives.build import ObjectiveConfig
from acgan.runs.checkpoint import CheckpointStore
from acgan.runs.config import RunConfig
from acgan.training import alarms
from acgan.training import step as step_module
from acgan.training.signals import InterruptedRunError
from acgan.training.step import Stepper, read_out

from .helpers import Bench

TinyConfig = Callable[..., RunConfig]
Train = Callable[..., Any]

AUGMENTED = {"augmentation": {"policy": ["color", "translation", "cutout"], "noise": 0.05}}
ADAPTIVE = {
    "augmentation": {
        "policy": ["translation", "color"],
        "adaptive": True,
        "probability": 0.5,
        "target": 0.1,
        "adjustment_images": 300,
    }
}
LECAM = {"name": "lecam", "start_images": 32, "decay": 0.9}
CONSISTENCY = {"name": "consistency", "weight_fake": 10.0}
WAYS: dict[str, dict[str, Any]] = {
    "augmented": AUGMENTED,
    "adaptive": ADAPTIVE,
    "lecam": {"regularizers": [LECAM]},
    "consistency": {"regularizers": [CONSISTENCY]},
    "everything": {**ADAPTIVE, "regularizers": [LECAM, CONSISTENCY, {"name": "r1"}]},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return WAYS[request.param]


def inputs_of(network: nn.Module) -> list[Tensor]:
    """What the network is given from now on."""
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    return seen


def outputs_of(network: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    network.register_forward_hook(lambda _network, _given, made: seen.append(made.detach().clone()))
    return seen


def unlike_what_was_made(bench: Bench) -> dict[str, int]:
    """Of sixteen images each: how many D was shown changed."""
    made, shown = outputs_of(bench.learner.generator), inputs_of(bench.learner.discriminator)
    bench.iterate()
    real = bench.batches()[0][0].float() / 127.5 - 1
    pairs = zip(("real", "fake", "generator"), (real, *made), shown, strict=True)
    return {name: int((a != b).flatten(1).any(1).sum()) for name, a, b in pairs}


@pytest.mark.parametrize("everything", [False, True])
def test_reals_and_fakes_are_changed_in_both_steps(
    everything: bool, tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    quiet: dict[str, Any] = {"regularizers": []}
    bench = Bench(tiny_config(everything=everything, **AUGMENTED, **quiet), tiny_splits)
    assert unlike_what_was_made(bench) == {"real": 16, "fake": 16, "generator": 16}
    bench = Bench(tiny_config(everything=everything, **quiet), tiny_splits)
    assert unlike_what_was_made(bench) == {"real": 0, "fake": 0, "generator": 0}


def test_changes_of_reals_alone_are_found(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug that teaches G to draw shifted images."""
    shown = Stepper._augment

    def reals_only(self: Stepper, images: Tensor, purpose: str, *where: Any) -> Tensor:
        return shown(self, images, purpose, *where) if purpose == "real" else images

    monkeypatch.setattr(Stepper, "_augment", reals_only)
    bench = Bench(tiny_config(**AUGMENTED), tiny_splits)
    assert unlike_what_was_made(bench) == {"real": 16, "fake": 0, "generator": 0}


@pytest.mark.parametrize("batch", ["fresh", "shared"])
def test_every_batch_has_changes_of_its_own_by_seed_and_images_seen(
    batch: str, tiny_config: TinyConfig, tiny_splits: DatasetSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[bytes] = []
    forward = Augmentation.forward

    def spied(self: Augmentation, images: Tensor, random: torch.Generator) -> Tensor:
        changes.append(random.get_state().numpy().tobytes())
        return forward(self, images, random)

    monkeypatch.setattr(Augmentation, "forward", spied)
    config = tiny_config(**AUGMENTED, training={"discriminator_steps": 2, "generator_batch": batch})
    Bench(config, tiny_splits).iterate()
    assert len(set(changes)) == len(changes) == 5
    first = changes.copy()
    changes.clear()
    bench = Bench(config, tiny_splits)
    bench.iterate()
    assert changes == first
    bench.iterate()
    assert not set(changes[5:]) & set(first)


def test_g_learns_through_the_change(tiny_config: TinyConfig, tiny_splits: DatasetSplits) -> None:
    """Every weight of G has a gradient; one that is cut off would not move."""
    bench = Bench(tiny_config(**AUGMENTED), tiny_splits)
    before = {n: p.detach().clone() for n, p in bench.learner.generator.named_parameters()}
    bench.iterate()
    still = [n for n, p in bench.learner.generator.named_parameters() if torch.equal(p, before[n])]
    assert still == []


def test_a_change_that_is_cut_off_leaves_g_without_its_lesson(
    tiny_config: TinyConfig, tiny_splits: DatasetSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Stepper._augment
    monkeypatch.setattr(
        Stepper, "_augment", lambda self, images, *where: shown(self, images.detach(), *where)
    )
    with pytest.raises(RuntimeError, match="does not require grad"):
        Bench(tiny_config(**AUGMENTED), tiny_splits).iterate()


READERS = ("item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "nonzero")


def test_nothing_is_read_out_within_a_step(
    way: dict[str, Any],
    tiny_config: TinyConfig,
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever would wait for a device is called by the one read-out at the end, if at all.

    What a batch's labels say is counted on the CPU, where they still are.
    """
    bench = Bench(tiny_config(**way), tiny_splits)
    for _ in range(4):
        bench.iterate()
    reading: list[str] = []
    at_the_end = read_out

    def last(*given: Any) -> list[str]:
        with monkeypatch.context() as patch:
            for name, original in originals.items():
                patch.setattr(Tensor, name, original)
            return at_the_end(*given)

    originals = {name: getattr(Tensor, name) for name in READERS}
    for name, original in originals.items():

        def spied(self: Tensor, *args: Any, name: str = name, original: Any = original) -> Any:
            if self.dtype != torch.int64:
                reading.append(name)
            return original(self, *args)

        monkeypatch.setattr(Tensor, name, spied)
    monkeypatch.setattr(step_module, "read_out", last)
    for _ in range(4):
        bench.iterate()
    assert reading == []
    assert bool(torch.ones(1) > 0)
    assert reading == ["__bool__"], "the spy sees what it should"


def test_a_skipped_update_leaves_every_memory_bitwise(
    way: dict[str, Any],
    tiny_config: TinyConfig,
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(tiny_config(**way), tiny_splits)
    for _ in range(3):
        assert bench.iterate() == []
    reference_classifier = bench.learner.discriminate

    def spoiled(images: Tensor, labels: Tensor) -> Any:
        answer = reference_classifier(images, labels)
        answer.source_logits.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient * torch.nan
        )
        return answer

    bench.learner.discriminate = spoiled
    before = {name: value.clone() for name, value in bench.learner.extra_state.state_dict().items()}
    assert any("discriminator" in problem for problem in bench.iterate())
    after = bench.learner.extra_state.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    bench.learner.discriminate = reference_classifier
    for _ in range(4):
        assert bench.iterate() == []
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert bool(moved) == bool(before), "the claim above can fail"


@pytest.mark.slow
def test_stopping_and_going_on_changes_nothing(
    way: dict[str, Any],
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Any,
) -> None:
    config = tiny_config(everything=True, **way)
    display = recording().at(80, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, display)
    assert train_tiny(tmp_path / "stopped", config).resumed_at == 80
    assert content(tmp_path / "stopped") == content(straight(config))


@pytest.mark.slow
def test_what_is_remembered_is_in_the_checkpoint_by_name(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, logged: Any
) -> None:
    train_tiny(tmp_path / "run", tiny_config(**WAYS["everything"]))
    state = CheckpointStore(tmp_path / "run" / "checkpoints").newest()
    assert state is not None
    named = {
        name.removeprefix("extra_state."): value.item()
        for name, value in state.tensors.items()
        if name.startswith("extra_state.")
    }
    assert named.keys() == {
        *(f"regularizers.lecam.{name}" for name in ("real", "fake", "mass")),
        *(
            f"augmentation.adaptive.{name}"
            for name in ("probability", "overfitting", "sign_sum", "count")
        ),
    }
    assert named["regularizers.lecam.mass"] == pytest.approx(1 - 0.9**12, rel=1e-5)
    figures = [row["augmentation"] for row in logged(tmp_path / "run").figures]
    assert figures[-1]["probability"] == named["augmentation.adaptive.probability"]
    assert figures[-1]["overfitting"] == named["augmentation.adaptive.overfitting"]
    assert len({each["probability"] for each in figures}) > 1


@pytest.mark.slow
def test_an_augmentation_at_its_end_is_an_alarm(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarms, "GRACE_IMAGES", 0)
    ended = {"policy": ["color"], "adaptive": True, "probability": 1.0, "target": -0.99}
    display = recording()
    train_tiny(tmp_path / "run", tiny_config(augmentation=ended), display)
    assert display.says("the adaptive augmentation is at its limit", "augmentation.policy")
    display = recording()
    train_tiny(tmp_path / "fixed", tiny_config(**AUGMENTED), display)
    assert not display.says("augmentation is at its limit")


NAMES = ("gan", "cgan", "sgan", "acgan", "projection", "tac", "adc", "reacgan")


def of(objective: str) -> dict[str, Any]:
    """The sections of a run with that objective."""
    sections: dict[str, Any] = {"objective": {"name": objective}}
    if objective in ("gan", "sgan"):
        sections["generator"] = {"conditioning": {"mode": "none"}}
    return sections


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_can_carry_them_all(
    name: str, tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    bench = Bench(tiny_config(**WAYS["everything"], **of(name)), tiny_splits)
    for _ in range(4):
        assert bench.iterate() == []
    terms = bench.meters.means()["discriminator"].keys()
    assert terms >= {"lecam", "consistency_real", "consistency_fake", "r1"}


def test_every_objective_is_among_those() -> None:
    known = typing.get_args(typing.get_args(ObjectiveConfig)[0])
    assert {kind.model_fields["name"].default for kind in known} == set(NAMES)


@pytest.mark.parametrize("policy", ["frequency", "uniform", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_every_objective_can_have_fakes_of_every_choice_of_labels(
    policy: str, name: str, tiny_config: TinyConfig, tiny_splits: DatasetSplits
) -> None:
    config = tiny_config(**of(name), training={"fake_labels": policy})
    assert Bench(config, tiny_splits).iterate() == []
