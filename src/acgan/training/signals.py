"""SIGINT and SIGTERM: the first one saves the run and stops it, a second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import final

from acgan.errors import AcganError


@final
class InterruptedRunError(AcganError):
    """A signal stopped the run after its state was saved (exit code 128 + signal: 130 or 143)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number  # type: ignore[misc]


@final
@dataclass
class StopRequest:
    """The first SIGINT or SIGTERM since `stop_request`, or None."""

    signal_number: int | None = None


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within this context, the first SIGINT or SIGTERM only sets ``signal_number``.

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
            for watched in (signal.SIGINT, signal.SIGTERM):
                handlers[watched] = signal.signal(watched, receive)
        yield request
    finally:
        restore_handlers()
