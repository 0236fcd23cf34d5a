"""A start that is refused leaves the disk as it was, and the corrected command works."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from acgan.cli.main import execute
from acgan.errors import DataError, DiskError
from acgan.execution import execution as execution_module
from acgan.training import run as run_module
from acgan.training import start as start_module
from acgan.training.loop import Loop

Acgan = Callable[..., Any]
GOOD = (
    *("things", "--images", 16, "-o", "generator.widths=[8,8]", "-o", "generator.latent_size=8"),
    *("-o", "discriminator.layers=[{width=8,kernel=4,stride=2,norm=false}]"),
    *("-o", "training.batch_size=8", "--precision", "fp32"),
)
# What is wrong with a command, and its exit code.
WRONG: tuple[tuple[tuple[object, ...], int], ...] = (
    (("--device", "cuda"), 2),
    (("--device", "mps"), 2),
    (("--device", "tpu"), 2),
    (("-o", "execution.device=cuda"), 2),
    (("-o", "execution.compile=always"), 2),
    (("-o", "execution.compile=sometimes"), 2),
    (("-o", "execution.threads=0"), 2),
    (("-o", "trainign.batch_size=8"), 2),
    (("-o", "training.batch_sise=8"), 2),
    (("-o", "training.batch_size=64"), 2),
    (("-o", "reporting.grid_columns=none"), 2),
    (("--recipe", "smal-gray"), 2),
    (("--max-minutes", 1), 2),
    (("-o", "training.total_epochs=2"), 2),
    (("--init-from", "nowhere"), 2),
    (("--init-from", "things"), 2),
    (("--only-class", "teh"), 2),
    (("--seed", -1), 2),
    (("--image-size", 30), 2),
    (("--bad-files", "eat"), 2),
    (("-o", "generator.conditioning.mode=none"), 2),
    (("-o", "objective.source_loss=hinge", "-o", "objective.real_target=.9"), 2),
)
PLACES = ((), ("--run", "one"), ("--run", "new/deep/two"), ("--run", "empty"), ("--run=-x",))
SETS = ((), ("--classes-per-model", 2))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of twelve gray 8×8 images each, and an empty folder."""
    place = tmp_path_factory.mktemp("refused")
    random = np.random.default_rng(0)
    for name in ("cup", "jar", "lid", "pot"):
        (place / "things" / name).mkdir(parents=True)
        for index in range(12):
            pixels = random.integers(0, 255, (8, 8), np.uint8)
            Image.fromarray(pixels).save(place / "things" / name / f"{index}.png")
    (place / "empty").mkdir()
    return place


@pytest.fixture(autouse=True)
def bare_machine(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a CPU and without a compiler."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("ACGAN_CACHE", str(place / "cache"))
    monkeypatch.setattr(execution_module, "_has", lambda _device: False)
    monkeypatch.setattr("shutil.which", lambda _name: None)


def disk(place: Path) -> dict[str, bytes | None]:
    """Return every entry but the cache, and the content of each file."""
    entries = (path for path in place.rglob("*") if "cache" not in path.parts)
    return {str(path): path.read_bytes() if path.is_file() else None for path in entries}


def run_corrected(acgan: Acgan, *words: object) -> None:
    """Train with the corrected command; `acgan runs` lists its run only."""
    done = acgan("train", *GOOD, "--run", "runs/corrected", *words)
    assert done.code == 0, done.err
    states = [(run["name"], run["state"]) for run in json.loads(acgan("runs", "--json").out)]
    assert states == [("corrected", "complete")]


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(WRONG), st.sampled_from(PLACES), st.sampled_from(SETS))
def test_a_refused_command_leaves_the_disk_as_it_was(
    acgan: Acgan,
    place: Path,
    wrong: tuple[tuple[object, ...], int],
    run: tuple[object, ...],
    of_set: tuple[object, ...],
) -> None:
    before = disk(place)
    words, code = wrong
    done = acgan("train", *GOOD, *run, *of_set, *words)
    assert (done.code, done.err.count("Traceback")) == (code, 0), done.err
    assert disk(place) == before


