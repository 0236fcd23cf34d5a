"""Processes that measure training steps, one per side, so that peaks of memory are separate.

The parent process never imports torch, so it stays small and never adds to the peak of a child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

WORKER = Path(__file__).with_name("step_worker.py")


class SideError(Exception):
    """A side ended with an error; its message was printed to stderr."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@final
class Worker:
    """Subprocess of one side; it is idle between commands.

    Args:
        side: description of the side for `step_worker`.
        environment: variables of the process besides those of this one.

    Attributes:
        described: name, batch size, precision and threads of the side.
        start_seconds: from the start of the process to the first step, with imports and data.
        peak_gib: peak memory after the process ended; None if the system does not report it.
    """

    def __init__(self, side: dict[str, Any], environment: Mapping[str, str] | None = None) -> None:
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(side)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.described: dict[str, Any] = {}
        self.start_seconds = 0.0
        self.peak_gib: float | None = None

    def __enter__(self) -> Self:
        try:
            self.described = self._answer()
            self.start_seconds = time.perf_counter() - self._started
        except SideError:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def ask(self, command: dict[str, float]) -> Any:
        """Send a command and return the answer.

        Raises:
            SideError: the process ended instead.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideError(self._process.wait()) from None
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SideError(self._process.wait() or 1)
        return json.loads(line)

    def _end(self) -> None:
        """End the process and save its peak resident memory (KiB on Linux, bytes on macOS)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        if self._process.returncode is None:
            if hasattr(os, "wait4"):
                _, status, usage = os.wait4(self._process.pid, 0)
                self._process.returncode = os.waitstatus_to_exitcode(status)
                unit = 2**30 if sys.platform == "darwin" else 2**20
                self.peak_gib = usage.ru_maxrss / unit
            else:
                self._process.wait()
        self._process.stdout.close()
