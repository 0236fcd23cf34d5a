"""The TensorBoard log: scalars and sheets, written at once and in this thread.

torch's SummaryWriter queues events for a background thread, where a full disk kills the thread and
nobody hears of it. Here every call hands its bytes to the operating system before it returns, or
raises.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from PIL import Image

from acgan.plots.grid import png_bytes
from acgan.storage.disk import disk_errors

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event


@final
class TensorBoardLog:
    """Writes one event file of a run; the step axis of TensorBoard is images seen.

    Each start of a run writes a file of its own. The file begins by telling TensorBoard to forget
    what earlier files say beyond the point of resume, which a killed run had logged already.

    Args:
        folder: where event files lie; made if missing.
        first_image: images seen when this start began: 0, or where the run was resumed.

    Raises:
        DiskError: the file cannot be written; so do all methods.
    """

    def __init__(self, folder: Path, *, first_image: int) -> None:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads files in the order of their names: a number keeps it right where the
            # customary time stamp fails (two starts within a second, a clock set back).
            number = len(list(folder.glob("events.out.tfevents.*")))
            self._path = folder / f"events.out.tfevents.{number:010d}.acgan"
            # Without Python's buffer, so that nothing waits to fail later, in close() or never.
            self._file = self._path.open("xb", buffering=0)
        try:
            self._write(0, file_version="brain.Event:2")
            if number:
                self._write_purge(after=first_image)
        except BaseException:
            self.close()
            raise

    def scalars(self, images_seen: int, values: Mapping[str, Any]) -> None:
        """Log numbers.

        Args:
            images_seen: the step.
            values: numbers by name, nested as deep as one likes: ``{"loss": {"generator": {"class":
                0.1}}}`` becomes the tag ``loss/generator/class``. None is left out.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=tag, simple_value=v) for tag, v in _flat(values)]
        if points:
            self._write(images_seen, summary=Summary(value=points))

    def image(self, images_seen: int, tag: str, picture: Image.Image) -> None:
        """Log a picture (``L`` or ``RGB``) under ``tag``."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        encoded = Summary.Image(
            height=picture.height,
            width=picture.width,
            colorspace=len(picture.getbands()),
            encoded_image_string=png_bytes(picture),
        )
        self._write(images_seen, summary=Summary(value=[Summary.Value(tag=tag, image=encoded)]))

    def close(self) -> None:
        """Close the file; nothing is pending, so this cannot lose anything."""
        self._file.close()

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write_purge(self, *, after: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog

        # TensorBoard drops the steps from this one on; the step `after` itself is to stay.
        self._write(after + 1, session_log=SessionLog(status=SessionLog.START))

    def _write(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        record = _record(Event(wall_time=time.time(), step=step, **content))
        with disk_errors(self._path, len(record)):
            rest = memoryview(record)
            while rest:  # an unbuffered write may take a part only
                rest = rest[self._file.write(rest) :]


def _record(event: Event) -> bytes:
    """The event in TensorFlow's record format: length, data and a checksum of each."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif value is not None:
            yield prefix + name, float(value)
