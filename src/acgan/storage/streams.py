"""Standard streams that are closed, full, left by their reader, or of a narrow encoding."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast, final

from acgan.errors import DiskError


@final
class GuardedStream(io.TextIOBase):
    """A text stream whose failure ends nothing that is worth more than the text.

    Characters outside of the encoding become escapes. After a failure, all further output is
    dropped: a closed terminal or a full disk must not end a run of hours.

    Args:
        stream: the underlying stream; None if it was closed before the program started.
        required: raise DiskError at the first failure. A reader that leaves (``| head``) has seen
            enough and is no failure.
    """

    def __init__(self, stream: TextIO | None, *, required: bool = False) -> None:
        self._stream, self._required, self._failed = stream, required, False
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        """Encoding of the underlying stream."""
        return self._encoding

    def isatty(self) -> bool:
        """Return whether the underlying stream is a terminal."""
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor of the underlying stream."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write the text, with escapes for characters that the encoding lacks."""
        shown = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        self._guarded(lambda stream: stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Flush the underlying stream."""
        if self._stream is not None:
            self._guarded(lambda stream: stream.flush())

    def _guarded(self, action: Callable[[TextIO], object]) -> None:
        if self._failed:
            return
        try:
            if self._stream is None:
                raise OSError(errno.EBADF, "it is closed")
            action(self._stream)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self._failed = True
            code = error.errno if isinstance(error, OSError) else errno.EBADF
            if code != errno.EBADF:  # that descriptor may belong to another file by now
                _discard(self._stream)
            if self._required and code != errno.EPIPE:
                reason = error.strerror if isinstance(error, OSError) else "it is closed"
                raise DiskError(
                    f"cannot write the result to stdout: {reason or error}; send it elsewhere and "
                    "repeat the command (files that it wrote are complete)"
                ) from None


def _discard(stream: TextIO | None) -> None:
    """Send what a failed stream still buffers to nowhere, or Python would fail again at exit."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, cast(TextIO, stream).fileno())
        os.close(nowhere)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard stdout and stderr of the process within this context."""
    for descriptor in range(3):
        # A closed one would be given to the next file that is opened, such as a log of the run,
        # and libraries that print to stderr would write into it.
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, GuardedStream(sys.stdout, required=True))
    sys.stderr = cast(TextIO, GuardedStream(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
