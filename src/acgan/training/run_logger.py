"""Logs of a run: metric rows, times, images and TensorBoard.

Rows of metrics.jsonl hold no wall-clock time, so that equal trajectories give equal bytes; times go
to timing.jsonl.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from PIL import Image

from acgan.plots.grid import png_bytes
from acgan.runs.folder import RunFolder
from acgan.storage.disk import disk_errors
from acgan.storage.files import write_atomic
from acgan.storage.line_log import LineLog
from acgan.training.display import Display


@final
class RunLogger:
    """The open logs of a run.

    Args:
        folder: the run's.
        display: shows rows and events.
        saved: the result of `sync` at the checkpoint where the run resumes; later rows are removed,
            and will be written again. Empty for a new run.
        images_seen: image count of that checkpoint.

    Raises:
        DiskError: a log cannot be opened, or metrics.jsonl has changed up to the checkpoint.
    """

    def __init__(
        self, folder: RunFolder, display: Display, *, saved: Mapping[str, Any], images_seen: int
    ) -> None:
        self._folder = folder
        self._display = display
        self._metrics = self._open_metrics(saved)
        try:
            self._timing = LineLog(folder.timing)
        except BaseException:
            self._metrics.close()
            raise
        self._tensorboard: TensorBoardLog | None = None
        self._first_image = images_seen

    def row(self, row: Mapping[str, Any]) -> None:
        """Write one row of metrics; ``images`` is its image count."""
        self._metrics.append(row)
        self._timing.append({"images": row["images"], "unix_seconds": round(time.time(), 3)})
        metrics = {key: value for key, value in row.items() if isinstance(value, Mapping)}
        self._open_tensorboard().scalars(row["images"], metrics)
        self._display.metrics(row)

    def event(self, event: Mapping[str, Any], *, show: bool = True) -> None:
        """Write an event (``images``, ``event``, ``message``) and show its message."""
        self._metrics.append(event)
        if show:
            self._display.message(event["message"], "warning")

    def image(self, name: str, image: Image.Image, images_seen: int) -> None:
        """Write ``samples/NAME.png``, and the same image to TensorBoard."""
        self._metrics.require_file()  # else a folder that was removed would be created again
        write_atomic(self._folder.samples / f"{name}.png", png_bytes(image))
        tag = "samples" if name.isdecimal() else name
        self._open_tensorboard().image(images_seen, tag, image)

    def sync(self) -> dict[str, Any]:
        """Flush metrics.jsonl to the disk; return its length and hash, for a checkpoint."""
        return {"metrics_bytes": self._metrics.sync(), "metrics_sha256": self._metrics.sha256}

    def rewind(self, saved: Mapping[str, Any], images_seen: int) -> None:
        """Cut metrics.jsonl to what it was when `sync` returned ``saved`` at ``images_seen``."""
        old, self._metrics = self._metrics, self._open_metrics(saved)
        old.close()
        self._close_tensorboard()
        self._first_image = images_seen

    def close(self) -> None:
        """Close all logs."""
        self._metrics.close()
        self._timing.close()
        self._close_tensorboard()

    def _open_metrics(self, saved: Mapping[str, Any]) -> LineLog:
        return LineLog(
            self._folder.metrics,
            keep_bytes=int(saved.get("metrics_bytes", 0)),
            keep_sha256=saved.get("metrics_sha256"),  # older checkpoints lack it
        )

    def _open_tensorboard(self) -> TensorBoardLog:
        """Return TensorBoard's file of this start, created at the first call."""
        if self._tensorboard is None:
            folder, first_image = self._folder.tensorboard, self._first_image
            self._tensorboard = TensorBoardLog(folder, first_image=first_image)
        return self._tensorboard

    def _close_tensorboard(self) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None


@final
class TensorBoardLog:
    """Writes one TensorBoard event file; its step axis is images seen.

    torch's SummaryWriter passes events to a background thread; a full disk ends that thread without
    an error. Here every call writes its bytes before it returns, or raises.

    Each start of a run writes one file. The file begins with a record that makes TensorBoard drop
    earlier files' events beyond the point of resume, which an interrupted run had already logged.

    Args:
        folder: folder of the event files; created if missing.
        first_image: images seen when this start began: 0, or the point of resume.

    Raises:
        DiskError: the file cannot be written; all methods raise it too.
    """

    def __init__(self, folder: Path, *, first_image: int) -> None:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads files in the order of their names. Numbers keep that order where the
            # usual time stamps fail (two starts within a second, a clock set back).
            number = len(list(folder.glob("events.out.tfevents.*")))
            self._path = folder / f"events.out.tfevents.{number:010d}.acgan"
            # Unbuffered, so that no error is delayed until close().
            self._file = self._path.open("xb", buffering=0)
        try:
            self._write(0, file_version="brain.Event:2")
            if number:
                from tensorboard.compat.proto.event_pb2 import SessionLog

                # TensorBoard drops steps from this one on; the step `first_image` itself stays.
                start = SessionLog(status=SessionLog.START)
                self._write(first_image + 1, session_log=start)
        except BaseException:
            self.close()
            raise

    def scalars(self, images_seen: int, values: Mapping[str, Any]) -> None:
        """Log nested numbers at the step ``images_seen``; None is left out.

        ``{"loss": {"generator": {"class": 0.1}}}`` becomes the tag ``loss/generator/class``.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=tag, simple_value=v) for tag, v in _flat(values)]
        if points:
            self._write(images_seen, summary=Summary(value=points))

    def image(self, images_seen: int, tag: str, image: Image.Image) -> None:
        """Log an image (mode ``L`` or ``RGB``) under ``tag``."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        encoded = Summary.Image(
            height=image.height,
            width=image.width,
            colorspace=len(image.getbands()),
            encoded_image_string=png_bytes(image),
        )
        self._write(images_seen, summary=Summary(value=[Summary.Value(tag=tag, image=encoded)]))

    def close(self) -> None:
        """Close the file; no event is pending."""
        self._file.close()

    def _write(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        # TensorFlow's record format: length, data and a checksum of each.
        buffer = io.BytesIO()
        event = Event(wall_time=time.time(), step=step, **content)
        RecordWriter(buffer).write(event.SerializeToString())
        record = buffer.getvalue()
        with disk_errors(self._path, len(record)):
            rest = memoryview(record)
            while rest:  # an unbuffered write may be partial
                rest = rest[self._file.write(rest) :]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif value is not None:
            yield prefix + name, float(value)
