"""Compiled networks take the same steps, as far as rounding allows, and the choice is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest
import torch

from acgan.data.images import DatasetSplits
from acgan.errors import UsageError
from acgan.execution import execution as device_module
from acgan.execution.execution import Execution, ExecutionConfig, choose_execution
from acgan.runs.config import RunConfig

from .helpers import Bench

# Dynamo asks every input for its gradient; it hides torch's warning about it, but not an error.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")

Values = dict[str, torch.Tensor]


def steps(config: RunConfig, splits: DatasetSplits, count: int) -> Values:
    """All weights, buffers and moments after ``count`` iterations."""
    bench = Bench(config, splits)
    for _ in range(count):
        bench.iterate()
    return bench.learner.tensors()


def assert_alike(config: Callable[..., RunConfig], splits: DatasetSplits, **sections: Any) -> None:
    eager = steps(config(**sections), splits, 3)
    compiled = steps(config(**sections, execution={"compile": "always"}), splits, 3)
    assert compiled.keys() == eager.keys(), "a compiled network's weights keep their names"
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
def test_compiled_graphs_take_the_same_steps(
    tiny_config: Callable[..., RunConfig],
    tiny_splits: DatasetSplits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Graphs are captured in full, and run without the compiler, which takes half a minute.

    R1 differentiates twice, which compiled graphs cannot: it calls the network itself.
    """
    captured: list[object] = []

    def run_as_it_is(graph: torch.fx.GraphModule, _inputs: object) -> Callable[..., Any]:
        captured.append(graph)
        return graph.forward

    compile_ = partial(torch.compile, backend=run_as_it_is, fullgraph=True)
    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.setattr(device_module, "check_compiler", lambda device: None)
    r1 = [{"name": "r1", "gamma": 0.1, "interval_steps": 2}]
    assert_alike(tiny_config, tiny_splits, regularizers=r1)
    # G without and with gradients; D learning, and frozen while G learns.
    assert len(captured) == 4


@pytest.mark.full
@pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++"))), reason="there is no C++ compiler here"
)
def test_the_real_compiler_takes_the_same_steps(
    tiny_config: Callable[..., RunConfig], tiny_splits: DatasetSplits
) -> None:
    assert_alike(tiny_config, tiny_splits)


def test_nothing_is_compiled_unless_asked(tiny_config: Callable[..., RunConfig]) -> None:
    assert not choose_execution(ExecutionConfig(device="cpu")).compile
    assert not choose_execution(ExecutionConfig(device="cpu", compile="never")).compile
    network = torch.nn.Linear(2, 2)
    assert Execution("cpu", "fp32", 1, channels_last=False).compiled(network) is network


def test_a_run_from_before_the_choice_existed_goes_on_without_it() -> None:
    known = asdict(Execution("cpu", "fp32", 1, channels_last=False, compile=True))
    assert Execution(**known).compile
    del known["compile"]
    assert not Execution(**known).compile


@pytest.mark.parametrize(("device", "wanted"), [("cpu", r"g\+\+"), ("cuda", "triton")])
def test_a_missing_compiler_is_said(
    device: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(device_module, "check_present", lambda device: None)
    sentence = rf"compile=always needs .*{wanted}.*set execution.compile to auto"
    with pytest.raises(UsageError, match=sentence):
        choose_execution(ExecutionConfig(device=device, precision="fp32", compile="always"))
    with pytest.raises(UsageError, match=sentence):
        Execution(device, "fp32", 1, channels_last=False, compile=True).apply()
    assert choose_execution(ExecutionConfig(device=device, precision="fp32")).device == device
