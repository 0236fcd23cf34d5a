"""Every system call of every durable write fails, or is the last before SIGKILL or a power cut.

Whatever happens, a reader sees all of the old or all of the new, and doing it again works.
Run as a script, this file is the process that is killed.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, final
from unittest.mock import patch

import pytest
import torch

from acgan.errors import DiskError
from acgan.runs.checkpoint import CheckpointStore, TrainingState, read_checkpoint
from acgan.storage.files import remove_leftovers, write_atomic
from acgan.storage.folders import recover_folder, replace_folder, verify_folder
from acgan.storage.line_log import LineLog

CALLS = ("open", "write", "fsync", "ftruncate", "mkdir", "rename", "replace", "unlink", "rmdir")
REAL = {name: getattr(os, name) for name in CALLS}
Strike = Callable[[str, tuple[Any, ...]], None]


@contextmanager
def sabotaged(strike: Strike, *, at: int, for_good: bool = False) -> Iterator[list[str]]:
    """Call ``strike`` before the ``at``-th call that changes the disk, or before all from then on.

    Yields the names of the calls, as they are made.
    """
    made: list[str] = []

    def spied(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            reading = name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR)
            if not reading:
                made.append(name)
                if len(made) == at or (for_good and len(made) > at):
                    strike(name, args)
            return REAL[name](*args, **options)

        return call

    with ExitStack() as patches:
        for name in CALLS:
            patches.enter_context(patch.object(os, name, spied(name)))
        yield made


def half_written(name: str, args: tuple[Any, ...]) -> None:
    """A write that is cut short leaves a part of its bytes."""
    if name == "write":
        descriptor, content = args
        REAL["write"](descriptor, content[: len(content) // 2])


def failing(code: int) -> Strike:
    def strike(name: str, args: tuple[Any, ...]) -> None:
        half_written(name, args)
        raise OSError(code, os.strerror(code))

    return strike


class Action(ABC):
    """One durable write, and what a reader sees before and after it."""

    calls: ClassVar[set[str]] = {"open", "write", "fsync"}

    @abstractmethod
    def prepare(self, root: Path) -> None: ...

    @abstractmethod
    def act(self, root: Path) -> None: ...

    @abstractmethod
    def see(self, root: Path) -> object: ...


@final
class OneFile(Action):
    calls = Action.calls | {"replace"}

    def prepare(self, root: Path) -> None:
        write_atomic(root / "status.json", "old" * 100)

    def act(self, root: Path) -> None:
        write_atomic(root / "status.json", "newer" * 100)

    def see(self, root: Path) -> object:
        return (root / "status.json").read_text()


@final
class Model(Action):
    calls = Action.calls | {"mkdir", "rename", "unlink", "rmdir"}

    def prepare(self, root: Path) -> None:
        self._replace(root, "old")

    def act(self, root: Path) -> None:
        self._replace(root, "new")

    def see(self, root: Path) -> object:
        recover_folder(root / "model")
        text = (root / "model" / "inner" / "weights").read_text()
        return verify_folder(root / "model")["record"], text

    def _replace(self, root: Path, text: str) -> None:
        def write(folder: Path) -> None:
            # Not through our own functions: any library's files must survive a power cut too.
            (folder / "inner").mkdir()
            (folder / "inner" / "weights").write_text(text * 100)

        replace_folder(root / "model", write, {"text": text}, need_bytes=600)


def state(images_seen: int) -> TrainingState:
    generator = torch.Generator().manual_seed(images_seen)
    weight = torch.randn(4, 3, 3, 3, generator=generator).to(memory_format=torch.channels_last)
    return TrainingState({"weight": weight}, {"images_seen": images_seen, "retry": 0, "loss": 0.1})


def contents(loaded: TrainingState | None) -> object:
    if loaded is None:
        return None
    return loaded.counters, {name: t.flatten().tolist() for name, t in loaded.tensors.items()}


def store(root: Path) -> CheckpointStore:
    return CheckpointStore(root / "checkpoints", keep_last=2)


@final
class First(Action):
    calls = Action.calls | {"mkdir", "rename"}

    def prepare(self, root: Path) -> None:
        pass

    def act(self, root: Path) -> None:
        store(root).save(state(100), scheduled=True, milestone=False)

    def see(self, root: Path) -> object:
        return contents(store(root).newest())


@final
class Next(Action):
    """A checkpoint that makes an older one superfluous."""

    calls = Action.calls | {"mkdir", "rename", "unlink", "rmdir"}

    def prepare(self, root: Path) -> None:
        for images_seen in (100, 200):
            store(root).save(state(images_seen), scheduled=True, milestone=False)

    def act(self, root: Path) -> None:
        store(root).save(state(300), scheduled=True, milestone=False)

    def see(self, root: Path) -> object:
        warnings: list[str] = []
        reader = CheckpointStore(root / "checkpoints", on_damage=warnings.append)
        seen = contents(reader.newest())
        assert warnings == []
        assert all(contents(read_checkpoint(c.path)) for c in reader.list())
        return seen


@final
class Again(Action):
    """A scheduled checkpoint where a signal has left one already."""

    calls = Action.calls | {"replace"}

    def prepare(self, root: Path) -> None:
        store(root).save(state(100), scheduled=False, milestone=False)

    def act(self, root: Path) -> None:
        store(root).save(state(100), scheduled=True, milestone=True)

    def see(self, root: Path) -> object:
        assert contents(store(root).newest()) == contents(state(100))
        return [(c.scheduled, c.milestone) for c in store(root).list()]


@final
class Log(Action):
    """The lines up to the checkpoint stay; the new ones are the step's that is done again."""

    calls = Action.calls | {"ftruncate"}

    def prepare(self, root: Path) -> None:
        with LineLog(root / "metrics.jsonl") as log:
            log.append({"images": 1})
            log.sync()
            log.append({"images": 2, "after": "the checkpoint"})

    def act(self, root: Path) -> None:
        with LineLog(root / "metrics.jsonl", keep_bytes=13) as log:
            log.append({"images": 2})
            log.sync()

    def see(self, root: Path) -> object:
        return (root / "metrics.jsonl").read_bytes()[:13]