def fail_in(module: Any, name: str, error: BaseException) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a patch by which a function raises."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(module, name, fail)

    return patch


LATE = {
    "weights of D's feature network are missing": (
        fail_in(run_module, "trained_feature_network", DataError("no weights")),
        3,
    ),
    "the disk is full while the speed is measured": (
        fail_in(start_module, "measure_rate", OSError(errno.ENOSPC, "full")),
        1,
    ),
    "Ctrl-C while the speed is measured": (
        fail_in(start_module, "measure_rate", KeyboardInterrupt()),
        130,
    ),
    "Ctrl-C before the first checkpoint": (fail_in(Loop, "run", KeyboardInterrupt()), 130),
}


@pytest.mark.slow
@pytest.mark.parametrize("of_set", SETS)
@pytest.mark.parametrize("what", LATE)
def test_a_start_that_fails_late_leaves_the_disk_as_it_was(
    acgan: Acgan, place: Path, monkeypatch: pytest.MonkeyPatch, what: str, of_set: tuple[Any, ...]
) -> None:
    before = disk(place)
    patch, code = LATE[what]
    patch(monkeypatch)
    done = acgan("train", *GOOD, *of_set, "--run", "new/run")
    assert done.code == code, done.err
    assert disk(place) == before


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(("open", "mkdir", "write")), st.integers(0, 12))
def test_a_disk_without_room_or_right_leaves_no_folder(
    acgan: Acgan, place: Path, call: str, allowed: int
) -> None:
    acgan("train", *GOOD, "--device", "cuda")  # the data is in the cache
    before, real, calls = disk(place), getattr(os, call), 0

    def fail(*words: Any, **options: Any) -> Any:
        nonlocal calls
        reads = call == "open" and words[1] & (os.O_WRONLY | os.O_RDWR) == 0
        if not reads and (call == "write" or "corrected" in str(words[0])):
            calls += 1
            if calls > allowed:
                raise OSError(errno.ENOSPC if call == "write" else errno.EACCES, "no")
        return real(*words, **options)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
        monkeypatch.setattr(os, call, fail)
        fail_in(Loop, "run", DiskError("the first checkpoint cannot be written"))(monkeypatch)
        done = acgan("train", *GOOD, "--run", "runs/corrected")
    assert (done.code, done.err.count("Traceback")) == (5, 0), done.err
    assert disk(place) == before


@pytest.mark.slow
@pytest.mark.parametrize("of_set", SETS)
def test_the_corrected_command_works_in_the_same_folder(
    acgan: Acgan,
    place: Path,
    of_set: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "things").symlink_to(place / "things")
    for words, _ in WRONG:
        assert acgan("train", *GOOD, "--run", "runs/corrected", *of_set, *words).code
    assert not Path("runs").exists()
    run_corrected(acgan, *of_set)


OUTSIDE: dict[str, tuple[tuple[object, ...], int, str]] = {
    "no such data": (("nowhere",), 2, "no data set 'nowhere'.*no folder of that name"),
    "no such path": (("./nowhere",), 3, "no folder or zip nowhere; check the path"),
    "a file as data": (("file",), 3, "neither a folder nor a readable zip"),
    "no images": (("empty",), 3, "there are no files; add images"),
    "damaged image": (("damaged",), 3, "1 file in damaged cannot be used"),
    "one class": (("single", "--recipe", "small-gray"), 2, "needs images of at least two classes"),
    "a class of two images": (("few",), 3, "the class 'b' has only 2 training images"),
    "sizes that differ": (("mixed",), 3, "differ in size"),
    "a size that the network cannot have": (
        ("things", "--image-size", 9),
        2,
        "9×9 cannot be built",
    ),
    "a huge size": (("things", "--image-size", 5000), 2, "outside 1 to 4096"),
    "a folder of others": (("things", "--run", "other"), 2, "other exists and is not an acgan run"),
    "the data as run": (("things", "--run", "things"), 2, "things exists and is not an acgan run"),
    "a file as run": (("things", "--run", "file"), 2, "file exists and is not an acgan run"),
    "a file above the run": (("things", "--run", "file/x"), 5, "a file or folder of that name is"),
    "a link to nothing": (("things", "--run", "link"), 5, "a file or folder of that name is in"),
    "a long name": (("things", "--run", "n" * 300), 2, "cannot use the path 'nnn.*File name too"),
    "too little memory": (
        ("things", "-o", "generator.latent_size=2000000000"),
        2,
        "not enough memory for this command",
    ),
    "a run of another seed": (("things", "--run", "run", "--seed", 5), 2, "seed: 0 → 5"),
    "a run of other data": (("other-things", "--run", "run"), 3, "was started with other data"),
    "a run that is no set": (
        ("things", "--run", "run", "--classes-per-model", 2),
        2,
        "another conf",
    ),
    "a run in use": (("things", "--run", "used"), 2, "another process is using used"),
    "a run with a damaged file": (("things", "--run", "bad"), 3, "bad/config.json cannot be read"),
}


