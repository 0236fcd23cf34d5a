"""Where the weights of Inception lie on this machine, and their one download."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError

import torch

from acgan.errors import DataError

VARIABLE = "ACGAN_INCEPTION"
_TIMEOUT_SECONDS = 10.0


def find_inception_weights(chosen: Path | None = None) -> Path:
    """The file of weights: the choice, ``ACGAN_INCEPTION``, or torch hub's folder of checkpoints.

    Where none is named and the folder lacks it, it is downloaded there (95 MB) and checked against
    the hash in its name.

    Raises:
        DataError: the file named is not there, or none is named and the download failed.
    """
    named = chosen or os.environ.get(VARIABLE)
    if named:
        given = Path(named).expanduser()
        if not given.is_file():
            origin = "" if chosen else f" (named by {VARIABLE})"
            raise DataError(f"there is no file {given}{origin} with Inception's weights")
        return given
    from torch_fidelity import feature_extractor_inceptionv3

    url: str = feature_extractor_inceptionv3.URL_INCEPTION_V3
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.is_file():
        _download(url, path)
    return path


def _download(url: str, path: Path) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url,
            str(path),
            hash_prefix=path.stem.rsplit("-", 1)[1],
            progress=sys.stderr.isatty(),
        )
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"Inception's weights are not on this machine and could not be downloaded "
            f"({_reason(error)}): put {path.name} (from {url}) into {path.parent}, or name the "
            f"file with --inception-weights or {VARIABLE}; the extractors 'judge' and "
            "'efficientnet-lite0' need no download"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, URLError | TimeoutError | ConnectionError):
        return "no network, or the server does not answer"
    return " ".join(str(error).split())[:200]
