"""Where data sets and decoded images live on this machine, unless a person says otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def data_root(chosen: str | None) -> Path:
    """Folder of local copies and downloads: the choice, ``ACGAN_DATA``, or the user's cache."""
    return _first(chosen, os.environ.get("ACGAN_DATA"), "data")


def cache_root(chosen: str | None) -> Path:
    """Folder of decoded images: the choice, ``ACGAN_CACHE``, or the user's cache."""
    return _first(chosen, os.environ.get("ACGAN_CACHE"), "decoded")


def _first(chosen: str | None, environment: str | None, name: str) -> Path:
    given = chosen or environment
    return Path(given).expanduser() if given else _user_cache() / name


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "acgan"
