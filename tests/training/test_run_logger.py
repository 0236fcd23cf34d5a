from __future__ import annotations

import io
import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from acgan.errors import DiskError
from acgan.training.run_logger import TensorBoardLog


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def steps(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_scalars_come_back_under_their_path_with_images_seen_as_step(tmp_path: Path) -> None:
    with closing(TensorBoardLog(tmp_path / "tensorboard", first_image=0)) as log:
        log.scalars(128, {"loss": {"discriminator": {"source_real": 0.5}}, "class_accuracy": {}})
        log.scalars(256, {"loss": {"discriminator": {"source_real": 0.25}}, "rate": 3})
    folder = tmp_path / "tensorboard"
    assert read(folder).Tags()["scalars"] == ["loss/discriminator/source_real", "rate"]
    assert steps(folder, "loss/discriminator/source_real") == [(128, 0.5), (256, 0.25)]
    assert steps(folder, "rate") == [(256, 3.0)]


def test_unknown_values_are_left_out_and_nan_is_logged_as_it_is(tmp_path: Path) -> None:
    with closing(TensorBoardLog(tmp_path, first_image=0)) as log:
        log.scalars(1, {"a": None, "b": math.nan})
    assert read(tmp_path).Tags()["scalars"] == ["b"]
    assert math.isnan(steps(tmp_path, "b")[0][1])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_come_back_pixel_by_pixel(tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (7, 9) if mode == "L" else (7, 9, 3), dtype=np.uint8)
    with closing(TensorBoardLog(tmp_path, first_image=0)) as log:
        log.image(64, "samples", Image.fromarray(pixels))
    (event,) = read(tmp_path).Images("samples")
    assert (event.step, event.width, event.height) == (64, 9, 7)
    with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
        assert np.array_equal(np.asarray(picture), pixels)


def test_every_figure_is_on_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path, first_image=0)
    log.scalars(1, {"a": 1.0})
    assert steps(tmp_path, "a") == [(1, 1.0)]
    log.close()


def test_a_resumed_run_replaces_what_lies_after_the_point_of_resume(tmp_path: Path) -> None:
    with closing(TensorBoardLog(tmp_path, first_image=0)) as log:
        for images in (100, 200, 300):
            log.scalars(images, {"a": 1.0, "gone": 1.0})
    with closing(TensorBoardLog(tmp_path, first_image=200)) as log:
        log.scalars(400, {"a": 2.0})
    assert steps(tmp_path, "a") == [(100, 1.0), (200, 1.0), (400, 2.0)]
    assert steps(tmp_path, "gone") == [(100, 1.0), (200, 1.0)]
    assert len(list(tmp_path.iterdir())) == 2


def test_many_quick_starts_keep_their_order(tmp_path: Path) -> None:
    for start in range(12):
        with closing(TensorBoardLog(tmp_path, first_image=0)) as log:
            log.scalars(50, {"a": float(start)})
    assert steps(tmp_path, "a") == [(50, 11.0)]


def test_a_full_disk_is_said_at_the_write_that_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    log = TensorBoardLog(tmp_path, first_image=0)
    with full.open("wb", buffering=0) as device:
        monkeypatch.setattr(log, "_file", device)
        with pytest.raises(DiskError, match="tfevents"):
            log.scalars(1, {"a": 1.0})
    monkeypatch.undo()
    log.close()


def test_a_file_where_the_folder_should_be_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(DiskError):
        TensorBoardLog(tmp_path / "tensorboard", first_image=0)
