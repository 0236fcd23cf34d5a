"""Exactness: a run that was stopped, killed or extended ends with the bytes of a straight one."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.data.images import DatasetSplits, LabeledImages
from acgan.errors import DataError, DiskError, UsageError
from acgan.runs.checkpoint import CheckpointStore
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder
from acgan.training import checkpoint_manager as keeper_module
from acgan.training.learner import Learner
from acgan.training.loop import Loop
from acgan.training.run_logger import RunLogger
from acgan.training.signals import InterruptedRunError
from acgan.training.state import Counters, Meters

Train = Callable[..., Any]
Content = Callable[[Path], dict[str, bytes]]
TinyConfig = Callable[..., RunConfig]


class Killed(BaseException):
    """Ends a run as SIGKILL does, as far as its files are concerned."""


def kill() -> None:
    raise Killed


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


MODES = {
    "fresh": {"everything": True},
    "shared": {"everything": True, "training": {"generator_batch": "shared"}},
    "two D steps": {
        "everything": True,
        "training": {"discriminator_steps": 2, "batch_size": 8, "fake_labels": "uniform"},
    },
    "linear schedule": {"everything": True, "optimizer": {"schedule": "linear", "decay_from": 0.3}},
    "spectral norm": {
        "everything": True,
        "discriminator": {"spectral_norm": True},
        "training": {"generator_batch": "shared", "fake_labels": "batch"},
    },
    "mirrored": {"training": {"horizontal_flip": "always"}},
    "fp32": {"training": {"ema_ramp": None, "ema_half_life_images": 0}},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "images"),
    # mid interval and at a checkpoint in turn
    [(mode, (80, 144)[index % 2]) for index, mode in enumerate(MODES.values())],
    ids=MODES,
)
def test_stopping_and_going_on_changes_nothing(
    images: int,
    mode: dict[str, Any],
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
) -> None:
    config = tiny_config(**mode)
    with pytest.raises(InterruptedRunError, match=f"stopped at {images}") as stopped:
        train_tiny(tmp_path / "stopped", config, recording().at(images, send(signal.SIGTERM)))
    assert stopped.value.exit_code == 143
    status = json.loads((tmp_path / "stopped" / "status.json").read_text())
    assert status == {"state": "stopped", "images_seen": images, "total_images": 192}
    display = recording()
    run = train_tiny(tmp_path / "stopped", config, display)
    assert run.resumed_at == images
    assert display.starts == [(192, images)]
    expected = content(straight(config))
    assert content(tmp_path / "stopped") == expected
    kinds = {name.split("/")[0] for name in expected}
    assert kinds >= {"metrics.jsonl", "samples", "model", "checkpoints", "status.json"}


@pytest.mark.slow
@pytest.mark.parametrize("images", [16, 48, 192], ids=["first step", "checkpoint", "last step"])
def test_a_kill_changes_nothing(
    images: int,
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
) -> None:
    config = tiny_config(everything=True)
    with pytest.raises(Killed):
        train_tiny(tmp_path / "killed", config, recording().at(images, kill))
    run = train_tiny(tmp_path / "killed", config)
    assert run.resumed_at == (images - 1) // 48 * 48
    assert content(tmp_path / "killed") == content(straight(config))


WRITERS: list[tuple[Any, str]] = [
    (RunFolder, "write"),
    (keeper_module, "save_model"),
    (RunLogger, "image"),
    (RunLogger, "row"),
    (CheckpointStore, "save"),
]


@pytest.fixture(scope="module")
def calls(straight: Any, tiny_config: TinyConfig) -> dict[str, int]:
    """How often a straight run calls each writer."""
    counts = dict.fromkeys((name for _, name in WRITERS), 0)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in WRITERS:
            real = getattr(owner, name)

            def counted(*args: Any, real: Any = real, name: str = name, **options: Any) -> Any:
                counts[name] += 1
                return real(*args, **options)

            patch.setattr(owner, name, counted)
        straight(tiny_config(training={"total_images": 96}), key="counted")
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("at", ["before the first", "after the last", "after the first"])
@pytest.mark.parametrize("writer", WRITERS, ids=[name for _, name in WRITERS])
def test_a_kill_around_any_write_changes_nothing(
    writer: tuple[Any, str],
    at: str,
    calls: dict[str, int],
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    content: Content,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first and the last of each: config.json, the first checkpoint, the end of the run."""
    config = tiny_config(training={"total_images": 96})
    real, made = getattr(*writer), [0]
    fatal = calls[writer[1]] if "last" in at else 1

    def counted(*args: Any, **options: Any) -> Any:
        made[0] += 1
        if made[0] == fatal and "before" in at:
            raise Killed
        result = real(*args, **options)
        if made[0] == fatal:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(*writer, counted)
        with pytest.raises(Killed):
            train_tiny(tmp_path / "killed", config)
    train_tiny(tmp_path / "killed", config)
    assert content(tmp_path / "killed") == content(straight(config))


