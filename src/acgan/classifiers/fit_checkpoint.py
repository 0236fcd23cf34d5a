"""The state of an unfinished fit in one file, so that an interrupted fit continues."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import final

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from acgan.storage.files import write_atomic

EVERY_SECONDS = 10.0
_HASH_BYTES = hashlib.sha256().digest_size


@final
class FitCheckpoint:
    """One file that is written atomically every 10 seconds and verified when it is read.

    Args:
        path: of the file, which need not exist. Everything that determines the fit must be part of
            its name; one process at a time may use it.
        clock: in seconds.

    Attributes:
        saved: the tensors of the interrupted fit; none if there is no file or it is damaged.
        extra: tensors of the caller, saved with those of the fit.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._saved_at = clock()
        self.saved = self._load()
        self.extra: dict[str, Tensor] = {}

    def take(self) -> dict[str, Tensor]:
        """Return the saved tensors once; later calls, of later fits, return none."""
        saved, self.saved = self.saved, {}
        return saved

    def _load(self) -> dict[str, Tensor]:
        with suppress(OSError, SafetensorError):
            content = self._path.read_bytes()
            digest, tensors = content[:_HASH_BYTES], content[_HASH_BYTES:]
            if hashlib.sha256(tensors).digest() == digest:
                return load(tensors)
        return {}

    def save_if_due(self, tensors: Callable[[], dict[str, Tensor]]) -> None:
        """Save the state, if the last save was over 10 seconds ago.

        Raises:
            DiskError: the file cannot be written.
        """
        if self._clock() - self._saved_at < EVERY_SECONDS:
            return
        state = {name: each.contiguous() for name, each in (tensors() | self.extra).items()}
        content = save(state)
        write_atomic(self._path, hashlib.sha256(content).digest() + content)
        self._saved_at = self._clock()

    def remove(self) -> None:
        """Remove the file: the fit is complete."""
        self._path.unlink(missing_ok=True)
