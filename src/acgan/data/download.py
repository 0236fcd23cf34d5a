"""Downloads through torchvision, and the error message if there is neither a file nor a network."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.error import URLError

from acgan.errors import DataError

_TIMEOUT_SECONDS = 30.0


@contextlib.contextmanager
def downloading(name: str, root: Path, files: Sequence[str], *, put_into: Path) -> Iterator[None]:
    """Turn failures of a download into a `DataError` that tells which files to put where."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):  # stdout belongs to results
            yield
    except (RuntimeError, URLError, OSError, EOFError) as error:
        raise DataError(
            f"{name} was not found on this machine and could not be downloaded "
            f"({_reason(error)}); put {', '.join(files)} into {put_into}, or choose another folder "
            "with --data-root. The data set 'digits' needs neither files nor a network"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    """Return a short reason; torchvision wraps each server's failure in a long text."""
    text = " ".join(str(error).split())
    if isinstance(error, URLError) or "urlopen error" in text:
        return "no network, or the server does not respond"
    return text[:200]