@pytest.mark.slow
def test_what_is_seen_and_saved_between_does_not_shape_the_run(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train
) -> None:
    config = tiny_config(everything=True)
    often = tiny_config(
        everything=True,
        reporting={
            "log_every_images": 16,
            "grid_every_images": 16,
            "checkpoint_every_images": 16,
            "grid_columns": 4,
        },
    )
    train_tiny(tmp_path / "seldom", config)
    train_tiny(tmp_path / "often", often)
    assert tensors(tmp_path / "seldom").keys() == tensors(tmp_path / "often").keys()
    for name, tensor in tensors(tmp_path / "seldom").items():
        assert torch.equal(tensor, tensors(tmp_path / "often")[name]), name


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    state = CheckpointStore(folder / "checkpoints").newest()
    assert state is not None
    return dict(state.tensors)


@pytest.mark.slow
def test_raising_the_budget_of_a_finished_run_gives_the_straight_run(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
) -> None:
    short = tiny_config(everything=True, training={"total_images": 80})
    config = tiny_config(everything=True)
    assert train_tiny(tmp_path / "extended", short).images_seen == 80
    assert train_tiny(tmp_path / "extended", config).resumed_at == 80
    expected, extended = content(straight(config)), content(tmp_path / "extended")
    assert extended.pop("samples/000000000080.png"), "the sheet of the first end stays"
    assert extended == expected


def test_a_lower_budget_is_a_complete_run(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, finished: Any
) -> None:
    finished(tiny_config())
    run = train_tiny(tmp_path / "run", tiny_config(training={"total_images": 100}))
    assert (run.resumed_at, run.images_seen) == (192, 192)


