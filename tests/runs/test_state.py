"""A restored optimizer goes on bit for bit: its moments lie in memory as its parameters do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from acgan.errors import UsageError
from acgan.runs.checkpoint import CheckpointStore, TrainingState
from acgan.runs.state import load_module, load_optimizer, module_tensors, optimizer_tensors


class Trainee:
    """A small network in channels-last layout under fused Adam, fed with batches of its own."""

    def __init__(self, fused: bool = True) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.2),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 4, 3, stride=2)),
            nn.Flatten(),
            nn.Linear(36, 5),
        ).to(memory_format=torch.channels_last)
        groups = [
            {"params": list(self.network[3:].parameters()), "lr": 1e-2},
            {"params": list(self.network[:3].parameters()), "lr": 1e-3},
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.5, 0.99), fused=fused)

    def train(self, steps: range) -> None:
        for step in steps:
            generator = torch.Generator().manual_seed(step)
            images = torch.randn(6, 3, 8, 8, generator=generator)
            with torch.autocast("cpu", torch.bfloat16):
                loss = self.network(images.to(memory_format=torch.channels_last)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        return {
            **module_tensors("network", self.network),
            **optimizer_tensors("optimizer", self.network, self.optimizer),
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        load_module("network", self.network, tensors)
        load_optimizer("optimizer", self.network, self.optimizer, tensors)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def saved_after(steps: int, folder: Path, *, fused: bool = True) -> dict[str, Tensor]:
    trainee = Trainee(fused)
    trainee.train(range(steps))
    store = CheckpointStore(folder)
    state = TrainingState(trainee.tensors(), {"images_seen": steps, "retry": 0})
    store.save(state, scheduled=True, milestone=False)
    found = store.newest()
    assert found is not None
    return dict(found.tensors)


def differing(one: Trainee, other: Trainee) -> list[str]:
    ours, theirs = one.tensors(), other.tensors()
    assert ours.keys() == theirs.keys()
    return [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]


def restore_moments_contiguous(trainee: Trainee, tensors: dict[str, Tensor]) -> None:
    """The wrong way that is easy to write: moments in the layout of the file."""
    trainee.restore(tensors)
    for name, parameter in trainee.network.named_parameters():
        for key in ("exp_avg", "exp_avg_sq"):
            trainee.optimizer.state[parameter][key] = tensors[f"optimizer.{name}.{key}"].clone()


@pytest.mark.parametrize("fused", [True, False])
def test_three_steps_and_three_after_a_restore_are_six(tmp_path: Path, fused: bool) -> None:
    whole, resumed = Trainee(fused), Trainee(fused)
    whole.train(range(6))
    resumed.restore(saved_after(3, tmp_path, fused=fused))
    resumed.train(range(3, 6))
    assert differing(whole, resumed) == []


def test_contiguous_moments_would_go_another_way(tmp_path: Path) -> None:
    whole, wrong = Trainee(), Trainee()
    whole.train(range(6))
    restore_moments_contiguous(wrong, saved_after(3, tmp_path))
    wrong.train(range(3, 6))
    assert "network.0.weight" in differing(whole, wrong)


def test_moments_are_laid_out_as_their_parameters(tmp_path: Path) -> None:
    trained, restored = Trainee(), Trainee()
    trained.train(range(1))
    restored.restore(saved_after(1, tmp_path))
    for old, new in zip(trained.network.parameters(), restored.network.parameters(), strict=True):
        for key, value in trained.optimizer.state[old].items():
            again = restored.optimizer.state[new][key]
            assert (again.stride(), again.dtype) == (value.stride(), value.dtype)
    assert not next(restored.network.parameters()).is_contiguous()


def test_a_restore_drops_what_was_there(tmp_path: Path) -> None:
    fresh, later = Trainee(), Trainee()
    start = saved_after(0, tmp_path)
    later.train(range(2))
    later.restore(start)
    assert differing(fresh, later) == []
    fresh.train(range(2))
    later.train(range(2))
    assert differing(fresh, later) == []


def test_restored_memory_is_the_modules_own(tmp_path: Path) -> None:
    trainee = Trainee()
    tensors = saved_after(2, tmp_path)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    trainee.restore(tensors)
    trainee.train(range(2))
    assert [name for name in tensors if not torch.equal(tensors[name], before[name])] == []


def test_a_misfit_is_said_and_nothing_is_copied(tmp_path: Path) -> None:
    tensors = saved_after(1, tmp_path)
    weight = "network.0.weight"
    misfits = {
        f"{weight} is missing": {name: t for name, t in tensors.items() if name != weight},
        "network.more": {**tensors, "network.more": torch.zeros(1)},
        f"{weight} is": {**tensors, weight: torch.zeros(1)},
    }
    untouched = Trainee()
    for message, wrong in misfits.items():
        trainee = Trainee()
        with pytest.raises(UsageError, match=message):
            load_module("network", trainee.network, wrong)
        assert differing(trainee, untouched) == []


def test_moments_of_another_network_are_refused(tmp_path: Path) -> None:
    tensors = saved_after(1, tmp_path)
    trainee, untouched = Trainee(), Trainee()
    trainee.restore(tensors)
    untouched.restore(tensors)
    misfits = {
        "no parameter": {**tensors, "optimizer.other.exp_avg": torch.zeros(1)},
        "optimizer.0.weight.exp_avg is": {**tensors, "optimizer.0.weight.exp_avg": torch.zeros(1)},
    }
    for message, wrong in misfits.items():
        with pytest.raises(UsageError, match=message):
            load_optimizer("optimizer", trainee.network, trainee.optimizer, wrong)
        assert differing(trainee, untouched) == []


def test_what_cannot_be_named_is_refused() -> None:
    trainee, other = Trainee(), nn.Linear(2, 2)
    with pytest.raises(ValueError, match="not of this module"):
        optimizer_tensors("optimizer", other, trainee.optimizer)
    trainee.train(range(1))
    trainee.optimizer.state[next(trainee.network.parameters())]["step"] = 1
    with pytest.raises(ValueError, match="not a tensor"):
        optimizer_tensors("optimizer", trainee.network, trainee.optimizer)
