"""Downloads through torchvision, and the error message if there is neither a file nor a network."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

from acgan.errors import DataError

_TIMEOUT_SECONDS = 30.0


def download(
    name: str,
    kind: str,
    root: Path,
    *,
    put_into: Path,
    files: Sequence[str],
    split: str | None = None,
) -> None:
    """Download with torchvision's data set class ``kind`` into ``root``.

    Args:
        name: the set's name, for the message.
        kind: name of the class in ``torchvision.datasets``.
        root: the data root.
        put_into: folder where users can put the files instead, for the message.
        files: names of the files, for the message.
        split: the class's ``split`` argument, if it has one.

    Raises:
        DataError: there is no network, the server failed, or ``root`` cannot be written.
    """
    with downloading(name, root, files, put_into=put_into):
        import torchvision.datasets

        arguments: dict[str, Any] = {} if split is None else {"split": split}
        getattr(torchvision.datasets, kind)(str(root), download=True, **arguments)


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