@pytest.mark.slow
def test_the_linear_schedule_ends_at_zero_and_ties_the_run_to_its_budget(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    factors: list[float] = []
    monkeypatch.setattr(Learner, "set_rates", lambda self, factor: factors.append(factor))
    linear = {"schedule": "linear", "decay_from": 0.5}
    train_tiny(tmp_path / "run", tiny_config(optimizer=linear))
    assert factors == pytest.approx([1.0] * 7 + [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    longer = tiny_config(optimizer=linear, training={"total_images": 300})
    with pytest.raises(UsageError, match="total_images: 192 → 300"):
        train_tiny(tmp_path / "run", longer)


def test_starting_a_complete_run_again_changes_nothing(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    finished: Any,
    recording: Any,
    content: Content,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finished(tiny_config())
    before, events = content(tmp_path / "run"), list((tmp_path / "run/tensorboard").iterdir())
    monkeypatch.setattr(Loop, "run", lambda self: pytest.fail("it trains again"))
    display = recording()
    run = train_tiny(tmp_path / "run", tiny_config(), display)
    assert (run.resumed_at, run.images_seen) == (192, 192)
    assert content(tmp_path / "run") == before
    assert list((tmp_path / "run/tensorboard").iterdir()) == events
    assert display.messages == []


def test_a_removed_model_folder_comes_back(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, finished: Any, content: Content
) -> None:
    finished(tiny_config())
    before = content(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    train_tiny(tmp_path / "run", tiny_config())
    assert content(tmp_path / "run") == before


@pytest.mark.slow
def test_damaged_checkpoints_are_said_and_an_older_one_leads_to_the_same_end(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
) -> None:
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "run", tiny_config(), recording().at(160, send(signal.SIGINT)))
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        (path / "tensors.safetensors").write_bytes(b"damaged")
    display = recording()
    run = train_tiny(tmp_path / "run", tiny_config(), display)
    assert run.resumed_at == 0
    assert display.says("a damaged checkpoint is skipped", "tensors.safetensors")
    left, expected = content(tmp_path / "run"), content(straight(tiny_config()))
    stopped_at = "checkpoints/000000000160-r0/"
    assert {name: one for name, one in left.items() if not name.startswith(stopped_at)} == expected


def without_meters(self: Counters, state: Any) -> None:
    restore(self, state)
    self.meters = Meters()


restore = Counters.restore


def without_moments(self: Learner, saved: dict[str, torch.Tensor]) -> None:
    restore_learner(self, {k: v for k, v in saved.items() if not k.startswith("optimizer.")})


def without_average(self: Learner, saved: dict[str, torch.Tensor]) -> None:
    restore_learner(self, saved)
    self.average.generator.load_state_dict(self.generator.state_dict())


restore_learner = Learner.restore


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ((Counters, "restore"), without_meters),
        ((Learner, "restore"), without_moments),
        ((Learner, "restore"), without_average),
    ],
    ids=["without meters", "without moments", "without average"],
)
def test_a_resume_that_forgets_something_is_found(
    target: tuple[Any, str],
    wrong: Callable[..., None],
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(everything=True)
    expected = content(straight(config))
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "stopped", config, recording().at(80, send(signal.SIGTERM)))
    monkeypatch.setattr(*target, wrong)
    train_tiny(tmp_path / "stopped", config)
    assert content(tmp_path / "stopped") != expected


@pytest.mark.slow
def test_the_seed_alone_decides(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, content: Content
) -> None:
    train_tiny(tmp_path / "first", tiny_config(everything=True))
    torch.manual_seed(12345)  # what went on before in the process does not matter
    train_tiny(tmp_path / "again", tiny_config(everything=True))
    train_tiny(tmp_path / "other", tiny_config(everything=True, seed=2))
    assert content(tmp_path / "first") == content(tmp_path / "again")
    first, other = tensors(tmp_path / "first"), tensors(tmp_path / "other")
    assert not torch.equal(first["generator.to_image.weight"], other["generator.to_image.weight"])


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"seed": 2}, "seed: 1 → 2"),
        ({"training": {"batch_size": 8}}, "training.batch_size: 16 → 8"),
        ({"optimizer": {"beta1": 0.0}}, "optimizer.beta1: 0.5 → 0.0"),
        ({"execution": {"precision": "bf16"}}, "execution.precision: fp32 → bf16"),
    ],
)
def test_another_configuration_is_refused_with_the_difference(
    change: dict[str, Any],
    shown: str,
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    finished: Any,
    content: Content,
) -> None:
    finished(tiny_config())
    before = content(tmp_path / "run")
    with pytest.raises(UsageError, match=shown) as refused:
        train_tiny(tmp_path / "run", tiny_config(**change))
    assert refused.value.exit_code == 2
    assert "--run" in str(refused.value)
    assert content(tmp_path / "run") == before


