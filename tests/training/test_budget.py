"""Budgets, devices, and what is decided once at the first start of a run."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, final

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acgan.errors import UsageError
from acgan.execution import execution as device_module
from acgan.execution.execution import (
    CPU_LEVELS,
    Execution,
    ExecutionConfig,
    check_present,
    choose_execution,
    cpu_level,
)
from acgan.runs.config import OptimizerConfig, ReportingConfig, RunConfig, TrainingConfig
from acgan.runs.environment import describe_environment
from acgan.runs.folder import RunFolder
from acgan.training import budget as budget_module
from acgan.training import run as run_module
from acgan.training import start as start_module
from acgan.training.budget import (
    MAX_SECONDS,
    Rate,
    describe_training,
    least_useful_budget,
    measure_rate,
    measuring_seconds,
    rates_by_threads,
    total_images,
)
from acgan.training.learner import schedule_factor

TinyConfig = Callable[..., RunConfig]
Train = Callable[..., Any]
EVERY = ReportingConfig(
    log_every_images=4_000, grid_every_images=20_000, checkpoint_every_images=20_000
)


def test_images_and_epochs_are_counted_in_images() -> None:
    assert total_images(TrainingConfig(total_images=5), 100) == 5
    assert total_images(TrainingConfig(total_epochs=3), 100) == 300
    assert total_images(TrainingConfig(max_minutes=3), 100) is None


def test_minutes_become_images_by_hand() -> None:
    rate = Rate(1000.0, (0.4, 2.0, 6.0), 1.0)
    # 1 ms an image, and .1 ms each for rows and sheets, .3 ms for checkpoints; a grid and a
    # checkpoint at the start and at the end
    assert rate.images_in(16.0 + 15.0, EVERY) == 10_000
    assert rate.seconds(1000, EVERY) == pytest.approx(1.5)
    assert rate.images_in(-5.0, EVERY) == 1
    # without a set interval there are at least 20 rows: 8 s of the 31 s
    default = EVERY.model_copy(update={"log_every_images": None})
    assert rate.images_in(16.0 + 15.0, default) == int((15 - 20 * 0.4) / 0.0014)
    assert rate.images_in(16.0 + 1500.0, default) == 1_000_000
    assert rate.seconds(5_000, default) == pytest.approx(5_000 * 0.0014 + 20 * 0.4)


@given(st.integers(1, 10**7))
def test_every_budget_has_20_rows_as_far_as_it_has_steps(total: int) -> None:
    interval = ReportingConfig().row_interval(total)
    assert 1 <= interval <= 4_000
    assert total // interval >= min(total, 20)
    assert ReportingConfig(log_every_images=7).row_interval(total) == 7


@given(st.floats(1, 1e5), st.floats(0, 1e4), st.sampled_from([None, 4_000]))
def test_a_budget_takes_the_time_that_it_is_for(
    speed: float, seconds: float, log_every: int | None
) -> None:
    rate = Rate(speed, (0.1, 0.5, 0.5), 0.0)
    every = EVERY.model_copy(update={"log_every_images": log_every})
    images = rate.images_in(seconds + 2.0, every)  # 2 s for the start and the end
    slack = 0.0 if log_every else 1.0  # the interval is a whole number of images
    assert images == 1 or rate.seconds(images, every) <= seconds * (1 + 1e-9) + slack + 1e-9
    # 20 rows are reckoned with, also where there are fewer images
    assert images < 20 or rate.seconds(images + 1, every) > seconds * (1 - 1e-9) - slack - 1e-9


@final
class Machine:
    """A fake clock, and steps of 64 images whose seconds depend on the number of threads.

    Args:
        seconds: of a step, by threads.
        first: further seconds of the first step with a number of threads.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, seconds: Mapping[int, float], first: float = 0.0
    ) -> None:
        self.now, self.steps = 0.0, Counter[int]()
        self._seconds, self._first, self._threads = seconds, first, 0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(torch, "set_num_threads", self._set)

    def _set(self, threads: int) -> None:
        self._threads = threads

    def step(self) -> int:
        self.steps[self._threads] += 1
        first = self._first if self.steps[self._threads] == 1 else 0.0
        self.now += self._seconds[self._threads] + first
        return 64


