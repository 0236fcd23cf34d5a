"""The decisions at the start of a run: execution, number of threads, and budget in images.

Everything that can be refused is refused here, before a new run writes its first file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import torch

from acgan.config import difference
from acgan.data.images import DatasetSplits
from acgan.errors import DataError, UsageError, counted
from acgan.execution.execution import (
    Execution,
    ExecutionConfig,
    check_present,
    choose_execution,
    emulates_bfloat16,
)
from acgan.runs.config import RunConfig
from acgan.runs.environment import describe_environment
from acgan.runs.folder import RunFolder
from acgan.training.budget import (
    Rate,
    describe_training,
    least_useful_budget,
    measure_rate,
    measuring_seconds,
    thread_counts,
    total_images,
)
from acgan.training.display import Display, duration

_CHECK_SECONDS = 5.0
_NOTABLE = 1.1  # of the rate with the run's threads: another number is worth a message
_BUSY_LOAD = 0.5  # runnable processes per core, of this and other programs


@final
@dataclass(frozen=True)
class Start:
    """What is decided at a start.

    Attributes:
        execution: device, precision, memory format and threads; already applied.
        total_images: the budget.
        files: JSON values of files of the run folder that are not written yet.
    """

    execution: Execution
    total_images: int
    files: Mapping[Path, Any]


def decide_start(
    config: RunConfig,
    splits: DatasetSplits,
    folder: RunFolder,
    display: Display,
    *,
    estimate: bool = False,
    threads: int | None = None,
) -> Start:
    """Decide the execution and the budget; at later starts, read what the first one decided.

    One measurement decides the threads, converts minutes and estimates the duration. Only a
    temporary folder is written, beside the run's files.

    Args:
        config: the run.
        splits: its data.
        folder: the run folder, which exists.
        display: shows what is measured and decided.
        estimate: show how long a new run will take.
        threads: number of threads of a new run, if the configuration has none and it is known.

    Raises:
        UsageError: the machine lacks the device or the compiler.
        DataError: a file of the run is damaged.
        DiskError: the folder cannot be written.
    """
    saved = folder.read(folder.environment) if folder.has_run() else None
    new = saved is None
    files: dict[Path, Any] = {}
    if saved is None:
        execution = choose_execution(config.execution)
        counts = _counts(config.execution, execution)
        if threads is not None and len(counts) > 1:
            counts = [threads]
    else:
        execution = _continued(config.execution, folder, saved, display)
        counts = [execution.threads]
    execution = replace(execution, threads=counts[0]) if len(counts) == 1 else execution
    execution.apply()
    if new and execution.precision == "bf16" and emulates_bfloat16(execution.device):
        display.message(
            "this processor has no bf16 instructions; fp32 is many times faster here: "
            "use --precision fp32",
            "warning",
        )

    total, minutes = total_images(config.training, len(splits.train)), config.training.max_minutes
    rate = None if new else _saved_rate(folder)
    if (rate is None and total is None) or (new and (estimate or len(counts) > 1)):
        seconds = measuring_seconds(minutes)
        display.message(
            f"building the networks, then measuring the speed for up to {seconds:.2g} s "
            "(two steps at least) …"
        )
        rate = measure_rate(config, splits, execution, seconds, counts=counts, beside=folder.path)
        if len(counts) > 1:
            execution = replace(execution, threads=rate.best_threads)
            display.message(*_describe_threads(execution.threads, rate.by_threads))
        files[folder.budget] = asdict(rate)
        execution.apply()
    if total is None:
        assert rate is not None
        assert minutes is not None  # RunConfig has exactly one budget
        left = max(0.0, 60 * minutes - rate.measuring_seconds)
        total = rate.images_in(left, config.reporting)
        display.message(
            f"{minutes:g} minutes are {counted(total, 'image')} at the "
            f"{rate.images_per_second:,.0f} images/s measured at the first start; "
            f"{left:,.0f} s are left for training, {rate.measuring_seconds:,.0f} s are for "
            "building and measuring"
        )
    elif new and estimate and rate is not None:
        seconds = rate.seconds(total, config.reporting)
        display.message(
            f"{counted(total, 'image')} will take about {duration(seconds)} on this "
            f"{execution.device} in {execution.precision} ({rate.images_per_second:,.0f} "
            "images/s, measured just now; --images or --max-minutes sets another budget)"
        )
    train_images = len(splits.train)
    if estimate and total < (useful := least_useful_budget(train_images)):
        amount = describe_training(total, train_images, too_little=True)
        display.message(f"{amount}; use at least --images {useful}", "warning")
    if not new and not _is_complete(folder, total):
        _check_threads(config, splits, folder, execution, display)
    record = saved or {"environment": describe_environment()}
    if asdict(execution) != record.get("execution"):
        files[folder.environment] = {**record, "execution": asdict(execution)}
    return Start(execution, total, files)


def _saved_rate(folder: RunFolder) -> Rate | None:
    known = folder.read(folder.budget)
    try:
        return None if known is None else Rate(**known)
    except TypeError:
        raise DataError(
            f"{folder.budget} has not the figures of a measurement; remove it to measure again"
        ) from None


def _counts(config: ExecutionConfig, execution: Execution) -> list[int]:
    """Return the numbers of threads to compare; a single one if there is no choice."""
    if config.threads is not None or execution.device != "cpu":
        return [execution.threads]
    return thread_counts(torch.get_num_threads())


def _continued(
    config: ExecutionConfig, folder: RunFolder, saved: Mapping[str, Any], display: Display
) -> Execution:
    """Return the execution of a continued run; warn of what has changed."""
    try:
        execution, environment = Execution(**saved["execution"]), saved["environment"]
    except (KeyError, TypeError):
        raise UsageError(
            f"{folder.environment} has the format of another version of acgan; continue the run "
            "with that version, or train the model again in another folder (--run)"
        ) from None
    check_present(execution.device)
    if changes := difference(environment, describe_environment()):
        display.message(
            "the environment differs from that of the first start, so the run may not continue "
            f"bit for bit: {'; '.join(changes)}",
            "warning",
        )
    if config.threads is not None and config.threads != execution.threads:
        display.message(
            f"the run continues with {counted(config.threads, 'thread')} instead of "
            f"{execution.threads}: from here on, the last bits of its weights differ from those "
            "of an uninterrupted run",
            "warning",
        )
        execution = replace(execution, threads=config.threads)
    return execution


def _is_complete(folder: RunFolder, total: int) -> bool:
    match folder.read(folder.status):
        case {"state": "complete", "images_seen": int(seen)}:
            return seen >= total
    return False


def _check_threads(
    config: RunConfig,
    splits: DatasetSplits,
    folder: RunFolder,
    execution: Execution,
    display: Display,
) -> None:
    """Say if the saved number of threads is a bad choice now, and how to change it."""
    counts = sorted({*_counts(config.execution, execution), execution.threads})
    if len(counts) == 1:
        return
    rate = measure_rate(
        config, splits, execution, _CHECK_SECONDS, counts=counts, beside=folder.path
    )
    execution.apply()
    now, best = rate.by_threads.get(str(execution.threads)), rate.best_threads
    if now is not None and rate.by_threads[str(best)] > _NOTABLE * now:
        display.message(
            f"{counted(best, 'thread')} would train {rate.by_threads[str(best)]:,.0f} images/s "
            f"now, the run's {execution.threads} train {now:,.0f}{_because()}; the number stays, "
            "because the last bits depend on it. If the same bits do not matter, stop and repeat "
            f"the command with -o execution.threads={best}",
            "warning",
        )


def _describe_threads(chosen: int, by_threads: Mapping[str, float]) -> tuple[str, Any]:
    """Return the choice of threads as a message and its level; warn where OpenMP spins too long."""
    others = ", ".join(
        f"{counted(int(n), 'thread')} {rate:,.0f}"
        for n, rate in by_threads.items()
        if int(n) != chosen
    )
    text = f"{counted(chosen, 'thread')}: {by_threads[str(chosen)]:,.0f} images/s"
    text += f" ({others})" if others else "; more threads were not measured for lack of time"
    contention = min(by_threads.values()) < by_threads["1"] / _NOTABLE
    if not contention or not (busy := _because()):
        return text, "info"
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():  # not from the command line
        warnings.warn(
            f"threads of torch slow each other down{busy}; set GOMP_SPINCOUNT=10000 before torch "
            "is imported, so that threads wait asleep",
            stacklevel=2,
        )
    return f"{text}{busy}", "warning"


def _because() -> str:
    """Return that the machine is busy as the end of a sentence; empty if it is not."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < _BUSY_LOAD * cores:
        return ""
    return f": the machine is busy (load {load:.1f} on {counted(cores, 'core')})"
