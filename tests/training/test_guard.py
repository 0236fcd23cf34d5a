"""The guard: what is not finite changes nothing, is named, and in the end leads back or out."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from acgan.data.images import DatasetSplits
from acgan.errors import DivergedError
from acgan.runs.checkpoint import CheckpointStore
from acgan.runs.config import RunConfig
from acgan.training.guard import LARGEST, Guard
from acgan.training.learner import Learner
from acgan.training.randomness import Streams
from acgan.training.signals import InterruptedRunError

from .helpers import Bench

Train = Callable[..., Any]
Content = Callable[[Path], dict[str, bytes]]
BATCH = 16


def look(guard: Guard, **terms: float) -> str | None:
    """What the guard says of the network as it is now; its two answers must agree."""
    finding = guard.check({name: torch.tensor(value) for name, value in terms.items()})
    problem = finding.problem(finding.sizes.tolist())
    assert bool(finding.failed) == (problem is not None)
    return problem


def test_the_first_term_that_is_not_finite_is_named() -> None:
    guard = Guard(nn.BatchNorm1d(2))
    assert look(guard, source=1.0, other=-5.0) is None
    assert look(guard, source=1.0, other=-torch.inf) == "the loss term other"
    assert look(guard, source=torch.nan, other=torch.inf) == "the loss term source"


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e19, LARGEST])
def test_gradients_and_statistics_are_looked_at(value: float) -> None:
    linear = nn.Linear(2, 2)
    network = nn.Sequential(linear, nn.BatchNorm1d(2))
    guard = Guard(network)
    assert look(guard, loss=1.0) is None, "no gradient is no fault"
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 0.1 * LARGEST)
    assert look(guard, loss=1.0) is None
    dict(network.named_buffers())["1.running_var"][1] = value
    assert look(guard, loss=1.0) == "the running statistic 1.running_var"
    linear.bias.grad = torch.tensor([0.0, value])
    assert look(guard, loss=1.0) == "the gradient of 0.bias"
    assert look(guard, loss=value) == "the loss term loss"


def test_buffers_come_back_bit_for_bit_where_they_are_spoiled() -> None:
    norm = nn.BatchNorm1d(3)
    buffers = dict(norm.named_buffers())
    norm(torch.randn(4, 3))
    kept = {name: buffer.clone() for name, buffer in buffers.items()}
    guard = Guard(norm)
    guard.save_buffers()
    norm(torch.randn(4, 3))
    moved = {name: buffer.clone() for name, buffer in buffers.items()}
    assert all(not torch.equal(moved[name], kept[name]) for name in kept)
    guard.restore_buffers(torch.tensor(False))
    assert all(torch.equal(buffers[name], moved[name]) for name in kept)
    buffers["running_mean"][0] = torch.nan
    guard.restore_buffers(torch.tensor(True))
    assert all(torch.equal(buffers[name], kept[name]) for name in kept)


def test_a_network_without_buffers_can_be_guarded() -> None:
    guard = Guard(nn.Linear(2, 2))
    guard.save_buffers()
    guard.restore_buffers(torch.tensor(True))


@pytest.mark.parametrize("stepped", [False, True], ids=["first-step", "with-moments"])
def test_fused_adam_obeys_a_flag_on_the_device(stepped: bool) -> None:
    """The guard relies on it."""

    def moves(flag: float) -> set[str]:
        weight = nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([weight], fused=True)
        if stepped:
            weight.grad = torch.ones(3)
            optimizer.step()
        values = {"weight": weight.detach(), **optimizer.state[weight]}
        before = {name: value.clone() for name, value in values.items()}
        weight.grad = torch.full((3,), 2.0)
        optimizer.found_inf = torch.tensor(flag)  # type: ignore[attr-defined]
        optimizer.step()
        after = {"weight": weight.detach(), **optimizer.state[weight]}
        nothing = {name: torch.zeros_like(value) for name, value in after.items()} | before
        return {name for name, value in after.items() if not torch.equal(value, nothing[name])}

    assert moves(1.0) == set()
    assert moves(0.0) == {"weight", "step", "exp_avg", "exp_avg_sq"}, "the assertion can fail"


def stepper(config: RunConfig, splits: DatasetSplits) -> tuple[Learner, Callable[[int], list[str]]]:
    bench = Bench(config, splits)
    return bench.learner, lambda _step: bench.iterate()


def spoil_loss(learner: Learner, network: str) -> str:
    inner = getattr(learner.objective, network)

    def spoiled(*args: Any) -> dict[str, torch.Tensor]:
        terms: dict[str, torch.Tensor] = inner(*args)
        name = list(terms)[-1]
        return {**terms, name: terms[name] / 0.0}

    setattr(learner.objective, network, spoiled)
    return "the loss term class"


def spoil_gradient(learner: Learner, network: str) -> str:
    name, parameter = next(iter(getattr(learner, network).named_parameters()))
    parameter.register_hook(lambda gradient: gradient * torch.nan)
    return f"the gradient of {name}"


def spoil_statistic(learner: Learner, network: str) -> str:
    norm = next(m for m in getattr(learner, network).modules() if isinstance(m, nn.BatchNorm2d))

    def overflow(module: nn.Module, _inputs: object, _output: object) -> None:
        # By .data, unseen by autograd, as an overflow in the kernel is.
        dict(module.named_buffers())["running_var"].data[0] = torch.inf

    norm.register_forward_hook(overflow)
    return "the running statistic"


@pytest.mark.parametrize(
    ("everything", "batch"), [(False, "fresh"), (True, "shared")], ids=["fp32", "everything"]
)
@pytest.mark.parametrize("network", ["discriminator", "generator"])
@pytest.mark.parametrize("spoil", [spoil_loss, spoil_gradient, spoil_statistic])
def test_a_spoiled_update_changes_nothing_at_all(
    spoil: Callable[[Learner, str], str],
    network: str,
    batch: str,
    everything: bool,
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
) -> None:
    config = tiny_config(everything=everything, training={"generator_batch": batch})
    learner, iterate = stepper(config, tiny_splits)
    assert iterate(0) == []
    problem = spoil(learner, network)
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    (said,) = iterate(1)
    assert said.startswith(f"{network}: {problem}")
    after = learner.tensors()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not {name for name in changed if name.removeprefix("optimizer.").startswith(network)}
    assert changed, "the other network learns on"
    assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in after.values())


def newest(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    state = CheckpointStore(folder / "checkpoints").newest()
    assert state is not None
    return dict(state.tensors), dict(state.counters)


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_a_skipped_update_is_written_down_and_said(
    network: str,
    tmp_path: Path,
    tiny_config: Callable[..., RunConfig],
    train_tiny: Train,
    recording: Any,
    logged: Any,
    poison: Callable[..., None],
) -> None:
    term = "source_real" if network == "discriminator" else "class"
    poison(lambda images, retry: images in (32, 112), network, term)
    display = recording()
    train_tiny(tmp_path / "run", tiny_config(), display)
    events = logged(tmp_path / "run").events
    assert [(row["event"], row["images"]) for row in events] == [("skipped", 48), ("skipped", 128)]
    for row in events:
        assert network in row["message"]
        assert f"the loss term {term} is not finite" in row["message"]
    assert display.says(network, f"the loss term {term}", "skipped")
    tensors, counters = newest(tmp_path / "run")
    assert counters["retry"] == 0
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def diverging(images: int, retry: int) -> bool:
    """From 80 images on, before the first retry."""
    return images >= 80 and retry == 0


@pytest.fixture
def three_skips(tiny_config: Callable[..., RunConfig]) -> RunConfig:
    return tiny_config(everything=True, training={"skips_before_restore": 3})


@pytest.mark.slow
def test_after_several_skips_the_last_good_state_is_restored(
    tmp_path: Path,
    three_skips: RunConfig,
    train_tiny: Train,
    recording: Any,
    logged: Any,
    poison: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(diverging)
    rates: list[float] = []
    set_rates = Learner.set_rates

    def spied(self: Learner, factor: float) -> None:
        rates.append(factor)
        set_rates(self, factor)

    monkeypatch.setattr(Learner, "set_rates", spied)
    display = recording()
    train_tiny(tmp_path / "run", three_skips, display)
    (event,) = logged(tmp_path / "run").events
    # The checkpoint at 96 fell due amid skipped updates, so the one at 48 is the last good one.
    assert (event["event"], event["images"]) == ("restored", 48)
    for words in ("class_real", "at 128 images", "retry 1 of 3", "times 0.5"):
        assert words in event["message"]
    assert display.says("retry 1 of 3")
    assert set(rates[:8]) == {1.0}
    assert set(rates[8:]) == {0.5}
    assert len(rates) == 8 + (192 - 48) // BATCH
    tensors, counters = newest(tmp_path / "run")
    assert counters["retry"] == 1
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
    counts = [row["images"] for row in logged(tmp_path / "run").rows]
    assert counts == [32, 48, 64, 96, 128, 160, 192], "the log tells one story"


@pytest.mark.slow
def test_a_retry_draws_other_numbers(
    tmp_path: Path,
    three_skips: RunConfig,
    train_tiny: Train,
    content: Content,
    poison: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the salt taken out, the retry goes other ways only by its rate."""
    poison(diverging)
    train_tiny(tmp_path / "salted", three_skips)
    derive = Streams.derive
    monkeypatch.setattr(
        Streams, "derive", lambda self, *key, **which: derive(Streams(self.seed), *key, **which)
    )
    train_tiny(tmp_path / "unsalted", three_skips)
    salted, unsalted = newest(tmp_path / "salted")[0], newest(tmp_path / "unsalted")[0]
    assert any(not torch.equal(salted[name], unsalted[name]) for name in salted)