def test_rates_are_measured_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {1: 0.05, 2: 0.025}, first=3.0)
    assert rates_by_threads(machine.step, [1, 2], 20.0) == pytest.approx({1: 1280, 2: 2560})
    assert machine.now <= 20.0


def test_a_cold_step_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {1: 0.1, 2: 0.2}, first=1.0)
    assert rates_by_threads(machine.step, [1, 2], 1.25)[1] == pytest.approx(640)


def test_what_is_clearly_slower_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {1: 0.1, 2: 2.0})
    rates_by_threads(machine.step, [1, 2], 5.0)
    assert machine.steps[2] == 2, "a cold step and a warm one"
    assert machine.steps[1] > 5


TIMES = st.floats(1e-3, 50)


@given(
    st.lists(TIMES, min_size=1, max_size=5),
    st.floats(0.01, 10),
    st.none() | st.integers(64, 1_000_000),
)
def test_measuring_takes_a_tenth_of_a_budget_and_chooses_no_slow_number(
    times: list[float], minutes: float, images: int | None
) -> None:
    seconds = {2**power: each for power, each in enumerate(times)}
    with pytest.MonkeyPatch.context() as monkeypatch:
        machine = Machine(monkeypatch, seconds)
        limit = measuring_seconds(minutes if images is None else None)
        rates = rates_by_threads(machine.step, list(seconds), limit, images=images)
    measured = [seconds[threads] for threads in rates]
    # The limit follows from the fastest rate so far, which is at least that of one thread. A step
    # may begin just before the end, and two steps with one thread always run.
    budget = 60 * minutes if images is None else images / 64 * times[0]
    limit = min(MAX_SECONDS, 0.1 * budget)
    assert machine.now <= max(limit + max(measured), 2 * times[0]) + 1e-9
    assert rates == pytest.approx({threads: 64 / seconds[threads] for threads in rates})
    by_threads = {str(threads): rate for threads, rate in rates.items()}
    best = Rate(1.0, (0, 0, 0), 0.0, by_threads).best_threads
    assert rates[best] >= 0.9 * rates[1]
    assert rates[best] >= 0.9 * max(rates.values())


@given(st.floats(0, 30), st.floats(0.01, 1), st.floats(0, 5), st.floats(0.05, 10))
def test_building_the_networks_is_part_of_the_measuring(
    build: float, step: float, events: float, minutes: float
) -> None:
    """Of a minute, 2.3 s of building and 3.7 s of steps; at least half of the time is for steps."""
    limit = measuring_seconds(minutes)
    with pytest.MonkeyPatch.context() as monkeypatch:
        machine = Machine(monkeypatch, {1: step, 2: step})
        loop = SimpleNamespace(images_seen=0)

        def train_once() -> None:
            loop.images_seen += machine.step()

        def time_events() -> tuple[float, float, float]:
            machine.now += events
            return events, 0.0, 0.0

        @contextmanager
        def built(*_: object, **__: object) -> Iterator[Any]:
            machine.now += build
            yield loop

        loop.train_once, loop.time_events = train_once, time_events
        monkeypatch.setattr(budget_module, "throwaway_loop", built)
        nothing = cast(Any, SimpleNamespace(training=TrainingConfig(max_minutes=minutes), train=[]))
        rate = measure_rate(nothing, nothing, nothing, limit, counts=[1, 2], beside=Path())
    assert rate.measuring_seconds == pytest.approx(machine.now)
    for_steps = max(limit - build, limit / 2)
    assert machine.now - build <= max(for_steps + step, 2 * step) + events + 1e-9
    if build <= limit / 2 and events == 0:
        assert machine.now <= max(limit, build + step) + step + 1e-9
    assert machine.steps[1] + machine.steps[2] >= min(10, int(for_steps / step) - 2)