ACTIONS: dict[str, Action] = {
    type(action).__name__: action
    for action in (OneFile(), Model(), First(), Next(), Again(), Log())
}


@final
class Expected:
    """What an undisturbed action does, to compare with."""

    def __init__(self, action: Action, root: Path) -> None:
        root.mkdir()
        action.prepare(root)
        self.before = action.see(root)
        with sabotaged(failing(0), at=0) as self.calls:
            action.act(root)
        self.after = action.see(root)
        self.tree = tree(root)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def check_survived(action: Action, root: Path, expected: Expected) -> bool:
    """Whether the new is there; fails unless it is the old or the new, and it can go on."""
    seen = action.see(root)
    assert seen in (expected.before, expected.after)
    for folder in (root, root / "checkpoints"):
        remove_leftovers(folder)
    action.act(root)
    assert action.see(root) == expected.after
    assert tree(root) == expected.tree, "leftovers, or bytes that differ"
    return seen == expected.after


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of fsync are counted and fail; the disk itself need not sync."""
    monkeypatch.setitem(REAL, "fsync", lambda descriptor: None)


@pytest.mark.parametrize(
    ("code", "for_good"),
    [(errno.ENOSPC, False), (errno.EROFS, True), (errno.EIO, False)],
    ids=["full", "read-only for good", "broken"],
)
@pytest.mark.parametrize("name", ACTIONS)
def test_a_failing_disk_loses_nothing_and_says_what_to_do(
    tmp_path: Path, name: str, code: int, for_good: bool
) -> None:
    action = ACTIONS[name]
    expected = Expected(action, tmp_path / "expected")
    assert action.calls == set(expected.calls)
    for at in range(1, len(expected.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        action.prepare(root)
        with (
            sabotaged(failing(code), at=at, for_good=for_good) as made,
            pytest.raises(DiskError) as caught,
        ):
            action.act(root)
        message = str(caught.value)
        assert str(root) in message, made[-1]
        assert ".tmp-" not in message
        assert "are free on that disk" in message
        assert "this needs about" in message or not message.startswith("cannot write")
        assert "--run" in message
        check_survived(action, root, expected)
    with sabotaged(failing(code), at=at + 1):
        action.act(root)  # one later, and no fault fires: every call was tried


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Folders in which an action was killed, call by call, under ``how/action``."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork a process to kill")
    command = [sys.executable, __file__, str(tmp_path_factory.mktemp("killed"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    folders: dict[str, list[str]] = json.loads(ran.stdout)
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "power cut"])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, killed: dict[str, list[str]], name: str, how: str
) -> None:
    action = ACTIONS[name]
    expected = Expected(action, tmp_path / "expected")
    roots = killed[f"{how}/{name}"]
    assert len(roots) == len(expected.calls)
    new = [check_survived(action, Path(root), expected) for root in roots]
    if expected.before != expected.after:
        assert not new[0], "the first call is before anything is done"
        # Once it is there, it is there: no later kill brings the old one back.
        assert new == sorted(new)


def test_a_rename_without_fsync_would_not_survive_a_power_cut(tmp_path: Path) -> None:
    """The check is no formality: the careless way fails it."""

    @final
    class Careless(Action):
        def prepare(self, root: Path) -> None:
            (root / "file").write_text("old")

        def act(self, root: Path) -> None:
            descriptor = os.open(root / "new", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, b"new")
            os.close(descriptor)
            (root / "new").rename(root / "file")
            (root / "later").mkdir()

        def see(self, root: Path) -> object:
            return (root / "file").read_text()

    action = Careless()
    expected = Expected(action, tmp_path / "expected")
    root = tmp_path / "cut"
    root.mkdir()
    action.prepare(root)
    with pytest.raises(KeyboardInterrupt), sabotaged(PowerCut(root, interrupt), at=4):
        action.act(root)
    with pytest.raises(AssertionError):
        check_survived(action, root, expected)


def interrupt() -> None:
    raise KeyboardInterrupt


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@final
class PowerCut:
    """Empties what was never synced, as a file system may after a power cut, then ends it all.

    Args:
        root: everything in it now is on the disk.
        end: how the process ends.
    """

    def __init__(self, root: Path, end: Callable[[], None]) -> None:
        self._root = root
        self._end = end
        self._durable_bytes = {p.stat().st_ino: p.stat().st_size for p in self._files()}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Learn in the block which bytes are synced."""

        def sync(descriptor: int) -> None:
            status = os.fstat(descriptor)
            self._durable_bytes[status.st_ino] = status.st_size

        with patch.dict(REAL, fsync=sync):
            yield

    def __call__(self, name: str, args: tuple[Any, ...]) -> None:
        for path in self._files():
            durable = self._durable_bytes.get(path.stat().st_ino, 0)
            os.truncate(path, min(durable, path.stat().st_size))
        self._end()

    def _files(self) -> list[Path]:
        return [path for path in self._root.rglob("*") if path.is_file()]


def be_killed_at_every_call(action: Action, folder: Path, *, power_cut: bool) -> list[str]:
    """Run the action in forked processes, each killed one call later, until one gets through."""
    killed: list[str] = []
    for at in itertools.count(1):
        root = folder / str(at)
        root.mkdir(parents=True)
        action.prepare(root)
        child = os.fork()
        if not child:
            cut = PowerCut(root, kill)

            def strike(name: str, args: tuple[Any, ...], cut: PowerCut = cut) -> None:
                half_written(name, args)
                if power_cut:
                    cut(name, args)
                kill()

            with cut.watching(), sabotaged(strike, at=at):
                action.act(root)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            return killed
        killed.append(str(root))
    raise AssertionError


if __name__ == "__main__":
    torch.set_num_threads(1)
    REAL["fsync"] = lambda descriptor: None
    folder = Path(sys.argv[1])
    report = {
        f"{how}/{name}": be_killed_at_every_call(
            action, folder / how / name, power_cut=how == "power cut"
        )
        for how in ("SIGKILL", "power cut")
        for name, action in ACTIONS.items()
    }
    print(json.dumps(report))
