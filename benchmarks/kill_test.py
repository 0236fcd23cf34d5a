"""Kill a short run with SIGKILL again and again; it must end with the bytes of an undisturbed one.

    python benchmarks/kill_test.py            # 10 random moments, then each step of a commit
    python benchmarks/kill_test.py --random 2 --steps 4

The run has all that makes exactness hard: bf16 autocast, channels-last convolutions, dropout,
activation noise, R1, fused Adam. It is started each time by the same command, `acgan train`.
Compared is every file of the run folder but those that know the time (timing.jsonl, tensorboard/).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

COMMAND = [
    *("train", "digits", "--per-class", "40", "--seed", "7", "--precision", "bf16"),
    *("-o", "execution.threads=1", "-o", "execution.memory_format=channels-last"),
    *("-o", "generator.widths=[16, 8]", "-o", "generator.latent_size=16"),
    *("-o", "discriminator.layers=[{width=8, kernel=4, stride=2, norm=false}, {width=16}]"),
    *("-o", "discriminator.dropout=0.25", "-o", "discriminator.activation_noise=0.05"),
    *("-o", 'regularizers=[{name="r1", interval_steps=4}]', "-o", "training.batch_size=32"),
    *("-o", "reporting.log_every_images=256", "-o", "reporting.grid_every_images=1024"),
    *("-o", "reporting.checkpoint_every_images=512", "-o", "reporting.grid_columns=2"),
]
CALLS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")
TIMES = {"timing.jsonl", "tensorboard", ".lock"}


@contextmanager
def before_disk_calls(action: Any) -> Iterator[None]:
    """``action(name)`` runs before every system call that changes the disk."""

    def spied(name: str) -> Any:
        real = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            if name != "open" or args[1] & (os.O_WRONLY | os.O_RDWR):
                action(name)
            return real(*args, **options)

        return call

    with ExitStack() as patches:
        for name in CALLS:
            patches.enter_context(patch.object(os, name, spied(name)))
        yield


def commit_steps() -> list[str]:
    """The system calls of a checkpoint's commit that makes an older one superfluous."""
    from acgan.runs.checkpoint import CheckpointStore, TrainingState

    names: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(Path(folder), keep_last=1)
        for images in (1, 2):
            names.clear()
            with before_disk_calls(names.append):
                state = TrainingState({}, {"images_seen": images, "retry": 0})
                store.save(state, scheduled=True, milestone=False)
    return names


def child(step: int, arguments: list[str]) -> None:
    """Run the command line; die before the ``step``-th system call of a checkpoint's commit."""
    from acgan.cli.main import run
    from acgan.runs.checkpoint import CheckpointStore

    save = CheckpointStore.save

    def doomed(self: CheckpointStore, *args: Any, **options: Any) -> Path:
        made = 0

        def strike(_name: str) -> None:
            nonlocal made
            made += 1
            if made == step:
                os.kill(os.getpid(), signal.SIGKILL)

        with before_disk_calls(strike):
            return save(self, *args, **options)

    with patch.object(CheckpointStore, "save", doomed):
        run(arguments)


def start(folder: Path, images: int, step: int = 0) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    arguments = [*COMMAND, "--images", str(images), "--run", str(folder)]
    program = [__file__, "--child", str(step), "--"] if step else ["-m", "acgan"]
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=(folder.parent / f"{folder.name}.log").open("ab"),
    )


def kill_at_random(folder: Path, images: int, chance: random.Random) -> tuple[int, str]:
    """Start, wait until it has trained for a while, kill."""
    timing = folder / "timing.jsonl"
    rows = timing.stat().st_size if timing.exists() else 0
    process = start(folder, images)
    if chance.random() < 0.2:  # amid the imports, the lock, the resume
        seconds = chance.uniform(0, 6)
        moment = f"{seconds:.2f} s after its start"
    else:
        while process.poll() is None and (not timing.exists() or timing.stat().st_size <= rows):
            time.sleep(0.01)
        seconds = chance.uniform(0, 0.5)
        moment = f"{seconds:.2f} s after its first row of metrics"
    time.sleep(seconds)
    process.kill()
    return process.wait(), moment


def files(folder: Path) -> dict[str, bytes]:
    """Every file that a resumed run must reproduce."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in TIMES
    }


def differing_bytes(ours: bytes, theirs: bytes) -> int:
    """Positions that differ; what one has beyond the other's end differs."""
    common = sum(a != b for a, b in zip(ours, theirs, strict=False)) if ours != theirs else 0
    return common + abs(len(ours) - len(theirs))


def finish(folder: Path, images: int) -> None:
    """Let a run go to its end."""
    if start(folder, images).wait():
        log = folder.parent / f"{folder.name}.log"
        sys.exit(f"the run did not end:\n{log.read_text()}")


def main() -> None:
    """Kill, resume, compare; exits 1 if a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=10, help="kills at random moments")
    parser.add_argument("--steps", type=int, help="kills within commits [one before each step]")
    parser.add_argument("--images", type=int, default=24_576, help="length of the run")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    names = commit_steps()
    count = len(names) if options.steps is None else options.steps
    steps = [1 + round(i * (len(names) - 1) / max(1, count - 1)) for i in range(count)]
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        straight, killed = Path(scratch, "straight"), Path(scratch, "killed")
        finish(straight, options.images)
        moments = [0] * options.random + steps
        chance.shuffle(moments)
        deaths = 0
        for step in moments:
            if step:
                code = start(killed, options.images, step).wait()
                moment = f"before step {step} of {len(names)} of a commit ({names[step - 1]})"
            else:
                code, moment = kill_at_random(killed, options.images, chance)
            if code != -signal.SIGKILL:
                sys.exit(f"it ended (exit code {code}) before it was killed; give more --images")
            deaths += 1
            print(f"kill {deaths} of {len(moments)}: {moment}", flush=True)
        finish(killed, options.images)
        ours, theirs = files(killed), files(straight)
    both = sorted(ours.keys() | theirs.keys())
    differences = {n: differing_bytes(ours.get(n, b""), theirs.get(n, b"")) for n in both}
    for name, difference in differences.items():
        if difference or (name in ours) != (name in theirs):
            print(f"{name}: {difference} differing bytes, there: {name in ours} {name in theirs}")
    total = sum(map(len, theirs.values()))
    print(f"{deaths} SIGKILLs, {len(both)} files, {total:,} bytes compared")
    print(f"{sum(differences.values())} differing bytes")
    sys.exit(int(ours != theirs))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), sys.argv[4:])
    main()
