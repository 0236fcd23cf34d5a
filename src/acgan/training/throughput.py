"""A training step to measure: the run's own loop in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from acgan.data.images import DataParts
from acgan.run_config import RunConfig
from acgan.storage import disk_errors
from acgan.training.device import Choices
from acgan.training.display import SilentDisplay
from acgan.training.loop import Loop
from acgan.training.run_folder import RunFolder


@contextmanager
def throwaway_loop(
    config: RunConfig, parts: DataParts, choices: Choices, *, beside: Path | None = None
) -> Iterator[Loop]:
    """A loop as a run has it, at its first image; what it writes is gone in the end.

    Args:
        config: the run.
        parts: its data.
        choices: device, precision and threads; already applied.
        beside: folder to write in, where the kind of disk matters; by default the system's own
            for temporary files.

    Raises:
        DiskError: nothing can be written there.

    Example:
        >>> with throwaway_loop(config, parts, choices) as loop:   # doctest: +SKIP
        ...     loop.train_once()
    """
    with disk_errors(beside or Path(tempfile.gettempdir())):
        scratch = tempfile.TemporaryDirectory(
            prefix=".tmp-measure-", dir=beside, ignore_cleanup_errors=True
        )
    with scratch as path:
        loop = Loop(config, parts, choices, RunFolder(Path(path)), SilentDisplay(), total_images=0)
        with closing(loop):
            yield loop
