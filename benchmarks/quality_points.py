"""What a run drew at different times of its training, judged: points of a curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from acgan.data.images import Images, Labels
from acgan.errors import DataError, UsageError
from acgan.evaluation.evaluation_data import EvaluationData, HeldOutSplit
from acgan.evaluation.reference_quality import SampleQuality, measure_quality
from acgan.model.model import generator_at, load
from acgan.runs.checkpoint import saved_checkpoints
from acgan.sampling.sampler import sample_images


@final
@dataclass(frozen=True)
class Point:
    """How good a run was after so much training.

    Attributes:
        images: real images seen until then.
        seconds: of training alone, at the rate measured on this machine.
        quality: of its samples.
    """

    images: int
    seconds: float
    quality: SampleQuality

    def to_json(self) -> dict[str, Any]:
        """Plain values; what belongs to the judge is not said again for each point."""
        values = self.quality.to_json()
        for key in ("confusion", "protocol"):
            del values[key]
        return {"images": self.images, "seconds": self.seconds, **values}


def tutorial_points(
    folder: Path, rate: float, real: EvaluationData, split: HeldOutSplit, most: int
) -> Iterator[Point]:
    """Judge the snapshots that `benchmarks/tutorial.py` left.

    Raises:
        UsageError: there are none.
        DataError: a snapshot is damaged, or of another size than the real images.
    """
    found = {int(path.stem): path for path in folder.glob("*.npz") if path.stem.isdecimal()}
    if not found:
        raise UsageError(
            f"there are no snapshots in {folder}; make them with benchmarks/tutorial.py"
        )
    for images in spread(sorted(found), most):
        samples, labels = _snapshot(found[images])
        yield Point(
            images, images / rate, measure_quality(real.with_samples(samples, labels), split)
        )


@final
class JudgedRun:
    """A run's kept checkpoints and its model, judged where one asks for it.

    Args:
        run: its folder.
        rate: images a second.
        real: reference classifier and real splits.
        split: the split that samples are compared with.
        per_class: samples a class; seeds from 0 on.

    Raises:
        UsageError: there is no model at that place.
        DataError: the model draws other classes than the data have.
    """

    def __init__(
        self, run: Path, rate: float, real: EvaluationData, split: HeldOutSplit, per_class: int
    ) -> None:
        self._model = model = load(run)
        drawn = [each.name for each in model.classes]
        names = [each.name for each in real.splits.classes]
        if drawn != names:
            raise DataError(
                f"{run} draws the classes {', '.join(drawn)}; the data have {', '.join(names)}: "
                "measure it with the data it was trained for"
            )
        self._rate, self._real, self._split = rate, real, split
        self._labels = np.repeat(np.arange(len(drawn), dtype=np.int64), per_class)
        self._seeds = np.tile(np.arange(per_class), len(drawn))
        self._last = model.images_seen
        kept = saved_checkpoints(run, before=self._last)
        self._kept = {each.images_seen: each for each in kept if each.images_seen > 0}
        self.counts = [*sorted(self._kept), self._last]
        """Images seen at everything that can be judged, ascending."""

    def at(self, images: int) -> Point:
        """The averaged generator after ``images``, one of `counts`.

        Raises:
            DataError: the checkpoint is damaged; the images are of another size than the real ones.
        """
        model = self._model
        generator = (
            model.generator if images == self._last else generator_at(model, self._kept[images])
        )
        samples = sample_images(generator, self._labels, self._seeds)
        data = self._real.with_samples(samples, self._labels)
        return Point(images, images / self._rate, measure_quality(data, self._split))


def spread(counts: Sequence[int], most: int) -> list[int]:
    """At most so many of the ascending counts, about evenly on a logarithmic axis; the last is in.

    Raises:
        ValueError: ``most`` is below 2.
    """
    if most < 2:
        raise ValueError(f"a curve takes 2 points, not {most}")
    if len(counts) <= most:
        return list(counts)
    places = np.log(np.asarray(counts, float))
    wanted = np.linspace(places[0], places[-1], most)
    return [counts[i] for i in sorted({int(np.abs(places - each).argmin()) for each in wanted})]


def _snapshot(path: Path) -> tuple[Images, Labels]:
    try:
        with np.load(path, allow_pickle=False) as held:
            return held["images"], held["labels"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"the snapshot {path} cannot be read ({error}); make it again") from error
