"""Gradient contracts: each step changes its own network alone, and all of it.

The same assertions fail on wrong versions that many programs have: no detach, D not frozen while G
learns, statistics moved by the other network's step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast, final

import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import DatasetSplits
from acgan.networks.interface import DiscriminatorOutput
from acgan.objectives.classification import UNLABELED
from acgan.runs.config import RunConfig
from acgan.runs.state import optimizer_tensors
from acgan.training import step as step_module
from acgan.training.randomness import Streams
from acgan.training.state import Meters
from acgan.training.step import FakeBatch, Update, count_correct, read_out

from .helpers import Bench

Values = dict[str, Tensor]


def copies(tensors: Values) -> Values:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def changed(before: Values, after: Values) -> set[str]:
    names = before.keys() | after.keys()
    return {
        name
        for name in names
        if name not in before or name not in after or not torch.equal(before[name], after[name])
    }


def state_of(bench: Bench, network: str) -> Values:
    """Weights, buffers and moments of one network."""
    module = getattr(bench.learner, network)
    optimizer = getattr(bench.learner, f"{network}_optimizer")
    return copies({**module.state_dict(), **optimizer_tensors("moments", module, optimizer)})


@dataclass
class Observed:
    """State of both networks at the start, at every optimizer step, and at the end."""

    names: list[str] = field(default_factory=list)
    states: list[tuple[Values, Values]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def observe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Observed:
    """One iteration, looked at right after each optimizer's step."""
    seen = Observed()

    def look() -> None:
        seen.states.append((state_of(bench, "discriminator"), state_of(bench, "generator")))

    def spy(network: str, other: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        real_step = optimizer.step

        def step(*args: Any, **options: Any) -> None:
            stray = [name for name, p in other.named_parameters() if p.grad is not None]
            seen.strays += [f"{network}'s step: gradient of {name}" for name in stray]
            real_step(*args, **options)
            seen.names.append(network)
            look()

        monkeypatch.setattr(optimizer, "step", step)

    learner = bench.learner
    spy("discriminator", learner.generator, learner.discriminator_optimizer)
    spy("generator", learner.discriminator, learner.generator_optimizer)
    look()
    bench.iterate()
    look()
    return seen


def violations(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What one iteration does against the contracts; empty if they hold."""
    seen = observe(bench, monkeypatch)
    training = bench.config.training
    if seen.names != ["discriminator"] * training.discriminator_steps + ["generator"]:
        return [f"steps taken: {seen.names}"]
    wrong = list(seen.strays)
    buffers = {name for name, _ in bench.learner.generator.named_buffers()}
    for index, name in enumerate(seen.names):
        (d_before, g_before), (d_after, g_after) = seen.states[index : index + 2]
        d_changed, g_changed = changed(d_before, d_after), changed(g_before, g_after)
        if name == "discriminator":
            missed = set(d_after) - d_changed
            wrong += [f"D's step did not reach {one}" for one in missed]
            last = index == training.discriminator_steps - 1
            allowed = buffers if training.generator_batch == "shared" and last else set()
            wrong += [f"D's step changed G's {one}" for one in g_changed - allowed]
        else:
            wrong += [f"G's step changed D's {one}" for one in d_changed]
            own = buffers if training.generator_batch == "shared" else set()
            wrong += [f"G's step did not reach {one}" for one in set(g_after) - g_changed - own]
    wrong += [
        f"changed after the last step: {o}" for o in changed(seen.states[-2][0], seen.states[-1][0])
    ]
    wrong += [
        f"changed after the last step: {o}" for o in changed(seen.states[-2][1], seen.states[-1][1])
    ]
    return wrong


MODES = [
    pytest.param(
        {
            "everything": everything,
            "training": {"generator_batch": batch, "discriminator_steps": n},
        },
        id=f"{'bf16-channels-last-dropout-r1' if everything else 'fp32'}-{batch}-{n}-d-steps",
    )
    for everything in (False, True)
    for batch in ("fresh", "shared")
    for n in (1, 2)
]
MODES.append(
    pytest.param(
        {
            "everything": True,
            "objective": {"name": "sgan", "generator_loss": "feature-matching"},
            "generator": {"conditioning": {"mode": "none"}},
        },
        id="feature-matching",
    )
)


@pytest.mark.parametrize("mode", MODES)
def test_each_step_changes_its_own_network_and_all_of_it(
    mode: dict[str, Any],
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(tiny_config(**mode), tiny_splits)
    bench.iterate()  # from the second on, the moments are there to be changed
    assert violations(bench, monkeypatch) == []


class Undetachable(torch.Tensor):
    """The planted bug `discriminator(fake)` where `discriminator(fake.detach())` is meant."""

    def detach(self) -> Tensor:
        return self


def test_a_missing_detach_is_found(
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stuck(images: Tensor, labels: Tensor) -> FakeBatch:
        return FakeBatch(images.as_subclass(Undetachable), labels)

    monkeypatch.setattr(step_module, "FakeBatch", stuck)
    bench = Bench(tiny_config(training={"generator_batch": "shared"}), tiny_splits)
    seen: list[str] = []
    with pytest.raises(RuntimeError, match="second time"):
        seen = violations(bench, monkeypatch)
    assert not seen
    leaked = [p for p in bench.learner.generator.parameters() if p.grad is not None]
    assert leaked, "D's backward pass went into G"


def test_a_discriminator_that_is_not_frozen_is_found(
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(tiny_config(), tiny_splits)
    monkeypatch.setattr(bench.learner.discriminator, "requires_grad_", lambda flag: None)
    bench.iterate()
    assert any("generator's step: gradient of" in one for one in violations(bench, monkeypatch))


def test_statistics_that_the_other_step_moves_are_found(
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(tiny_config(), tiny_splits)
    monkeypatch.setattr(step_module, "frozen_statistics", lambda module: nullcontext())
    bench.iterate()
    found = violations(bench, monkeypatch)
    assert any("G's step changed D's" in one and "running_mean" in one for one in found)
    assert any("D's step changed G's" in one and "running_mean" in one for one in found)


@final
class Inputs:
    """What a network is called with, call by call."""

    def __init__(self, network: nn.Module) -> None:
        self.calls: list[tuple[Tensor, ...]] = []
        network.register_forward_pre_hook(self._remember)

    def _remember(self, _network: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self.calls.append(tuple(a.detach().clone() for a in arguments))


def test_the_discriminators_statistics_come_from_a_pass_over_reals_and_one_over_fakes(
    tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    bench = Bench(tiny_config(), tiny_splits)
    before = copy.deepcopy(bench.learner.discriminator)
    seen = Inputs(bench.learner.discriminator)
    bench.iterate()
    (real, _), (fake, _), _in_generator_step = seen.calls
    assert torch.equal(real, torch.from_numpy(tiny_splits.train.images[:16]).float() / 127.5 - 1)
    before(real)
    before(fake)
    expected, found = (
        dict(before.named_buffers()),
        dict(bench.learner.discriminator.named_buffers()),
    )
    assert changed(copies(expected), copies(found)) == set()


def test_the_generators_statistics_come_from_the_pass_that_it_learns_from(
    tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    bench = Bench(tiny_config(), tiny_splits)
    before = copy.deepcopy(bench.learner.generator)
    seen = Inputs(bench.learner.generator)
    bench.iterate()
    _for_discriminator, own = seen.calls
    before(*own)
    expected, found = dict(before.named_buffers()), dict(bench.learner.generator.named_buffers())
    assert changed(copies(expected), copies(found)) == set()


@pytest.mark.parametrize(
    ("batch", "steps", "passes"),
    [("shared", 1, 1), ("fresh", 1, 2), ("shared", 3, 3), ("fresh", 3, 4)],
)
def test_shared_means_one_pass_for_both_and_fresh_a_new_one(
    batch: str,
    steps: int,
    passes: int,
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
) -> None:
    config = tiny_config(training={"generator_batch": batch, "discriminator_steps": steps})
    bench = Bench(config, tiny_splits)
    drawn = Inputs(bench.learner.generator)
    judged = Inputs(bench.learner.discriminator)
    bench.iterate()
    assert len(drawn.calls) == passes
    assert len({call[0].numpy().tobytes() for call in drawn.calls}) == passes, "latents repeat"
    assert len(judged.calls) == 2 * steps + 1
    (last_fake, last_labels), (own, own_labels) = judged.calls[-2:]
    assert torch.equal(last_fake, own) == (batch == "shared")
    assert torch.equal(last_labels, own_labels) == (batch == "shared")
    reals = {call[0].numpy().tobytes() for call in judged.calls[0:-1:2]}
    assert len(reals) == steps, "every D step has a batch of its own"


def test_fakes_can_carry_the_real_batchs_labels(
    tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    bench = Bench(tiny_config(training={"fake_labels": "batch"}), tiny_splits)
    drawn = Inputs(bench.learner.generator)
    bench.iterate()
    for _latents, labels in drawn.calls:
        assert labels.tolist() == tiny_splits.train.labels[:16].tolist()


def test_every_group_learns_at_its_own_rate(
    tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    """Adam's first step moves every weight that has a gradient by just its rate."""
    rates = {
        "generator_lr": 1e-3,
        "discriminator_lr": 3e-3,
        "conditioning_multiplier": 5.0,
        "heads_multiplier": 0.5,
        "epsilon": 1e-20,
    }
    bench = Bench(tiny_config(optimizer=rates), tiny_splits)
    learner = bench.learner
    learner.set_rates(0.5)
    before = {
        id(p): p.detach().clone()
        for n in (learner.generator, learner.discriminator)
        for p in n.parameters()
    }
    bench.iterate()
    special = {id(p): 5e-3 for p in learner.generator.conditioning_parameters()}
    special |= {id(p): 1.5e-3 for p in learner.discriminator.head_parameters()}
    assert len(special) > 4
    for network, plain in ((learner.generator, 1e-3), (learner.discriminator, 3e-3)):
        for name, parameter in network.named_parameters():
            moved = (parameter.detach() - before[id(parameter)]).abs().max().item()
            expected = 0.5 * special.get(id(parameter), plain)
            assert moved == pytest.approx(expected, rel=1e-2), name


def test_what_is_logged_is_what_is_optimized(
    tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    bench = Bench(tiny_config(everything=True), tiny_splits)
    objective, logged = bench.learner.objective, []
    for name in ("discriminator", "generator"):
        inner = getattr(objective, name)

        def spied(*args: Any, inner: Any = inner, name: str = name) -> dict[str, Tensor]:
            terms: dict[str, Tensor] = inner(*args)
            logged.append((name, {key: term.item() for key, term in terms.items()}))
            return terms

        setattr(objective, name, spied)
    bench.iterate()
    means = bench.meters.means()
    for network, terms in logged:
        for key, value in terms.items():
            assert means[network][key] == value
    assert means["discriminator"].keys() == {"source_real", "source_fake", "class_real", "r1"}
    assert 0 <= means["source_accuracy"]["real"] <= 1


def test_class_accuracy_counts_labeled_reals_and_fakes_that_were_asked_for() -> None:
    classes = torch.eye(3)[[0, 1, 2, 0]]  # read as 0, 1, 2, 0
    answer = DiscriminatorOutput(torch.tensor([1.0, -1, 1, 1]), classes, torch.zeros(4, 1))
    some, none = torch.tensor([0, UNLABELED, 1, UNLABELED]), torch.full((4,), UNLABELED)
    meters = Meters()

    def means(labels: torch.Tensor, fake_labels: torch.Tensor | None) -> dict[str, Any]:
        check = SimpleNamespace(sizes=torch.zeros(1), names=["x"], problem=lambda sizes: "")
        correct = count_correct(answer, labels, answer, fake_labels)
        meters.clear()
        read_out([Update("discriminator", ("x",), cast(Any, check), correct)], meters)
        return meters.means()

    found = means(some, torch.tensor([0, 1, 0, 0]))
    assert found["source_accuracy"] == {"real": 3 / 4, "fake": 1 / 4}
    # of the fakes, 2 of 3 of class 0 and 1 of 1 of class 1
    assert found["class_accuracy"] == pytest.approx({"real_train": 1 / 2, "fake": (2 / 3 + 1) / 2})
    assert "class_accuracy" not in means(none, None)


def test_a_discriminator_that_always_says_the_majority_class_reads_chance() -> None:
    labels = torch.tensor([0] * 90 + [1] * 9 + [2] * 1)
    majority = torch.tensor([9.0, 0, 0]).expand(100, 3)
    meters = Meters()
    check = SimpleNamespace(sizes=torch.zeros(1), names=["x"], problem=lambda sizes: "")
    for part in (slice(0, 50), slice(50, 100)):  # batches differ in their classes
        half = DiscriminatorOutput(torch.zeros(50), majority[part], torch.zeros(50, 1))
        correct = count_correct(half, labels[part], half, labels[part])
        read_out([Update("discriminator", ("x",), cast(Any, check), correct)], meters)
    chance = pytest.approx(1 / 3)
    assert meters.means()["class_accuracy"] == {"real_train": chance, "fake": chance}
    restored = Meters()
    restored.restore(meters.state())
    assert restored.means() == meters.means()


@pytest.mark.parametrize("objective", [{"name": "acgan"}, {"name": "sgan"}])
def test_a_batch_may_be_partly_or_wholly_without_labels(
    objective: dict[str, str], tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    """Nothing is skipped, and what is logged of classes is of the labeled."""
    mode = {"mode": "none" if objective["name"] == "sgan" else "batchnorm"}
    config = tiny_config(objective=objective, generator={"conditioning": mode})
    size = config.training.batch_size
    for labeled in (0, 5):
        bench = Bench(config, tiny_splits)
        images = torch.from_numpy(tiny_splits.train.images[:size])
        labels = torch.from_numpy(tiny_splits.train.labels[:size]).clone()
        labels[labeled:] = UNLABELED
        skipped = bench.stepper.iterate(
            [(images, labels)], Streams(0), bench.meters, images_seen=0, step=0
        )
        assert skipped == []
        state = bench.meters.state().items()
        counts = [n for name, (_, n) in state if name.startswith("class_accuracy.real_train#")]
        assert sum(counts) == labeled
        assert (bench.meters.means()["discriminator"]["class_real"] > 0) == (labeled > 0)
