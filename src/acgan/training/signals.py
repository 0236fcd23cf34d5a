"""SIGINT and SIGTERM: the first one saves the run and stops it, a second one stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import final

from acgan.errors import AcganError

_WATCHED = (signal.SIGINT, signal.SIGTERM)


@final
class InterruptedRunError(AcganError):
    """A signal stopped the run after its state was saved (exit code 128 + signal: 130 or 143)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number  # type: ignore[misc]


@final
class StopRequest:
    """Context manager in which the first SIGINT or SIGTERM only sets ``signal_number``."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._handlers: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for watched in _WATCHED:
                self._handlers[watched] = signal.signal(watched, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore_handlers()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        while self._handlers:
            watched, handler = self._handlers.popitem()
            signal.signal(watched, handler)