@pytest.mark.slow
def test_another_logging_interval_is_no_other_run(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, recording: Any
) -> None:
    with pytest.raises(InterruptedRunError):
        train_tiny(tmp_path / "run", tiny_config(), recording().at(64, send(signal.SIGTERM)))
    display = recording()
    train_tiny(tmp_path / "run", tiny_config(reporting={"log_every_images": 16}), display)
    assert [row["images"] for row in display.rows] == [80, 96, 112, 128, 144, 160, 176, 192]
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["reporting"]["log_every_images"] == 16


def test_changed_data_are_refused(
    tmp_path: Path,
    tiny_config: TinyConfig,
    tiny_splits: DatasetSplits,
    train_tiny: Train,
    finished: Any,
) -> None:
    finished(tiny_config())
    images = tiny_splits.train.images.copy()
    images[5, 0, 3, 3] ^= 1
    train = LabeledImages(images, tiny_splits.train.labels, tiny_splits.classes)
    other = DatasetSplits("shapes", train, tiny_splits.validation, tiny_splits.test)
    with pytest.raises(DataError, match="was started with other data"):
        train_tiny(tmp_path / "run", tiny_config(), splits=other)


@pytest.mark.slow
def test_a_second_signal_stops_at_once(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path / "run", tiny_config(), recording().at(80, twice))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train_tiny(tmp_path / "run", tiny_config())
    assert content(tmp_path / "run") == content(straight(tiny_config()))


@pytest.mark.slow
def test_a_signal_at_the_last_step_lets_the_run_end(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, recording: Any
) -> None:
    run = train_tiny(tmp_path / "run", tiny_config(), recording().at(192, send(signal.SIGINT)))
    assert run.images_seen == 192


@pytest.mark.slow
def test_it_trains_in_a_thread_and_leaves_signals_alone(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    straight: Any,
    recording: Any,
    content: Content,
) -> None:
    """As in a notebook's background job, where Python allows no signal handlers."""
    handlers: list[Any] = []
    display = recording().at(96, lambda: handlers.append(signal.getsignal(signal.SIGINT)))
    thread = threading.Thread(target=train_tiny, args=(tmp_path / "thread", tiny_config(), display))
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
    assert content(tmp_path / "thread") == content(straight(tiny_config()))


@pytest.mark.slow
@pytest.mark.parametrize("images", [16, 64, 96], ids=["step", "grid", "row and checkpoint"])
@pytest.mark.parametrize("moved", [False, True], ids=["removed", "moved"])
def test_a_run_folder_that_disappears_ends_the_run(
    moved: bool,
    images: int,
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    recording: Any,
) -> None:
    """It is not created again without its other files; a moved run goes on at its new place."""
    run, aside = tmp_path / "run", tmp_path / "aside"

    def lose() -> None:
        run.rename(aside)
        if not moved:
            shutil.rmtree(aside)

    with pytest.raises(DiskError, match="was removed or moved while") as lost:
        train_tiny(run, tiny_config(), recording().at(images, lose))
    assert str(run) in str(lost.value)
    assert not run.exists()
    if moved:
        assert train_tiny(aside, tiny_config()).images_seen == 192


@pytest.mark.slow
def test_a_changed_log_is_refused_and_a_repeat_from_an_earlier_checkpoint_mends_it(
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    recording: Any,
    straight: Any,
    content: Content,
) -> None:
    config, run = tiny_config(), tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        train_tiny(run, config, recording().at(144, send(signal.SIGTERM)))
    log = run / "metrics.jsonl"
    whole = bytearray(log.read_bytes())
    lines = log.read_bytes().splitlines(keepends=True)
    whole[sum(map(len, lines[:3])) + 12] ^= 1  # a digit of the fourth row
    log.write_bytes(whole)
    with pytest.raises(DiskError, match=r"metrics.jsonl has changed since the last checkpoint"):
        train_tiny(run, config)
    assert log.read_bytes() == whole
    for checkpoint in CheckpointStore(run / "checkpoints").list():
        if checkpoint.images_seen > 96:
            shutil.rmtree(checkpoint.path)
    train_tiny(run, config)
    assert content(run) == content(straight(config))
