"""Kill a short run repeatedly with SIGKILL; its files must equal those of an uninterrupted run.

    python benchmarks/kill_test.py            # 10 kills at random times, one at each commit step
    python benchmarks/kill_test.py --random 2 --steps 4
    python benchmarks/kill_test.py --random 150 --steps 50 --images 131072

The run uses everything that makes exact resuming hard: bf16 autocast, channels-last convolutions,
dropout, activation noise, R1 and fused Adam. The same command, `acgan train`, starts and resumes
it. Each process is forked from a server that has imported acgan, which saves most of its start. All
files of the run folder are compared except those with times (timing.jsonl, tensorboard/) and
the measured speed (budget.json).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess
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
DISK_CALLS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")
NOT_COMPARED = {"timing.jsonl", "tensorboard", "budget.json", ".lock"}
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["acgan.cli.main", "acgan.training.train"])


@contextmanager
def before_disk_calls(action: Any) -> Iterator[None]:
    """Call ``action(name)`` before every system call that changes the disk."""

    def wrapped(name: str) -> Any:
        real = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            if name != "open" or args[1] & (os.O_WRONLY | os.O_RDWR):
                action(name)
            return real(*args, **options)

        return call

    with ExitStack() as patches:
        for name in DISK_CALLS:
            patches.enter_context(patch.object(os, name, wrapped(name)))
        yield


def commit_steps() -> list[str]:
    """Return the system calls of committing a checkpoint and deleting an older one."""
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


def command(step: int, log: Path, arguments: list[str]) -> None:
    """Run `acgan` in this process; ``step`` above 0 kills it before a system call of a commit."""
    from acgan.cli.main import run
    from acgan.runs.checkpoint import CheckpointStore

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    save = CheckpointStore.save

    def interrupted_save(self: CheckpointStore, *args: Any, **options: Any) -> Path:
        calls = 0

        def kill_at_step(_name: str) -> None:
            nonlocal calls
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)

        with before_disk_calls(kill_at_step):
            return save(self, *args, **options)

    with ExitStack() as patches:
        if step:
            patches.enter_context(patch.object(CheckpointStore, "save", interrupted_save))
        run(arguments)


def start(folder: Path, images: int, step: int = 0) -> BaseProcess:
    """Start the command in a process; ``step`` above 0 kills it within a commit."""
    log = folder.parent / f"{folder.name}.log"
    arguments = [*COMMAND, "--images", str(images), "--run", str(folder)]
    process = PROCESSES.Process(target=command, args=(step, log, arguments))
    process.start()
    return process


def exit_code(process: BaseProcess) -> int:
    """Wait for the end of a process; negative for a signal."""
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def kill_at_random(folder: Path, images: int, generator: random.Random) -> tuple[int, str]:
    """Start the run, kill it at a random time, and return its exit code and that time in words."""
    timing = folder / "timing.jsonl"
    rows = timing.stat().st_size if timing.exists() else 0
    process = start(folder, images)
    if generator.random() < 0.2:  # while it loads data, takes the lock or resumes
        seconds = generator.uniform(0, 3)
        moment = f"{seconds:.2f} s after its start"
    else:
        while process.is_alive() and (not timing.exists() or timing.stat().st_size <= rows):
            time.sleep(0.01)
        seconds = generator.uniform(0, 0.5)
        moment = f"{seconds:.2f} s after its first row of metrics"
    time.sleep(seconds)
    process.kill()
    return exit_code(process), moment


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of every file that a resumed run must reproduce, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in NOT_COMPARED
    }


def differing_bytes(resumed: bytes, expected: bytes) -> int:
    """Count the differing positions; bytes beyond the end of the shorter file differ."""
    if resumed == expected:
        return 0
    common = sum(a != b for a, b in zip(resumed, expected, strict=False))
    return common + abs(len(resumed) - len(expected))


def finish(folder: Path, images: int) -> None:
    """Run the command to its end."""
    if exit_code(start(folder, images)):
        log = folder.parent / f"{folder.name}.log"
        sys.exit(f"the run failed:\n{log.read_text()}")


def main() -> None:
    """Kill, resume and compare; exit with 1 if a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=10, help="number of kills at random times")
    parser.add_argument(
        "--steps", type=int, help="number of kills within commits; by default one before each step"
    )
    parser.add_argument("--images", type=int, default=24_576, help="images of the run")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random times")
    options = parser.parse_args()
    names = commit_steps()
    count = len(names) if options.steps is None else options.steps
    steps = [1 + round(i * (len(names) - 1) / max(1, count - 1)) for i in range(count)]
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        uninterrupted, killed = Path(scratch, "uninterrupted"), Path(scratch, "killed")
        finish(uninterrupted, options.images)
        kills = [0] * options.random + steps
        generator.shuffle(kills)
        for number, step in enumerate(kills, 1):
            if step:
                code = exit_code(start(killed, options.images, step))
                moment = f"before step {step} of {len(names)} of a commit ({names[step - 1]})"
            else:
                code, moment = kill_at_random(killed, options.images, generator)
            if code != -signal.SIGKILL:
                sys.exit(f"the run ended with exit code {code} before the kill; increase --images")
            print(f"kill {number} of {len(kills)}: {moment}", flush=True)
        finish(killed, options.images)
        resumed, expected = files(killed), files(uninterrupted)
    both = sorted(resumed.keys() | expected.keys())
    differences = {n: differing_bytes(resumed.get(n, b""), expected.get(n, b"")) for n in both}
    for name, difference in differences.items():
        if difference or (name in resumed) != (name in expected):
            existing = f"killed: {name in resumed}, uninterrupted: {name in expected}"
            print(f"{name}: {difference} differing bytes; exists in {existing}")
    total = sum(map(len, expected.values()))
    print(f"{len(kills)} SIGKILLs, {len(both)} files, {total:,} bytes compared")
    print(f"{sum(differences.values())} differing bytes")
    sys.exit(int(resumed != expected))


if __name__ == "__main__":
    main()