def test_measuring_takes_a_small_part_of_a_budget() -> None:
    assert measuring_seconds(0.1) == pytest.approx(0.6)
    assert measuring_seconds(0.5) == pytest.approx(3.0)
    assert measuring_seconds(600) == measuring_seconds(None) == MAX_SECONDS


def test_a_budget_below_one_pass_or_10_000_images_is_small() -> None:
    assert (least_useful_budget(60_000), least_useful_budget(50)) == (60_000, 10_000)
    text = describe_training(256, 60_000, 300_000, too_little=True)
    assert text == (
        "too little training: 256 images, 0.0043 passes over 60,000 training images, "
        "0.085 % of the recipe's 300,000"
    )
    assert describe_training(1, 1, too_little=False) == (
        "training: 1 image, 1 passes over 1 training image"
    )


@given(st.integers(0, 10_000), st.floats(0, 0.99))
def test_the_linear_schedule(seen: int, decay_from: float) -> None:
    linear = OptimizerConfig(schedule="linear", decay_from=decay_from)
    factor = schedule_factor(linear, seen, 10_000)
    expected = (10_000 - seen) / (10_000 * (1 - decay_from))
    assert factor == pytest.approx(min(1.0, expected))
    assert schedule_factor(linear, seen, 0) == 1.0, "a budget that is still to be measured"
    assert schedule_factor(OptimizerConfig(), seen, 10_000) == 1.0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acgan.training.start.measuring_seconds", lambda minutes: 0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_minutes_are_measured_once_and_kept(
    schedule: str,
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = {"total_images": None, "max_minutes": 0.05}
    config = tiny_config(training=training, optimizer={"schedule": schedule})
    display = recording()
    first = train_tiny(tmp_path / "run", config, display)
    assert display.says(
        "0.05 minutes are", "images/s", "s are left for training", "building and measuring"
    )
    budget = (tmp_path / "run" / "budget.json").read_bytes()
    assert json.loads(budget)["images_per_second"] > 0
    assert not list((tmp_path / "run").glob(".tmp-*")), "the throw-away run is gone"
    monkeypatch.setattr(
        start_module, "measure_rate", lambda *_, **__: pytest.fail("measured again")
    )
    again = train_tiny(tmp_path / "run", config)
    assert again.images_seen == again.resumed_at == first.images_seen
    assert (tmp_path / "run" / "budget.json").read_bytes() == budget


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_measuring_does_not_shape_the_run(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, content: Any
) -> None:
    minutes = tiny_config(training={"total_images": None, "max_minutes": 0.02})
    images_seen = train_tiny(tmp_path / "minutes", minutes).images_seen
    images = tiny_config(training={"total_images": images_seen})
    train_tiny(tmp_path / "images", images)
    ours, theirs = content(tmp_path / "minutes"), content(tmp_path / "images")
    same = [name for name in theirs if name.startswith(("checkpoints", "samples", "metrics"))]
    assert len(same) > 5
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(device_module, "_has", lambda device: device in there)
    monkeypatch.setattr(device_module, "fast_bfloat16", lambda device: device == "cuda")
    assert choose_execution(ExecutionConfig()).device == "cpu"
    there.add("mps")
    assert (
        choose_execution(ExecutionConfig()).device,
        choose_execution(ExecutionConfig()).precision,
    ) == (
        "mps",
        "fp32",
    )
    there.add("cuda")
    execution = choose_execution(ExecutionConfig())
    assert (execution.device, execution.precision, execution.channels_last) == (
        "cuda",
        "bf16",
        True,
    )
    assert choose_execution(ExecutionConfig(device="cpu")).device == "cpu"


