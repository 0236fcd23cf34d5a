"""What an evaluation has before it: samples, real parts, and what extractors say of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from acgan.classifiers.cache import kept_answers
from acgan.classifiers.extractor import Answers, Extractor
from acgan.classifiers.judge import Judge
from acgan.data.classes import ClassName
from acgan.data.images import DataParts, Images, Labels
from acgan.model import Model

Part = Literal["train", "validation", "test"]
EVERYTHING = "all samples"
Progress = Callable[[str, int, int], None]
"""Told a stage's name, how much of it is done, and its total."""


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """The samples under examination, wherever they come from.

    Attributes:
        name: of the run or folder, for headings.
        samples: uint8 (N, C, H, W), class after class.
        asked: int64 (N,), the class asked for, in the data's label order; 0 where none was.
        classes: the K classes, those of the data.
        model: what drew them; None for a folder of pictures from elsewhere.
        run: the run's folder, where kept checkpoints lie; None without one.
        origin: what it takes to have the same samples again: model hash, seed, count, folder.
        conditional: whether classes were asked for.
    """

    name: str
    samples: Images
    asked: Labels
    classes: tuple[ClassName, ...]
    model: Model | None = None
    run: Path | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    conditional: bool = True

    def of_class(self, index: int) -> Images:
        """The samples asked for as one class."""
        chosen: Images = self.samples[self.asked == index]
        return chosen


@final
@dataclass(frozen=True, eq=False)
class Evidence:
    """Samples and real parts; each extractor looks at each of them once at most.

    Attributes:
        subject: the samples.
        parts: the real images, of the samples' own shape and classes.
        judge: fitted to ``parts.train`` alone; None of data without classes.
        held_out: whether the model is known never to have seen validation and test: its record
            names the same parts. None where nobody knows (a folder of pictures from elsewhere).
        seed: of every random choice in the measures.
        folder: where answers to real images are kept; None to compute them each time.
        progress: told of long stages.
        instead: looks at the images in the judge's place where there is none.
    """

    subject: Subject
    parts: DataParts
    judge: Judge | None
    held_out: bool | None
    seed: int = 0
    folder: Path | None = None
    progress: Progress = lambda _stage, _done, _total: None
    instead: Extractor | None = None
    _of_samples: dict[str, Answers] = field(default_factory=dict, repr=False)
    _of_parts: dict[tuple[str, Part], Answers] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The groups in which samples are held against real images: the classes, in label order.

        Where no class was asked for, all samples are one group.
        """
        if not self.subject.conditional:
            return (EVERYTHING,)
        return tuple(each.name for each in self.parts.classes)

    @property
    def eye(self) -> Extractor:
        """In whose features variety and copies are looked for: the judge's, if there is one."""
        eye = self.judge or self.instead
        if eye is None:
            raise ValueError("an evaluation takes a judge, or an extractor instead")
        return eye

    @property
    def the_judge(self) -> Judge:
        """The judge, for what is not done without one."""
        if self.judge is None:
            raise ValueError("there is no judge: the data have no classes")
        return self.judge

    def groups(self, part: Part) -> Labels:
        """The group of each image of a real part, int64 (N,)."""
        labels: Labels = getattr(self.parts, part).labels
        return labels if self.subject.conditional else np.zeros_like(labels)

    def samples_seen_by(self, extractor: Extractor) -> Answers:
        """What an extractor says of the samples."""
        if extractor.name not in self._of_samples:
            stage = f"{extractor.name}: samples"
            self._of_samples[extractor.name] = extractor.answers(
                self.subject.samples,
                progress=lambda done, total: self.progress(stage, done, total),
            )
        return self._of_samples[extractor.name]

    def part_seen_by(self, extractor: Extractor, part: Part) -> Answers:
        """What an extractor says of a real part."""
        key = (extractor.name, part)
        if key not in self._of_parts:
            data = getattr(self.parts, part)

            def told(done: int, total: int) -> None:
                self.progress(f"{extractor.name}: {part} images", done, total)

            self._of_parts[key] = (
                kept_answers(extractor, data, self.folder, progress=told)
                if self.folder
                else extractor.answers(data.images, progress=told)
            )
        return self._of_parts[key]

    def protocol(self, extractor: Extractor, **more: Any) -> dict[str, Any]:
        """What every figure made with an extractor states, and ``more``."""
        test = self.parts.test
        return {
            "extractor": extractor.name,
            "extractor_weights_hash": extractor.weights_hash(),
            "resize": extractor.resize_rule,
            "samples": len(self.subject.samples),
            "samples_per_class": np.bincount(self.subject.asked, minlength=len(self.names)).tolist()
            if self.subject.conditional
            else None,
            "reference": "test",
            "reference_images": len(test),
            "reference_hash": test.content_hash,
            "seed": self.seed,
            **more,
        }