class Killed(BaseException):
    """Ends a run as SIGKILL does, as far as its files are concerned."""


def kill() -> None:
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("images", [96, 128, 160])
def test_a_kill_before_or_after_a_restore_changes_nothing(
    images: int,
    tmp_path: Path,
    three_skips: RunConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
    poison: Callable[..., None],
) -> None:
    poison(diverging)
    with pytest.raises(Killed):
        train_tiny(tmp_path / "killed", three_skips, recording().at(images, kill))
    train_tiny(tmp_path / "killed", three_skips)
    assert content(tmp_path / "killed") == content(straight(three_skips, key="diverging"))


@pytest.mark.slow
def test_a_kill_between_a_retrys_state_and_its_log_changes_nothing(
    tmp_path: Path,
    three_skips: RunConfig,
    train_tiny: Train,
    straight: Any,
    content: Content,
    poison: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(diverging)
    with monkeypatch.context() as patch:
        patch.setattr("acgan.training.run_logger.RunLogger.rewind", lambda *_: kill())
        with pytest.raises(Killed):
            train_tiny(tmp_path / "killed", three_skips)
    train_tiny(tmp_path / "killed", three_skips)
    assert content(tmp_path / "killed") == content(straight(three_skips, key="diverging"))


@pytest.mark.slow
def test_where_a_restore_leads_does_not_depend_on_an_earlier_signal(
    tmp_path: Path,
    three_skips: RunConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
    poison: Callable[..., None],
) -> None:
    poison(diverging)
    stop = recording().at(80, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", three_skips, stop)
    assert newest(tmp_path / "stopped")[1]["images_seen"] == 80
    train_tiny(tmp_path / "stopped", three_skips)
    assert content(tmp_path / "stopped") == content(straight(three_skips, key="diverging"))


@pytest.mark.slow
def test_after_three_retries_it_ends_with_the_term(
    tmp_path: Path,
    three_skips: RunConfig,
    train_tiny: Train,
    recording: Any,
    logged: Any,
    poison: Callable[..., None],
) -> None:
    poison(lambda images, retry: images >= 80, "generator", "class")
    display = recording()
    for _ in range(2):  # a second start ends the same way
        sentence = r"generator: the loss term class .* 3 retries"
        with pytest.raises(DivergedError, match=sentence) as caught:
            train_tiny(tmp_path / "run", three_skips, display)
        assert caught.value.exit_code == 4
        status = json.loads((tmp_path / "run" / "status.json").read_text())
        assert status["state"] == "diverged"
    restored = [row for row in logged(tmp_path / "run").events if row["event"] == "restored"]
    assert [f"retry {n} of 3" in row["message"] for n, row in enumerate(restored, 1)] == [True] * 3
    assert newest(tmp_path / "run")[1]["retry"] == 3