AMX_MACHINE = {
    "": "AVX512_CORE_AMX",
    "ALL": "AVX512_CORE_AMX",
    "AVX10_1_512_AMX": "AVX512_CORE_AMX",
    "AVX512_CORE_AMX": "AVX512_CORE_AMX",
    "AVX512_CORE_FP16": "AVX512_CORE_BF16",
    "AVX512_CORE_BF16": "AVX512_CORE_BF16",
    "AVX512_CORE_VNNI": "AVX512_CORE",
    "AVX512_CORE": "AVX512_CORE",
    "avx2": "AVX2",
    "AVX2_VNNI_2": "AVX2",
    "SSE41": None,
}


@pytest.mark.parametrize("has", range(5))
@pytest.mark.parametrize("limit", AMX_MACHINE)
@pytest.mark.parametrize("aten", ["", "avx512", "avx2", "default"])
def test_the_processor_level_respects_the_limits_of_the_libraries(
    has: int, limit: str, aten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("avx2", "avx512", "avx512_bf16", "amx_tile")
    for index, name in enumerate(names):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda yes=index < has: yes)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", aten)
    order = (None, *CPU_LEVELS)
    allowed = {"avx2": "AVX2", "default": None}.get(aten, CPU_LEVELS[-1])
    expected = min(order[has], AMX_MACHINE[limit], allowed, key=order.index)
    assert cpu_level() == expected
    execution = choose_execution(ExecutionConfig(device="cpu"))
    bf16 = expected in ("AVX512_CORE_BF16", "AVX512_CORE_AMX")
    assert execution.precision == ("bf16" if bf16 else "fp32")
    assert execution.channels_last == (bf16 or expected == "AVX2")


def test_what_is_asked_for_is_taken() -> None:
    config = ExecutionConfig(device="cpu", precision="bf16", threads=3, memory_format="contiguous")
    assert choose_execution(config) == Execution("cpu", "bf16", 3, channels_last=False)
    assert choose_execution(ExecutionConfig(device="cpu")).threads == torch.get_num_threads()


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "_has", lambda _: False)
    with pytest.raises(UsageError, match=rf"no {device} device, but cpu; .*--device"):
        check_present(device)


def test_images_are_placed_in_the_chosen_layout() -> None:
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    placed = Execution("cpu", "fp32", 1, channels_last=True).place(images)
    assert placed.is_contiguous(memory_format=torch.channels_last)
    assert Execution("cpu", "fp32", 1, channels_last=False).place(placed).is_contiguous()


@pytest.mark.slow
def test_a_changed_environment_is_said_and_its_choices_kept(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(execution={"precision": "auto", "threads": None})
    train_tiny(tmp_path / "run", config)
    written = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert written["environment"] == describe_environment()
    elsewhere = {**describe_environment(), "torch": "9.9"}
    monkeypatch.setattr(start_module, "describe_environment", lambda: elsewhere)
    monkeypatch.setattr(start_module, "choose_execution", lambda _: pytest.fail("decided again"))
    display = recording()
    train_tiny(tmp_path / "run", config, display)
    assert display.says("the environment differs", f"torch: {torch.__version__} → 9.9")
    assert json.loads((tmp_path / "run" / "environment.json").read_text()) == written


@pytest.mark.slow
def test_an_estimate_is_said_at_the_first_start_only(
    tmp_path: Path, tiny_config: TinyConfig, tiny_splits: Any, recording: Any, train_tiny: Train
) -> None:
    for expected in (True, False):
        display = recording()
        folder = RunFolder(tmp_path / "run")
        run_module.run_training(tiny_config(), tiny_splits, folder, display, estimate=True)
        assert display.says("192 images will take about") == expected


@pytest.mark.parametrize(
    ("two", "best"), [(100.0, 1), (104.0, 1), (106.0, 2), (200.0, 2), (400.0, 2)]
)
def test_more_threads_must_be_faster_by_a_twentieth(two: float, best: int) -> None:
    assert Rate(two, (0, 0, 0), 0.0, {"1": 100.0, "2": two}).best_threads == best
