"""Signals that stop a run: the first one saves the run and stops it, a second one stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import final

from acgan.errors import AcganError

STOP_SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit code of each signal that stops a command."""
if sys.platform == "win32":  # Ctrl-Break, and what a service manager sends
    STOP_SIGNALS[signal.SIGBREAK] = 130


@final
class InterruptedRunError(AcganError):
    """A signal stopped the run after its state was saved (exit code 130 or 143)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = STOP_SIGNALS[signal.Signals(signal_number)]  # type: ignore[misc]


@final
@dataclass
class StopRequest:
    """The first stopping signal since `stop_request`, or None."""

    signal_number: int | None = None


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within this context, the first stopping signal only sets ``signal_number``.

    Python delivers signals to the main thread only; in other threads nothing changes.
    """
    request = StopRequest()
    handlers: dict[signal.Signals, signal._HANDLER] = {}

    def restore_handlers() -> None:
        while handlers:
            signal.signal(*handlers.popitem())

    def receive(number: int, _frame: FrameType | None) -> None:
        request.signal_number = number
        restore_handlers()

    try:
        if threading.current_thread() is threading.main_thread():
            for watched in STOP_SIGNALS:
                handlers[watched] = signal.signal(watched, receive)
        yield request
    finally:
        restore_handlers()
