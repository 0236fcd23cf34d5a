"""Whose folder it is, and what a finished run leaves to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acgan.errors import DataError, UsageError
from acgan.model.model import load
from acgan.runs.config import RunConfig
from acgan.runs.folder import RunFolder

TinyConfig = Callable[..., RunConfig]
Train = Callable[..., Any]


def test_a_strangers_folder_is_refused_and_left_alone(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / ".tmp-mine").write_text("looks like a leftover of ours")
    with pytest.raises(UsageError, match=r"is not an acgan run.*--run"):
        train_tiny(tmp_path, tiny_config())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-mine", "thesis.txt"]


def test_a_file_in_the_way_is_refused(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train
) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="is not an acgan run"):
        train_tiny(tmp_path / "run", tiny_config())


@pytest.mark.slow
def test_an_empty_folder_and_a_start_that_was_cut_short_are_taken(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, straight: Any, content: Any
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "split.json").write_text("{}")
    (tmp_path / "cut" / ".lock").write_text("")
    (tmp_path / "cut" / ".tmp-0123456789abcdef").write_text("half a config")
    for name in ("empty", "cut"):
        train_tiny(tmp_path / name, tiny_config())
        assert content(tmp_path / name) == content(straight(tiny_config()))


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("config.json", "{", DataError),
        ("config.json", '{"recipe": "tiny", "fantasy": 1}', UsageError),
        ("split.json", "[]", DataError),
        ("environment.json", "\x00", DataError),
    ],
)
def test_a_damaged_file_gets_its_sentence(
    name: str,
    text: str,
    error: type[Exception],
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    finished: Any,
) -> None:
    finished(tiny_config())
    (tmp_path / "run" / name).write_text(text)
    with pytest.raises(error) as caught:
        train_tiny(tmp_path / "run", tiny_config())
    assert str(tmp_path / "run") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("config.json", {"optimizer": {"generator_rate": 1e-3}}, "an older version of acgan"),
        ("environment.json", {"choices": {"device": "cpu"}}, "has the format of another version"),
        ("environment.json", {"execution": {"kind": "cpu"}}, "has the format of another version"),
    ],
    ids=["config", "environment", "execution"],
)
def test_files_of_an_older_format_are_refused_by_a_sentence(
    name: str,
    values: dict[str, Any],
    words: str,
    tmp_path: Path,
    tiny_config: TinyConfig,
    train_tiny: Train,
    finished: Any,
) -> None:
    finished(tiny_config())
    path = tmp_path / "run" / name
    old = values if name == "environment.json" else json.loads(path.read_text()) | values
    path.write_text(json.dumps(old))
    with pytest.raises(UsageError, match=rf"{words}.*--run"):
        train_tiny(tmp_path / "run", tiny_config())


def test_a_shortened_log_is_not_gone_on_with(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, finished: Any
) -> None:
    finished(tiny_config())
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    with pytest.raises(Exception, match="something else has shortened it"):
        train_tiny(tmp_path / "run", tiny_config(training={"total_images": 300}))


@pytest.mark.slow
def test_a_finished_run_leaves_its_pictures(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, finished: Any
) -> None:
    finished(tiny_config())
    run = train_tiny(tmp_path / "run", tiny_config(), summary=True)
    assert run.summary.keys() == {"last grid", "first and last", "curves", "trajectory"}
    for path in run.summary.values():
        with Image.open(path) as picture:
            assert min(picture.size) > 10
    with Image.open(run.summary["trajectory"]) as animation:
        assert animation.n_frames == 4  # type: ignore[attr-defined]  # at 0, 64, 128, 192 images
    grids = sorted(path.name for path in (tmp_path / "run" / "samples").iterdir())
    assert grids == [*(f"{n:012d}.png" for n in (0, 64, 128, 192)), "real.png"]


@pytest.mark.slow
def test_pictures_that_a_person_removed_are_not_missed(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, finished: Any
) -> None:
    finished(tiny_config())
    (tmp_path / "run" / "samples" / "real.png").unlink()
    again = train_tiny(tmp_path / "run", tiny_config(), summary=True)
    assert "first and last" in again.summary
    for path in (tmp_path / "run" / "samples").iterdir():
        path.unlink()
    assert train_tiny(tmp_path / "run", tiny_config(), summary=True).summary.keys() == {"curves"}


@pytest.mark.slow
def test_the_model_carries_everything(tiny_config: TinyConfig, straight: Any) -> None:
    config = tiny_config(everything=True)
    run = straight(config)
    model = load(run)
    assert model.config == config
    assert model.images_seen == 192
    assert model.split == json.loads((run / "split.json").read_text())
    assert [c.name for c in model.classes] == ["bar", "cross", "ring"]
    assert model.sample("ring", count=3).shape == (3, 1, 8, 8)


def test_a_run_starts_from_a_finished_models_weights(
    tmp_path: Path, tiny_config: TinyConfig, train_tiny: Train, straight: Any
) -> None:
    model = load(straight(tiny_config()))
    config = tiny_config(
        init_from="0" * 64,
        optimizer={"generator_lr": 1e-12, "discriminator_lr": 1e-12},
        training={"total_images": 16, "ema_half_life_images": 0},
    )
    train_tiny(tmp_path / "second", config, init_from=model)
    second = load(tmp_path / "second")
    ours, theirs = second.generator.state_dict(), model.generator.state_dict()
    for name, parameter in second.generator.named_parameters():
        assert (parameter - theirs[name]).abs().max() < 1e-9, name
    assert ours.keys() == theirs.keys()
    for name, parameter in second.discriminator.named_parameters():
        assert (parameter - model.discriminator.state_dict()[name]).abs().max() < 1e-9, name


def test_reading_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).read(tmp_path / "config.json") is None
    assert not RunFolder(tmp_path).is_finished(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "total", "expected"),
    [(80, 192, [80, 160]), (None, 192, [*range(16, 193, 16)]), (None, 500, [])],
)
def test_small_budgets_have_20_rows_and_the_end_has_one(
    every: int | None,
    total: int,
    expected: list[int],
    tmp_path: Path,
    tiny_config: Any,
    train_tiny: Any,
    logged: Any,
) -> None:
    sections = {"reporting": {"log_every_images": every}, "training": {"total_images": total}}
    for _ in range(2):  # a complete run gets no further row
        end = train_tiny(tmp_path / "run", tiny_config(**sections)).images_seen
        images = [row["images"] for row in logged(tmp_path / "run").figures]
        assert images[: len(expected)] == expected
        assert len(images) >= min(20, total // 16) or every
        assert images[-1] == (end if every is None else expected[-1])
