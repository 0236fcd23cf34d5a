"""Windows, macOS and MPS, simulated as far as Linux can; processes started by ``spawn``."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from acgan.cli.main import execute
from acgan.data.images import checked_component, safe_component
from acgan.errors import UsageError
from acgan.execution.execution import ExecutionConfig, choose_execution
from acgan.model.model import Model, load
from acgan.storage.disk import is_device, require_windows_path

DEVICES = ("con", "PRN", "aux.tar", "nul", "NUL.txt", "com1", "LPT9.x.y", "Com¹")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acgan.storage.disk._WINDOWS", True)


def test_names_of_devices_become_other_folders() -> None:
    for name in DEVICES:
        assert is_device(name)
        assert not is_device(safe_component(name))
        with pytest.raises(ValueError, match="not a safe folder name"):
            checked_component(name)
    for name in ("console", "icon", "com", "com10", "a.con"):
        assert not is_device(name)
        assert checked_component(safe_component(name)) == name


@pytest.mark.parametrize("name", ["a.", "a ", "..", ".a", "", "a/b", "a\\b", "é" * 128, "a:b"])
def test_a_strangers_folder_name_is_refused_unless_every_system_takes_it(name: str) -> None:
    with pytest.raises(ValueError, match="not a safe folder name"):
        checked_component(name)
    assert checked_component(safe_component(name))


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("command", ["train digits --images 64 --run", "sample MODEL --out"])
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("con", "Windows takes 'con' for another name"),
        ("aux.zip", "Windows takes 'aux.zip' for another name"),
        ("runs./x", "Windows takes 'runs.' for another name"),
        ("x ", "Windows takes 'x ' for another name"),
        ("/".join(["a" * 100] * 3), "and Windows takes 259"),
    ],
)
def test_paths_that_windows_cannot_write_are_refused_before_anything_is_written(
    tiny_run: Path,
    command: str,
    path: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(tiny_run) if word == "MODEL" else word for word in command.split()]
    assert execute([*words, path]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert command.rsplit(maxsplit=1)[-1] in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("windows")
def test_long_paths_are_written_where_windows_allows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "/".join(["a" * 100] * 3)
    with pytest.raises(UsageError, match="enable long paths in Windows"):
        require_windows_path(path)
    require_windows_path(tmp_path, 259 - len(str(tmp_path)))
    with pytest.raises(UsageError, match="would have up to 260 characters"):
        require_windows_path(tmp_path, 260 - len(str(tmp_path)))
    monkeypatch.setattr("acgan.storage.disk._long_paths_enabled", lambda: True)
    require_windows_path(path)


def test_mps_is_used_in_fp32_and_refused_by_name_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for config in (ExecutionConfig(), ExecutionConfig(device="mps")):
        execution = choose_execution(config)
        assert (execution.device, execution.precision) == ("mps", "fp32")
        assert not execution.channels_last
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no mps device, but cpu; choose another with --device"):
        choose_execution(ExecutionConfig(device="mps"))


@pytest.mark.slow
def test_a_spawned_process_samples_the_same_bytes(tiny_run: Path, tmp_path: Path) -> None:
    """Windows and macOS start processes so: everything is imported again and arguments pickled."""
    model = load(tiny_run)
    line = ["sample", str(tiny_run), "--out", str(tmp_path / "x.npz")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        images = pool.apply(Model.sample, (model, "seven", 2))
        assert pool.apply(execute, (line,)) == 0
    np.testing.assert_array_equal(images, model.sample("seven", 2))
    with np.load(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], model.sample()[:, 0])
