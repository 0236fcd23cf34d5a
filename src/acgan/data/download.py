"""Downloads through torchvision, and the one sentence for when there is no way to download."""

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
    """Let torchvision's data set class ``kind`` download into ``root``.

    Args:
        name: the set's name, for the message.
        kind: name of the class in ``torchvision.datasets``.
        root: the data root.
        put_into: folder where a person can put the files instead, for the message.
        files: what is wanted, for the message.
        split: the class's ``split`` argument, where it has one.

    Raises:
        DataError: there is no network, the server failed, or ``root`` cannot be written.
    """
    with downloading(name, root, files, put_into=put_into):
        import torchvision.datasets

        arguments: dict[str, Any] = {} if split is None else {"split": split}
        getattr(torchvision.datasets, kind)(str(root), download=True, **arguments)


@contextlib.contextmanager
def downloading(name: str, root: Path, files: Sequence[str], *, put_into: Path) -> Iterator[None]:
    """Within it, failures of a download become the sentence that says which files go where."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):  # stdout belongs to results
            yield
    except (RuntimeError, URLError, OSError, EOFError) as error:
        raise DataError(
            f"there is no local copy of {name} and it could not be downloaded "
            f"({_reason(error)}): put {', '.join(files)} into {put_into}, or name another folder "
            "with --data-root; the data set 'digits' needs no files and no network"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    """The cause in some words; torchvision wraps each mirror's failure in its own long text."""
    text = " ".join(str(error).split())
    if isinstance(error, URLError) or "urlopen error" in text:
        return "no network, or the server does not answer"
    return text[:200]