@pytest.fixture(scope="module")
def crowded(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets, runs and other files that a start has to refuse."""
    crowded = tmp_path_factory.mktemp("crowded")
    for name in ("things", "other-things", "few", "mixed", "single", "damaged"):
        shutil.copytree(place / "things", crowded / name)
    for name in ("file", "other-things/cup/0.png", "damaged/cup/0.png"):
        (crowded / name).write_text("no image")
    (crowded / "other-things/cup/0.png").unlink()
    for name in ("jar", "lid", "pot"):
        shutil.rmtree(crowded / "single" / name)
    (crowded / "few" / "b").mkdir()
    for name in ("0.png", "1.png"):
        shutil.copy(place / "things" / "cup" / name, crowded / "few" / "b" / name)
    Image.new("L", (9, 9)).save(crowded / "mixed" / "cup" / "0.png")
    (crowded / "other").mkdir()
    (crowded / "other" / "mine.txt").write_text("mine")
    (crowded / "empty").mkdir()
    (crowded / "link").symlink_to(crowded / "nowhere")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(crowded)
        monkeypatch.setattr("os.fsync", lambda _descriptor: None)
        words = ("train", *GOOD, "-o", "execution.threads=1", "--run", "run")
        assert execute([str(word) for word in words]) == 0
    shutil.copytree(crowded / "run", crowded / "used")
    shutil.copytree(crowded / "run", crowded / "bad")
    (crowded / "bad" / "config.json").write_text("{")
    return crowded


@pytest.mark.slow
@pytest.mark.parametrize("what", OUTSIDE)
def test_data_files_and_runs_that_a_start_refuses_stay_as_they_were(
    acgan: Acgan, crowded: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(crowded)
    (data, *words), code, sentence = OUTSIDE[what]
    before = disk(crowded)
    with FileLock(crowded / "used" / ".lock"):
        done = acgan("train", data, *GOOD[1:], *words)
    assert (done.code, done.err.count("Traceback")) == (code, 0), done.err
    assert re.search(sentence, done.err), done.err
    assert disk(crowded) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["status.json", "budget.json"])
@pytest.mark.parametrize("content", ["[]", '{"state": "complete"}', "7", "null"])
def test_a_run_with_a_changed_file_continues_or_names_it(
    acgan: Acgan, crowded: Path, tmp_path: Path, name: str, content: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(crowded / "run", run)
    (run / name).write_text(content)
    done = acgan("train", *GOOD, "--run", run)
    assert (done.code, f"{name} has not the figures" in done.err) in ((0, False), (3, True))


@pytest.mark.slow
def test_a_start_that_was_killed_while_measuring_is_no_run(
    acgan: Acgan, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "things").symlink_to(place / "things")
    left = tmp_path / "runs" / "corrected"
    (left / ".tmp-0123456789abcdef").mkdir(parents=True)
    for name in (".lock", "environment.json", "budget.json", "split.json"):
        (left / name).write_text("{}")
    assert "no runs" in acgan("runs").out
    run_corrected(acgan, "--seed", 3)
