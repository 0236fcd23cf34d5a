"""`acgan cache`: what the cache holds, and its removal."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acgan.cli.options import JsonFlag, option
from acgan.cli.output import confirm, result, table
from acgan.errors import UsageError, counted
from acgan.storage.disk import human_size

if TYPE_CHECKING:
    from acgan.data.cache import CacheEntry

EXAMPLE = "acgan cache --prune 30d"
_DAY = 86_400
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


def cache(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="The cache; by default $ACGAN_CACHE, else one in your cache folder.",
            metavar="DIR",
        ),
    ] = None,
    prune: Annotated[
        str | None,
        option(
            "Delete entries: all; 30d for those not used for 30 days; 2GB for the least recently "
            "used ones beyond 2 GB.",
            "all|AGE|SIZE",
        ),
    ] = None,
    yes: Annotated[bool, option("Delete without a question.", name="--yes")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the entries of the cache by size, or delete some of them.

    Everything in the cache can be deleted: it is made again when it is needed.
    """
    from acgan.classifiers.cache import classifier_entries
    from acgan.data.cache import cache_root, image_entries, remove_entries

    root = folder or cache_root(None)
    entries = [*image_entries(root), *classifier_entries(root)]
    if prune is None:
        entries.sort(key=lambda entry: -entry.bytes)
        header = ("entry", "content", "size", "unused")
        text = table(header, [_row(root, entry) for entry in entries], ("size", "unused"))
        total = human_size(sum(entry.bytes for entry in entries))
        text = f"{text}\n{counted(len(entries), 'entry', 'entries')}, {total} in {root}"
        result({"folder": root, "entries": list(map(asdict, entries))}, text, as_json=as_json)
        return
    chosen = _chosen(entries, prune)
    size = human_size(sum(entry.bytes for entry in chosen))
    words = f"{counted(len(chosen), 'entry', 'entries')} ({size}) in {root}"
    if chosen:
        confirm(f"delete {words}?", yes=yes)
        remove_entries(root, chosen)
    result({"deleted": [entry.path for entry in chosen]}, f"deleted {words}", as_json=as_json)


def _chosen(entries: Sequence[CacheEntry], prune: str) -> list[CacheEntry]:
    """Return the entries that ``--prune`` names."""
    if prune == "all":
        return list(entries)
    if age := re.fullmatch(r"(\d{1,6})d", prune):
        before = time.time() - int(age[1]) * _DAY
        return [entry for entry in entries if entry.last_used < before]
    if size := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(MB|GB|TB)", prune):
        left = float(size[1]) * _UNITS[size[2]]
        chosen = []
        for entry in sorted(entries, key=lambda entry: -entry.last_used):
            left -= entry.bytes
            if left < 0:
                chosen.append(entry)
        return chosen
    raise UsageError(f"--prune takes all, an age as 30d, or a size as 500MB or 2GB, not {prune!r}")


def _row(root: Path, entry: CacheEntry) -> tuple[str, ...]:
    days = max(0, time.time() - entry.last_used) / _DAY
    name = entry.path.relative_to(root).as_posix()
    return name, entry.content, human_size(entry.bytes), counted(int(days), "day")
